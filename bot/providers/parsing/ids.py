"""What a task's id tells by itself."""

import re
from datetime import UTC, datetime, timedelta, timezone

# LiteLLM's ids hold a Vertex operation's name in base64, and have up to 370 characters:
# https://github.com/BerriAI/litellm/pull/16192
_VALID = re.compile(r"[A-Za-z0-9._:=+-]{1,512}")
_ARK = re.compile(r"cgt-(\d{14})-")
_ULID = re.compile(r"(?:^|[_:])([0-7][0-9a-hjkmnp-tv-z]{25})$", re.IGNORECASE)
_CROCKFORD = {letter: value for value, letter in enumerate("0123456789abcdefghjkmnpqrstvwxyz")}
_BEIJING = timezone(timedelta(hours=8))
_SANE_YEARS = range(2020, 2060)


def valid_id(text: str) -> bool:
    """Whether a gateway may have given such an id; it is safe as one segment of a path."""
    return _VALID.fullmatch(text) is not None and text.strip(".") != ""


def created_at_from_id(external_id: str) -> datetime | None:
    """When the task was made, where its id tells: Ark's `cgt-YYYYMMDDHHMMSS-…` (Beijing time) or a ULID."""
    born = _ark_birth(external_id) or _ulid_birth(external_id)
    return born if born is not None and born.year in _SANE_YEARS else None


def _ark_birth(external_id: str) -> datetime | None:
    match = _ARK.match(external_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _ulid_birth(external_id: str) -> datetime | None:
    """Milliseconds since 1970 in the first ten letters: https://github.com/ulid/spec."""
    match = _ULID.search(external_id)
    if match is None:
        return None
    milliseconds = 0
    for letter in match[1][:10].lower():
        milliseconds = milliseconds * 32 + _CROCKFORD[letter]
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
