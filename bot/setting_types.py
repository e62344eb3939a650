"""The types of the settings: what the program gets, and how that is read from text.

A reader is handed what is set and not empty; its ValueError ends the sentence that the setting's name begins.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from bot.private_hosts import PrivateHosts, private_hosts
from bot.providers.registry import KINDS, kind_of

_MOST_RPS = 1000
_LAST_PORT = 65535
_MOST_DAYS = 3650
_MOST_WATCHES = 100_000
_NOT_IN_ADDRESS = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f\x7f]")
N = TypeVar("N", int, float)


def split_list(text: str) -> list[str]:
    """The words of a list, however they are kept apart."""
    return [word for word in re.split(r"[\s,;、]+", unicodedata.normalize("NFKC", text)) if word]


def host_of(url: str | None) -> str | None:
    """The host of an http:// or https:// address; None: it is none."""
    parts = _parts(url) if url else None
    return parts.hostname if parts else None


def _parts(url: str) -> SplitResult | None:
    """An http:// or https:// address in its parts; None: it is none. urlsplit's errors would repeat it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _http_url(text: str) -> str:
    parts = _parts(text)
    if parts is None:
        raise ValueError("is not an http:// or https:// address")
    if _NOT_IN_ADDRESS.search(text):
        raise ValueError("holds a space or another character that no address has")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("ends in a query or fragment, behind which no path can stand")
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password, which an address would show")
    return text.rstrip("/")


def _proxy_url(text: str) -> str:
    if _parts(text) is None:
        raise ValueError("is not an http:// or https:// proxy address")
    return text


def _database_url(text: str) -> str:
    if not re.fullmatch(r"sqlite:///.+", text):
        raise ValueError("is neither sqlite:///relative.db nor sqlite:////absolute.db")
    return text


def _token(text: str) -> str:
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{5,}", text):
        raise ValueError("is not a bot token as @BotFather gives it (digits, a colon, letters)")
    return text


def _key(text: str) -> str:
    """A header value; anything else would be refused only when the first question is asked."""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("holds a space or a character that no key has")
    return text


def _kind(word: str) -> str:
    kind = kind_of(word)
    if kind is None:
        raise ValueError(f"is none of the wire formats {', '.join(KINDS)}")
    return kind


def _number(convert: Callable[[str], N], most: int, mistake: str) -> Callable[[str], N]:
    """Reads a number above 0."""

    def read(text: str) -> N:
        try:
            number = convert(text)
        except ValueError:
            raise ValueError(mistake) from None
        if not 0 < number <= most:
            raise ValueError(mistake)
        return number

    return read


def _truth(text: str) -> bool:
    match text.lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError("is neither true nor false")


def _private(text: str) -> PrivateHosts:
    try:
        return PrivateHosts(everything=_truth(text))
    except ValueError:
        return private_hosts(split_list(text))


def _listening_host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        if text.lower() == "localhost":
            return "localhost"
        raise ValueError("is no IP address to listen at, such as 127.0.0.1 or 0.0.0.0") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"is none of {', '.join(choices)}")

    return read


def _language(text: str) -> str:
    """Desktops set LANGUAGE too: https://www.gnu.org/software/gettext/manual/html_node/The-LANGUAGE-variable.html"""
    if locale := re.fullmatch(r"(en|zh)([_-][a-z]+)*([.@][\w.@-]+)?|(cn)", text.lower()):
        return locale[1] or "zh"
    return "auto" if re.search("[_:]", text) else _one_of("auto", "en", "zh")(text)


def _list_of(word: str, mistake: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not all(re.fullmatch(word, each) for each in split_list(text)):
            raise ValueError(mistake)
        return text

    return read


Token = Annotated[str, _token]
Key = Annotated[str, _key]
HttpUrl = Annotated[str, _http_url]
Proxy = Annotated[str, _proxy_url]
DatabaseUrl = Annotated[str, _database_url]
Kind = Annotated[str, _kind]
Rate = Annotated[float | None, _number(float, _MOST_RPS, f"is not a number above 0 and up to {_MOST_RPS}")]
Port = Annotated[int | None, _number(int, _LAST_PORT, f"is not a number from 1 to {_LAST_PORT}")]
Days = Annotated[float, _number(float, _MOST_DAYS, f"is not a number of days above 0 and up to {_MOST_DAYS}")]
Watches = Annotated[int, _number(int, _MOST_WATCHES, f"is not a number from 1 to {_MOST_WATCHES}")]
Host = Annotated[str, _listening_host]
Private = Annotated[PrivateHosts, _private]
Switch = Annotated[bool, _truth]
# Ids of Telegram have at most 52 bits.
Chats = Annotated[
    str, _list_of(r"-?[0-9]{1,16}|\*", "is no list of chat ids such as 123,-1001234567890, nor *")
]
Users = Annotated[str, _list_of(r"[0-9]{1,16}", "is no list of user ids such as 12345,67890")]
Language = Annotated[str, _language]
LogLevel = Annotated[str, _one_of("DEBUG", "INFO", "WARNING", "ERROR")]
LogFormat = Annotated[str, _one_of("console", "json")]
