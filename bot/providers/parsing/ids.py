"""Validates task ids, and reads the creation time that some contain."""

import re
from datetime import UTC, datetime

from bot.providers.parsing.fields import BEIJING

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
# LiteLLM's ids contain a Vertex operation's name in base64, up to 370 characters:
# https://github.com/BerriAI/litellm/pull/16192
_VALID = re.compile(r"[A-Za-z0-9._:=+-]{1,512}")
_ARK = re.compile(r"cgt-(\d{14})-")
_ULID = re.compile(r"(?:^|[_:])([0-7][0-9a-hjkmnp-tv-z]{25})$", re.IGNORECASE)
_CROCKFORD = {letter: value for value, letter in enumerate("0123456789abcdefghjkmnpqrstvwxyz")}
_SANE_YEARS = range(2020, 2060)


def valid_id(text: str) -> bool:
    """Whether the id has a valid form, which is safe as one path segment."""
    return _VALID.fullmatch(text) is not None and text.strip(".") != ""


def created_at_from_id(external_id: str) -> datetime | None:
    """The creation time in an Ark id, `cgt-YYYYMMDDHHMMSS-…` (Beijing time), or a ULID; None for others."""
    created = _ark_time(external_id) or _ulid_time(external_id)
    return created if created is not None and created.year in _SANE_YEARS else None


def _ark_time(external_id: str) -> datetime | None:
    match = _ARK.match(external_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _ulid_time(external_id: str) -> datetime | None:
    """The milliseconds since 1970 in the first ten letters: https://github.com/ulid/spec."""
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
