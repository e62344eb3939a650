"""The one redactor: what must never leave the process is cut out of every text that does, in linear time."""

import re
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "‹redacted›"
LONGEST = 20_000  # characters of a text that are passed on
_READ_AT_MOST = 200_000  # characters looked at

# Each pattern reads every character a bounded number of times, whatever the text is.
_URL = re.compile(r"https?:(?:\\?/){2}(?:(?!https?:)[^\s'\"<>])+", re.IGNORECASE)
_AUTHORITY = re.compile(r"(https?:(?:\\?/){2})([^/\\?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_AFTER_WORD = (
    re.compile(r"(authorization\W{1,8}(?:b\W)?bearer\s{1,8})[^\s'\",]+", re.IGNORECASE),
    re.compile(r"\b(bearer\s{1,8})(?:(?=[^\s'\",\d]{0,64}\d)[^\s'\",]{6,}|[^\s'\",]{16,})", re.IGNORECASE),
)
_WHOLE = (
    re.compile(r"(?<!\d)\d{5,}(?::|%3A)[A-Za-z0-9_-]{30,}", re.IGNORECASE),  # a bot's token
    re.compile(r"(?<![A-Za-z0-9])sk-[\w.*-]{7,}[\w*-]", re.ASCII),
    re.compile(r"(?<![A-Za-z0-9])(?:AKIA|LTAI|AKLT|AIza)[\w-]{8,}", re.ASCII),
    re.compile(r"(?<![A-Za-z0-9])eyJ[\w-]{8,}\.[\w.-]+", re.ASCII),
    re.compile(r"data:[\w/+.;=-]*;base64,[^\s'\"<>]+", re.IGNORECASE),  # a video inside an answer
)


def hide(text: str, mark: str = REDACTED) -> str:
    """The text without tokens, keys, credentials in an address, signed links, and files inside an answer."""
    text = _URL.sub(lambda url: _bare(url[0], mark), text)
    for pattern in _AFTER_WORD:
        text = pattern.sub(rf"\1{mark}", text)
    for pattern in _WHOLE:
        text = pattern.sub(mark, text)
    return text


def _bare(url: str, mark: str) -> str:
    """An address without what could sign it or log in."""
    parts = _AUTHORITY.fullmatch(url)
    if parts is None:
        return url
    scheme, authority, rest = parts.groups()
    who, at, host = authority.rpartition("@")
    path, sign, secret = re.fullmatch(r"([^?#]*)([?#]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    return f"{scheme}{mark if who else ''}{at}{host}{path}{sign}{mark if secret else ''}"


class Redactor:
    """Cuts the process's own secrets out of texts, besides what looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """secrets: values that must never be seen, whatever stands around them."""
        known = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        self._secrets = sorted(known, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """The text without secrets, its middle left out where it is long."""
        if len(text) > _READ_AT_MOST:
            half = _READ_AT_MOST // 2
            # A word that is cut in two might be half a secret.
            text = f"{_without_last_word(text[:half])} … {_without_first_word(text[-half:])}"
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = hide(text)
        half = LONGEST // 2
        return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


def _without_last_word(text: str) -> str:
    end = max(text.rfind(" "), text.rfind("\n"))
    return text[: max(end, 0)]


def _without_first_word(text: str) -> str:
    starts = [at for at in (text.find(" "), text.find("\n")) if at >= 0]
    return text[min(starts) :] if starts else ""
