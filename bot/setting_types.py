"""The types of the settings, and how each is read from text.

A reader gets a text that is not empty; the message of its ValueError continues a sentence that begins with
the setting's name.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from bot.logs import LogFormat, LogLevel
from bot.private_hosts import PrivateHosts, private_hosts
from bot.providers.registry import KINDS, kind_of
from bot.proxies.proxy import Proxy, read_proxy
from storage.postgres_url import PostgresUrl

_MOST_RPS = 1000
_LAST_PORT = 65535
_MOST_DAYS = 3650
_MOST_WATCHES = 100_000
_NOT_IN_URL = re.compile(r"[\s<>\"{}|\\^`\x00-\x1f\x7f]")
_ID = "{id}"
_LONGEST_PATH = 200  # characters
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")  # RFC 3986: segment-nz
_EVERYONE = "*"
_SQLITE = "sqlite:///"
N = TypeVar("N", int, float)
E = TypeVar("E", LogFormat, LogLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteUrl:
    """A database in a file."""

    file: Path

    def __str__(self) -> str:
        return f"{_SQLITE}{self.file}"


DEFAULT_DATABASE = SqliteUrl(file=Path("data/reelwatch.db"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedChats:
    """Who may use the bot besides the admins."""

    ids: frozenset[int] = frozenset()  # of chats and users
    everyone: bool = False

    def __str__(self) -> str:
        return ", ".join([*([_EVERYONE] if self.everyone else []), *map(str, sorted(self.ids))])


NOBODY = AllowedChats()


def _split_list(text: str) -> list[str]:
    """The items of a list, whatever separates them."""
    return [item for item in re.split(r"[\s,;、]+", unicodedata.normalize("NFKC", text)) if item]


def host_of(url: str | None) -> str | None:
    """The host of an http:// or https:// URL; None if it is not one."""
    parts = _parts(url) if url else None
    return parts.hostname if parts else None


def _parts(url: str) -> SplitResult | None:
    """The parts of an http:// or https:// URL; None if it is not one, as urlsplit's errors show the text."""
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
    if _NOT_IN_URL.search(text):
        raise ValueError("contains a space or another character that no address has")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("ends in a query or fragment, so no path can be added to it")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password, which would be shown with the address")
    return text.rstrip("/")


def _webhook_url(text: str) -> str:
    """The address that Telegram gets, as it is; its path is the one that is listened to."""
    parts = _parts(text)
    if parts is None:
        raise ValueError("is not an https:// address")
    if _NOT_IN_URL.search(text) or not parts.path.isascii():
        raise ValueError("contains a space or another character that no address has")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("contains a query or fragment")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password; Telegram is known by a secret of its own")
    return text


def _status_path(text: str) -> str:
    """The path of a task's status; it is shown, so it has no query, where keys would be."""
    if not text.startswith("/") or text.count(_ID) != 1:
        raise ValueError(f"is not a path that begins with / and contains {_ID} once, as /api/v1/tasks/{_ID}")
    if "?" in text or "#" in text:
        raise ValueError("contains a query or fragment")
    segments = text.replace(_ID, "id").split("/")[1:]
    if len(text) > _LONGEST_PATH or not all(map(_SEGMENT.fullmatch, segments)) or {".", ".."} & {*segments}:
        raise ValueError("contains a character or a part that no path has")
    return text


def database_url(text: str) -> SqliteUrl | PostgresUrl:
    """Read DATABASE_URL; it may hold a password, so no mistake shows it."""
    scheme = text.partition(":")[0]
    if scheme in {"postgresql", "postgres"}:
        return PostgresUrl.of(text)
    if scheme.startswith(("postgresql+", "postgres+")):
        raise ValueError("names a driver; write postgresql:// alone")
    file = text.removeprefix(_SQLITE)
    if file == text or file in {"", ":memory:"} or "\n" in file:
        raise ValueError(
            "is neither sqlite:///relative.db, sqlite:////absolute.db nor postgresql://user:password@host/name"
        )
    return SqliteUrl(file=Path(file))


def _folder(text: str) -> Path:
    if "://" in text or not text.isprintable():
        raise ValueError("is not the path of a folder")
    return Path(text)


def _token(text: str) -> str:
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{5,}", text):
        raise ValueError("is not a bot token as @BotFather gives it (digits, a colon, letters)")
    return text


def _key(text: str) -> str:
    """An HTTP header's value; any other character would fail with the first poll."""
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("contains a space or a character that no key has")
    return text


