"""Removes secrets from every text that leaves the process, in time linear in its length."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

REDACTED = "‹redacted›"
LONGEST = 20_000  # characters of a redacted text
_READ_AT_MOST = 200_000  # characters of a text that are searched

# Each pattern reads every character a bounded number of times, whatever the text is.
OPENAI_KEY = r"(?<![A-Za-z0-9])(?:sk|SK)-[\w.*-]{7,}[\w*-]"
# The header's bound keeps `eyJ-eyJ-…` linear, where each dash may be followed by a token.
JWT = r"(?<![A-Za-z0-9])eyJ[\w-]{8,4000}\.[\w.-]+"
_SCHEMES = r"(?:https?|wss?|ftps?|socks[45]?h?|s3|oss|tos|cos|gs|rediss?|postgres(?:ql)?|mysql)"
_URL = re.compile(rf"{_SCHEMES}:(?:\\?/){{2}}(?:(?!https?:)[^\s'\"<>])+", re.IGNORECASE)
# Scheme, authority, path, `?` or `#`, and the rest.
_PARTS = re.compile(rf"({_SCHEMES}:(?:\\?/){{2}})([^/\\?#]*)([^?#]*)([?#]?)(.*)", re.IGNORECASE | re.DOTALL)
# A value, unlike a word, has a letter and a digit, or is long.
_VALUE = r"(?:(?=[^\s\d]{0,64}\d)(?=[^\sa-z]{0,64}[a-z])[\w.~+/=%*|:-]{8,}|[\w.~+/=%*|:-]{20,})"
# Values after a word for a secret, such as `key=`; the word is kept.
_AFTER_WORD = (
    re.compile(
        r"(authorization\W{1,8}(?:b\W)?(?:bearer|key|basic|token|digest)\s{1,8})[^\s'\",]+", re.IGNORECASE
    ),
    re.compile(
        r"((?:(?<![a-z])|(?<=%3f)|(?<=%26))(?:(?:api|access|secret|private|app|auth|client|security)[_-]?)?"
        r"(?:key(?:[_-]?id|[_-]?secret)?|secret|token|password|passwd|signature|sig|credential|session|cookie)"
        r"[\"']?\s{0,3}(?:[:=：]|%3d)\s{0,3}[\"']?)" + _VALUE,
        re.IGNORECASE | re.ASCII,
    ),
    re.compile(r"\b(bearer\s{1,8})(?:(?=[^\s'\",\d]{0,64}\d)[^\s'\",]{6,}|[^\s'\",]{16,})", re.IGNORECASE),
)
# Keys and tokens of a known form, without such a word.
_WHOLE = (
    re.compile(r"(?<!\d)\d{5,}(?::|%3A)[A-Za-z0-9_-]{30,}", re.IGNORECASE),  # a bot's token
    # A key that is cut or masked in its middle; before the next pattern, which would leave a part of it.
    re.compile(r"(?<![A-Za-z0-9])sk-(?=[\w.-]{0,64}(?:[*…]|\.{3}))[\w.*…-]*[\w*…-]", re.ASCII),
    re.compile(OPENAI_KEY, re.ASCII),
    re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AKID|LTAI|AKLT|AIza|ya29\.)[\w-]{8,}", re.ASCII),
    # GitHub, Groq, xAI, Replicate, Hugging Face, Stripe's kind, Runway's
    re.compile(
        r"(?<![A-Za-z0-9])(?:gh[pousr]_|gsk_|xai-|r8_|hf_|[sprk]k_|pk-|key[-_]|whsec_|glpat-)"
        r"(?=[^\s\d]{0,64}\d)[\w-]{16,}",
        re.ASCII,
    ),
    # fal's key: an id and its secret
    re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:\w{16,}", re.IGNORECASE | re.ASCII),
    re.compile(JWT, re.ASCII),
    re.compile(r"data:[\w/+.;=-]*;base64,[^\s'\"<>]+", re.IGNORECASE),  # a video inside a response
)


def hide(text: str, mark: str = REDACTED) -> str:
    """Replace tokens, keys, credentials and queries of URLs, and inline files by the mark."""
    text = _URL.sub(lambda url: _bare(url[0], mark), text)
    for pattern in _AFTER_WORD:
        text = pattern.sub(rf"\1{mark}", text)
    for pattern in _WHOLE:
        text = pattern.sub(mark, text)
    return text


def _bare(url: str, mark: str) -> str:
    """Replace a URL's user, password, query and fragment by the mark."""
    parts = _PARTS.fullmatch(url)
    if parts is None:
        return url
    scheme, authority, path, delimiter, query = parts.groups()
    user, at, host = authority.rpartition("@")
    return f"{scheme}{mark if user else ''}{at}{host}{path}{delimiter}{mark if query else ''}"


class Redactor:
    """Removes the process's own secrets from texts, and everything that hide() recognises."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """secrets: values that are removed in any context."""
        known = {form for secret in secrets if secret for form in _forms(secret) if form}
        self._secrets = sorted(known, key=len, reverse=True)

    def add(self, secret: str) -> None:
        """Remove another value from now on."""
        self._secrets = sorted({*self._secrets, *_forms(secret)}, key=len, reverse=True)

    def redact(self, text: str, read_at_most: int = _READ_AT_MOST) -> str:
        """The text without secrets; the middle of a long one is left out.

        read_at_most: characters that are searched; the others are left out.
        """
        if len(text) > read_at_most:
            # The words that the cut goes through are dropped, as half a secret is not recognised.
            start, end = text[: read_at_most // 2], text[-(read_at_most // 2) :]
            start = start[: max(start.rfind(" "), start.rfind("\n"), 0)]
            rest = re.search(r"[ \n].*", end, re.DOTALL)
            text = f"{start} … {rest[0] if rest else ''}"
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        text = hide(text)
        half = LONGEST // 2
        return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


def _forms(secret: str) -> set[str]:
    """A secret as it is, and as URLs, JSON and Python write it."""
    encoded = quote(secret, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), encoded)
    in_json = json.dumps(secret)[1:-1]
    return {
        secret,
        encoded,
        lower,
        quote(secret),
        unquote(secret),
        in_json,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        in_json.replace("/", "\\/"),
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(secret.encode(errors="replace"))[2:-1],
    }
