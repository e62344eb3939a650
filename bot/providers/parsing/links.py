"""Links to videos: validation, encoding, expiry, and data: links."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlsplit

from bot.providers.parsing.fields import as_number, as_time

_UNQUOTED_AT_ONCE = 65_536  # characters
_MOST_ESCAPES = 50_000  # of a data: link; base64 has almost none, and each one is slow
_LONGEST_INLINE_HEAD = 200  # characters of a data: link up to its comma
_LONGEST = 8_192  # characters; signed links have under 2,000
DEFAULT_PORTS = {"http": 80, "https": 443}
_SIGNERS = ("x-tos", "x-amz", "x-oss", "x-goog")  # prefixes of query parameters, by cloud storage
_LONGEST_LIFE_S = 366 * 86_400  # of a signed link; a larger number is no lifetime
_NOT_ALLOWED = re.compile(r"[^!-~]")  # RFC 9112: a request target is visible ASCII
_PARTS = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?)((?<=//)[^/?#]*|)(.*)", re.DOTALL)
_BLANKS = re.compile(r"(?![\t-\r])\s")  # whitespace except tabs and line ends
_QUOTES = "`'\"<>“”"
_utc = as_time(UTC)


def as_link(value: object) -> str | None:
    """A video's link, http(s) or data:, unchanged if possible; None if the value is not a link."""
    if not isinstance(value, str):
        return None
    link = value.strip()
    if is_inline(link):
        return link
    if len(link) > _LONGEST:
        return None
    if link[:1] in _QUOTES:
        link = link.strip(_QUOTES).strip()
    if _BLANKS.search(link) or not link.isprintable():
        # Nothing else is changed, as a signature covers the link.
        head, authority, rest = _parts(link)
        link = head + authority + _BLANKS.sub(lambda found: quote(found[0]), _encoded(rest))
    return link if _split(link) is not None else None


def _encoded(text: str) -> str:
    """Percent-encode non-ASCII characters that are not printable, such as joiners in emoji."""
    return "".join(
        char if char.isascii() or char.isprintable() or "\ud800" <= char <= "\udfff" else quote(char)
        for char in text
    )


def requestable(link: str) -> str:
    """Percent-encode the characters of a link that a request line may not contain; keep all others."""
    if not _NOT_ALLOWED.search(link):
        return link
    head, authority, rest = _parts(link)
    if not authority.isascii():
        authority = authority.encode("idna").decode()
    rest = _NOT_ALLOWED.sub(lambda found: quote(found[0], errors="surrogateescape"), rest)
    return f"{head}{authority}{rest}"


def _parts(link: str) -> tuple[str, str, str]:
    """Scheme, authority, and the rest."""
    found = _PARTS.match(link)
    return (found[1], found[2], found[3]) if found else ("", "", link)


def as_failure_text(value: object) -> str | None:
    """A text that is not blank and not a link, from a field that may contain either."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and (_NOT_ALLOWED.search(text) or as_link(text) is None) else None


def is_inline(link: str) -> bool:
    """Whether the link is a data: URL."""
    return link[:5].lower() == "data:" and "," in link[:_LONGEST_INLINE_HEAD]


def decode_inline(link: str) -> bytes | None:
    """The bytes in a data: link, or None if there are none (RFC 2397)."""
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
    """Percent-decode in chunks, as each call holds the GIL."""
    at = 0
    while at < len(text):
        end = at + _UNQUOTED_AT_ONCE
        cut = text.rfind("%", end - 2, end)  # no chunk ends inside an escape
        end = cut if cut > at else end
        yield unquote_to_bytes(text[at:end])
        at = end


def origin(link: str) -> tuple[str, str, int] | None:
    """Scheme, host and port, or None if the host is ambiguous."""
    parts = _split(link)
    if parts is None or parts.hostname is None or "@" in parts.netloc or not parts.netloc.isascii():
        return None
    return parts.scheme.lower(), parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme.lower()]


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address or name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def link_expiry(link: str, *, signed_at: datetime | None) -> datetime | None:
    """When a signed link expires by its query, or None.

    signed_at: the start of a lifetime whose signature has no date.
    """
    parts = _split(link)
    if parts is None:
        return None
    query = {name.lower(): text for name, text in parse_qsl(parts.query)}
    deadlines = (_utc(query.get(name)) for name in ("expires", "x-expires", "se"))
    return _lifetime_end(query, signed_at) or next((at for at in deadlines if at), None)


def _lifetime_end(query: Mapping[str, str], signed_at: datetime | None) -> datetime | None:
    """The end of a lifetime in seconds, as cloud storages sign it."""
    for signer in _SIGNERS:
        life_s = as_number(query.get(f"{signer}-expires"))
        if life_s is None or not 0 < life_s <= _LONGEST_LIFE_S:
            continue
        signed = _utc(query.get(f"{signer}-date")) or signed_at
        return signed + timedelta(seconds=life_s) if signed else None
    return None


def _split(link: str) -> SplitResult | None:
    """The link's parts, if it can be requested."""
    if len(link) > _LONGEST or "\\" in link or not link.isprintable() or any(char.isspace() for char in link):
        return None
    try:
        parts = urlsplit(link)
        usable = parts.scheme.lower() in DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
