"""Links to videos: which text is one, when it dies, and the kind that carries the bytes itself."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlsplit

from bot.providers.parsing.fields import as_number, as_time

_UNQUOTED_AT_ONCE = 65_536  # characters
_MOST_ESCAPES = 50_000  # of a data: link; base64 needs next to none, and each takes time
_LONGEST = 8_192  # characters; signed links have under 2,000
DEFAULT_PORTS = {"http": 80, "https": 443}
_SIGNERS = ("x-tos", "x-amz", "x-oss", "x-goog")
_LONGEST_LIFE_S = 366 * 86_400
_NOT_HELD = re.compile(r"[^!-~]")  # RFC 9112: a request's target is of visible ASCII
_PARTS = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?)((?<=//)[^/?#]*|)(.*)", re.DOTALL)
_UNSEEN = re.compile(r"(?![\t-\r])\s")  # blanks, but no ends of lines
_QUOTES = "`'\"<>“”"
_utc = as_time(UTC)


def as_link(value: object) -> str | None:
    """A video's address as it stands, http(s) or data:, or None if the value is not one."""
    if not isinstance(value, str):
        return None
    link = value.strip()
    if is_inline(link):
        return link
    if len(link) > _LONGEST:
        return None
    if link[:1] in _QUOTES:
        link = link.strip(_QUOTES).strip()
    if _UNSEEN.search(link) or not link.isprintable():
        # Nothing else is touched: a signature is of the link as it stands.
        head, authority, rest = _parts(link)
        link = head + authority + _UNSEEN.sub(lambda found: quote(found[0]), _encoded(rest))
    return link if _split(link) is not None else None


def _encoded(text: str) -> str:
    """Marks that join, turn or hide letters, as in emoji, percent-encoded; control characters stay."""
    return "".join(
        char if char.isascii() or char.isprintable() or "\ud800" <= char <= "\udfff" else quote(char)
        for char in text
    )


def requestable(link: str) -> str:
    """A link in which what a request line may not hold is percent-encoded, and every other byte stays."""
    if not _NOT_HELD.search(link):
        return link
    head, authority, rest = _parts(link)
    if not authority.isascii():
        authority = authority.encode("idna").decode()
    return f"{head}{authority}{_NOT_HELD.sub(lambda found: quote(found[0], errors='surrogateescape'), rest)}"


def _parts(link: str) -> tuple[str, str, str]:
    """Scheme, host and port, and all after it."""
    found = _PARTS.match(link)
    return (found[1], found[2], found[3]) if found else ("", "", link)


def as_failure_text(value: object) -> str | None:
    """A text that is not blank and not a link, from a field that may hold either."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and (_NOT_HELD.search(text) or as_link(text) is None) else None


def is_inline(link: str) -> bool:
    """Whether the link carries the bytes itself."""
    return link[:5].lower() == "data:" and "," in link[:200]


def decode_inline(link: str) -> bytes | None:
    """The bytes that a data: link carries, or None if it carries none (RFC 2397)."""
    head, _, payload = link.partition(",")
    if payload.count("%") > _MOST_ESCAPES:
        return None
    try:
        data = b"".join(_unquoted(payload))
        if head.endswith(";base64"):
            data = base64.b64decode(data + b"=" * (-len(data) % 4))
    except (ValueError, binascii.Error):
        return None
    return data or None


def _unquoted(text: str) -> Iterator[bytes]:
    """Percent-decode piece by piece, as each call holds the interpreter."""
    at = 0
    while at < len(text):
        end = at + _UNQUOTED_AT_ONCE
        cut = text.rfind("%", end - 2, end)  # no piece ends within an escape
        end = cut if cut > at else end
        yield unquote_to_bytes(text[at:end])
        at = end


def origin(link: str) -> tuple[str, str, int] | None:
    """Scheme, host and port, or None where the host can't be told beyond doubt."""
    parts = _split(link)
    if parts is None or parts.hostname is None or "@" in parts.netloc or not parts.netloc.isascii():
        return None
    return parts.scheme.lower(), parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme.lower()]


def is_loopback(host: str) -> bool:
    """Whether a host is the machine that says its name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def link_expiry(link: str, *, signed_at: datetime | None) -> datetime | None:
    """When a signed link stops working, as far as its own query says.

    signed_at: what a life without a beginning is counted from.
    """
    parts = _split(link)
    if parts is None:
        return None
    query = {name.lower(): text for name, text in parse_qsl(parts.query)}
    return _lifetime(query, signed_at) or _deadline(query)


def _lifetime(query: Mapping[str, str], signed_at: datetime | None) -> datetime | None:
    for signer in _SIGNERS:
        life_s = as_number(query.get(f"{signer}-expires"))
        if life_s is None or not 0 < life_s <= _LONGEST_LIFE_S:
            continue
        signed = _utc(query.get(f"{signer}-date")) or signed_at
        return signed + timedelta(seconds=life_s) if signed else None
    return None


def _deadline(query: Mapping[str, str]) -> datetime | None:
    return next((at for name in ("expires", "x-expires", "se") if (at := _utc(query.get(name)))), None)


def _split(link: str) -> SplitResult | None:
    """The link's parts, if it is an address that can be asked for."""
    if len(link) > _LONGEST or "\\" in link or not link.isprintable() or any(char.isspace() for char in link):
        return None
    try:
        parts = urlsplit(link)
        usable = parts.scheme.lower() in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