def _kind(word: str) -> str:
    kind = kind_of(word)
    if kind is None:
        raise ValueError(f"is not one of the wire formats {', '.join(KINDS)}")
    return kind


def _number(convert: Callable[[str], N], most: int, mistake: str) -> Callable[[str], N]:
    """A reader of numbers above 0 and up to most."""

    def read(text: str) -> N:
        try:
            number = convert(text)
        except ValueError:
            raise ValueError(mistake) from None
        if not 0 < number <= most:
            raise ValueError(mistake)
        return number

    return read


def _days(text: str) -> timedelta:
    days = _number(float, _MOST_DAYS, f"is not a number of days above 0 and up to {_MOST_DAYS}")(text)
    return timedelta(days=days)


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
        case _:
            raise ValueError("is neither true nor false")


def _private(text: str) -> PrivateHosts:
    try:
        return PrivateHosts(everything=_boolean(text))
    except ValueError:
        return private_hosts(_split_list(text))


def _listening_host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        if text.lower() == "localhost":
            return "localhost"
        raise ValueError("is not an IP address to listen at, such as 127.0.0.1 or 0.0.0.0") from None


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise ValueError(f"is not one of {', '.join(choices)}")

    return read


def _language(text: str) -> str:
    """Desktops set LANGUAGE too: https://www.gnu.org/software/gettext/manual/html_node/The-LANGUAGE-variable.html"""
    if locale := re.fullmatch(r"(en|zh)([_-][a-z]+)*([.@][\w.@-]+)?|(cn)", text.lower()):
        return locale[1] or "zh"
    return "auto" if re.search("[_:]", text) else _one_of("auto", "en", "zh")(text)


def _time_zone(text: str) -> str:
    """A zone's name; empty for a path, as machines set TZ=:/etc/localtime, which means the system's zone."""
    name = text.removeprefix(":")
    if name.startswith("/"):
        return ""
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone such as Europe/Berlin or Asia/Shanghai") from None


def _enum(members: type[E]) -> Callable[[str], E]:
    choose = _one_of(*map(str, members))

    def read(text: str) -> E:
        chosen = choose(text)
        return next(member for member in members if str(member) == chosen)

    return read


def _allowed_chats(text: str) -> AllowedChats:
    """Read ids, which Telegram keeps below 52 bits, and *."""
    items = _split_list(text)
    if not all(re.fullmatch(r"-?[0-9]{1,16}|\*", item) for item in items):
        raise ValueError("is neither a list of chat ids such as 123,-1001234567890 nor *")
    ids = frozenset(int(item) for item in items if item != _EVERYONE)
    return AllowedChats(ids=ids, everyone=_EVERYONE in items)


def _user_ids(text: str) -> frozenset[int]:
    items = _split_list(text)
    if not all(re.fullmatch(r"[0-9]{1,16}", item) for item in items):
        raise ValueError("is not a list of user ids such as 12345,67890")
    return frozenset(map(int, items))


Token = Annotated[str, _token]
Key = Annotated[str, _key]
HttpUrl = Annotated[str, _http_url]
WebhookUrl = Annotated[str, _webhook_url]
ProxyUrl = Annotated[Proxy | None, read_proxy]
Database = Annotated[SqliteUrl | PostgresUrl, database_url]
Folder = Annotated[Path | None, _folder]
Kind = Annotated[str, _kind]
StatusPath = Annotated[str, _status_path]
Rate = Annotated[float | None, _number(float, _MOST_RPS, f"is not a number above 0 and up to {_MOST_RPS}")]
Port = Annotated[int | None, _number(int, _LAST_PORT, f"is not a number from 1 to {_LAST_PORT}")]
Days = Annotated[timedelta, _days]
Watches = Annotated[int, _number(int, _MOST_WATCHES, f"is not a number from 1 to {_MOST_WATCHES}")]
Host = Annotated[str, _listening_host]
Private = Annotated[PrivateHosts, _private]
Switch = Annotated[bool, _boolean]
Chats = Annotated[AllowedChats, _allowed_chats]
Users = Annotated[frozenset[int], _user_ids]
Language = Annotated[str, _language]
TimeZone = Annotated[str, _time_zone]
Level = Annotated[LogLevel, _enum(LogLevel)]
Format = Annotated[LogFormat, _enum(LogFormat)]

# What may hold a secret, and so may be given as NAME_FILE, the path of a file that holds it.
SECRET_TYPES = (Token, Key, ProxyUrl, Database)
