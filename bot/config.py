"""Environment and .env → frozen Settings; all mistakes are reported at once and no secret is shown."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args
from urllib.parse import urlsplit

from bot.env_file import read_env_file
from bot.logs import LogFormat, LogLevel
from bot.private_hosts import NO_PRIVATE_HOSTS
from bot.providers.parsing.links import is_loopback
from bot.providers.registry import KINDS, ProviderConfig, kind_of
from bot.secret_files import SUFFIX, with_secrets_from_files
from bot.setting_names import meant, meant_field
from bot.setting_types import (
    DEFAULT_DATABASE,
    NOBODY,
    SECRET_TYPES,
    Chats,
    Database,
    DatabaseUrl,
    Days,
    Folder,
    Format,
    Host,
    HttpUrl,
    Key,
    Kind,
    Language,
    Level,
    Port,
    Private,
    ProxyUrl,
    Rate,
    StatusPath,
    Switch,
    TimeZone,
    Token,
    Users,
    Watches,
    WebhookUrl,
    database_url,
    host_of,
)
from bot.webhook_settings import DEFAULT_PORT, secret_for, webhook_mistakes

ENV_FILE = Path(".env")

_GROUP = "providers__"


class SettingsError(Exception):
    """The settings can't be used; mistakes holds a sentence for each mistake."""

    def __init__(self, mistakes: list[str], log_format: LogFormat = LogFormat.CONSOLE) -> None:
        """log_format: as set, so that the mistakes are written in it."""
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes
        self.log_format = log_format


def _no_value(_: str) -> NoReturn:
    raise ValueError("has no value of its own; a provider is set by names such as PROVIDERS__STUDIO__API_KEY")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One PROVIDERS__<NAME>__… group; what it leaves out is the gateway's."""

    kind: Kind = ""
    base_url: HttpUrl = ""
    api_key: Key = field(default="", repr=False)
    path: StatusPath = ""
    max_rps: Rate = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set from outside; each field is named as its environment variable."""

    telegram_bot_token: Token = field(repr=False)
    telegram_api_url: HttpUrl = "https://api.telegram.org"
    telegram_local_mode: Switch = False
    database_url: Database = DEFAULT_DATABASE
    data_dir: Folder = None  # of downloaded videos; None: the database's folder
    gateway_base_url: HttpUrl = ""
    gateway_api_key: Key = field(default="", repr=False)
    # The gateway's kinds and the providers of their own, complete; a name of its own wins.
    providers: Annotated[tuple[ProviderConfig, ...], _no_value] = ()
    allowed_chats: Chats = NOBODY
    admins: Users = frozenset()
    language: Language = "auto"
    tz: TimeZone = ""  # of times in chats and logs; empty: the system's
    keep_days: Days = timedelta(days=30)
    rest_days: Days = timedelta(days=3)
    max_watches: Watches = 200
    log_level: Level = LogLevel.INFO
    log_format: Format = LogFormat.CONSOLE
    health_host: Host = "127.0.0.1"
    health_port: Port = None
    webhook_url: WebhookUrl = ""  # empty: long polling
    webhook_port: Port = DEFAULT_PORT
    webhook_host: Host = "127.0.0.1"
    telegram_proxy: ProxyUrl = None
    provider_proxy: ProxyUrl = None
    download_proxy: ProxyUrl = None
    download_allow_private: Private = NO_PRIVATE_HOSTS

    @cached_property
    def downloads_folder(self) -> Path:
        """The folder of downloaded videos, another one for each database.

        Beside the database its name is enough. In another folder, databases of the same name meet, in
        containers even of the same path: there the bot's id is part of the name, too.
        """
        file = self.database_url.file
        if self.data_dir is None or self.data_dir.absolute() == file.absolute().parent:
            return Path(f"{file}.downloads")
        owner = sha256(f"{self.bot_id} {file.absolute()}".encode()).hexdigest()[:12]
        return self.data_dir / f"{file.name}-{owner}.downloads"

    @property
    def bot_id(self) -> str:
        """The bot's user id, which its token begins with, and which a new token keeps."""
        return self.telegram_bot_token.partition(":")[0]

    @cached_property
    def webhook_secret(self) -> str:
        """What Telegram sends with each update."""
        return secret_for(self.telegram_bot_token)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Every value that must never be seen in a log."""
        proxies = (self.telegram_proxy, self.provider_proxy, self.download_proxy)
        passwords = [secret for proxy in proxies if proxy for secret in proxy.secrets]
        keys = [self.gateway_api_key, *(provider.api_key for provider in self.providers)]
        own = (self.telegram_bot_token, self.webhook_secret, *keys, *passwords)
        return frozenset(secret for secret in own if secret)


def _names_of(cls: type[Settings | ProviderSettings]) -> list[str]:
    """The names of the fields, and those of the secrets' files."""
    names = [each.name for each in fields(cls)]
    return names + [f"{each.name}{SUFFIX}" for each in fields(cls) if each.type in SECRET_TYPES]


_NAMES = _names_of(Settings)
_FIELDS = [name.upper() for name in _names_of(ProviderSettings)]
_SHOWN = 80  # characters of a wrong name in a mistake


def load_settings(given: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment and .env, or only from the given names; raises SettingsError."""
    texts, lines = _texts(given)
    texts, unread = with_secrets_from_files(texts, _is_secret)
    values, mistakes = _read(Settings, texts)
    mistakes = lines + _mistyped(texts) + unread + mistakes
    if "gateway_base_url" in texts and "gateway_api_key" not in texts:
        mistakes.append("GATEWAY_API_KEY is missing: GATEWAY_BASE_URL is set.")
    mistakes += webhook_mistakes(values)
    own: dict[str, ProviderSettings] = {}
    for name, group in _groups(texts).items():
        prefix = f"{_GROUP}{name}".upper()
        found, wrong = _read(ProviderSettings, group, f"{prefix}__")
        mistakes += wrong + [f"{prefix}{what}" for what in _mistakes_of_group(name, group, texts)]
        own[name] = ProviderSettings(**{"kind": kind_of(name)} | found)
    if mistakes:
        raise SettingsError(mistakes, values.get("log_format", LogFormat.CONSOLE))
    settings = Settings(**values)
    return replace(settings, providers=_complete(own, settings))


def load_database_url() -> DatabaseUrl:
    """Where the database is, for commands that need no other setting; raises SettingsError."""
    texts, mistakes = _texts(None)
    mistakes += _mistyped(name for name in texts if _meant(name) in {"DATABASE_URL", "DATABASE_URL_FILE"})
    texts, unread = with_secrets_from_files(texts, lambda name: name == "database_url")
    mistakes += unread
    url = DEFAULT_DATABASE
    try:
        if text := texts.get("database_url"):
            url = database_url(text)
    except ValueError as mistake:
        mistakes.append(f"DATABASE_URL {mistake}.")
    if mistakes:
        raise SettingsError(mistakes)
    return url


def _mistyped(names: Iterable[str]) -> list[str]:
    """A mistake for each name that stands for another one."""
    return [
        f"{name[:_SHOWN].upper()} is not a setting; {right[:_SHOWN]} is meant."
        for name in names
        if (right := _meant(name))
    ]


def plain_http_warnings(settings: Settings) -> list[str]:
    """A sentence for each token or key that is sent over plain http to another machine."""
    targets = {"TELEGRAM_API_URL": settings.telegram_api_url, "GATEWAY_BASE_URL": settings.gateway_base_url}
    targets |= {
        f"{_GROUP}{provider.name}__base_url".upper(): provider.base_url
        for provider in settings.providers
        if provider.base_url != settings.gateway_base_url
    }
    return [
        f"{name} is plain http to {host_of(url)}: anyone on the network between can read"
        f" {'the bot token' if name == 'TELEGRAM_API_URL' else 'the key'}."
        for name, url in targets.items()
        if url.lower().startswith("http://") and not is_loopback(host_of(url) or "")
    ]


def names_from_files() -> frozenset[str]:
    """The names of the secrets that are given as files, such as telegram_bot_token; raises SettingsError."""
    names = {name.removesuffix(SUFFIX) for name in _texts(None)[0] if name.endswith(SUFFIX)}
    return frozenset(filter(_is_secret, names))


def _texts(given: Mapping[str, str] | None) -> tuple[dict[str, str], list[str]]:
    """What is set, by lower-case name, and a mistake for each line of .env that can't be parsed."""
    from_file, lines = _env_file() if given is None else ({}, [])
    sources = (from_file, os.environ) if given is None else (given,)
    return {name.lower(): text for source in sources for name, text in source.items() if text}, lines


def _is_secret(name: str) -> bool:
    """Whether it is a setting whose value may be given as a file."""
    if name.startswith(_GROUP):
        return f"{name.rpartition('__')[2]}{SUFFIX}".upper() in _FIELDS
    return f"{name}{SUFFIX}" in _NAMES


def foreign_names() -> list[str]:
    """The names in .env that are no settings of this program and are ignored; raises SettingsError."""
    return [
        name
        for name in _env_file()[0]
        if name.lower() not in _NAMES and not name.lower().startswith(_GROUP) and not _meant(name)
    ]


def _env_file() -> tuple[Mapping[str, str | None], list[str]]:
    """The values in .env, and a mistake for each line that can't be parsed; raises SettingsError."""
    try:
        return read_env_file(ENV_FILE)
    except (OSError, UnicodeDecodeError):
        values, _ = _read(Settings, {name.lower(): text for name, text in os.environ.items() if text})
        log_format = values.get("log_format", LogFormat.CONSOLE)
        raise SettingsError([".env cannot be read as UTF-8 text."], log_format) from None


def _meant(name: str) -> str | None:
    return meant(name.upper(), {known.upper() for known in _NAMES}, _FIELDS)


def _groups(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The texts of each provider's group, by the provider's name."""
    groups: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        if name.startswith(_GROUP):
            provider, _, what = name.removeprefix(_GROUP).partition("__")
            groups.setdefault(provider, {})[what] = text
    return groups


def _read(
    cls: type[Settings | ProviderSettings], texts: Mapping[str, str], prefix: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The values of the fields that are set, and a sentence for each that is wrong or missing.

    An empty text is that of a file that could not be read, which is a mistake already.
    """
    values, mistakes = {}, []
    for each in fields(cls):
        _, read = get_args(each.type)
        if text := texts.get(each.name):
            try:
                values[each.name] = read(text)
            except ValueError as mistake:
                source = ", read from its file," if f"{each.name}{SUFFIX}" in texts else ""
                mistakes.append(f"{prefix}{each.name.upper()}{source} {mistake}.")
        elif each.name in texts:
            continue
        elif each.default is each.default_factory is MISSING:
            mistakes.append(f"{prefix}{each.name.upper()} is missing.")
    return values, mistakes


def _complete(own: Mapping[str, ProviderSettings], settings: Settings) -> tuple[ProviderConfig, ...]:
    """The gateway's kinds and the providers of their own, with the gateway's URL and key if left out."""
    kinds = {kind: ProviderSettings(kind=kind) for kind in KINDS} if settings.gateway_base_url else {}
    return tuple(
        ProviderConfig(
            name=name,
            kind=group.kind,
            base_url=_without_path(group.base_url or settings.gateway_base_url, group.path),
            api_key=group.api_key or settings.gateway_api_key,
            path=group.path,
            max_rps=group.max_rps,
        )
        for name, group in {**kinds, **own}.items()
    )


def _without_path(base_url: str, path: str) -> str:
    """The base URL without an end that the provider's path begins with, such as Ark's /api/v3."""
    shared = urlsplit(base_url).path
    return base_url.removesuffix(shared) if shared and path.startswith(f"{shared}/") else base_url


def _mistakes_of_group(name: str, own: Mapping[str, str], texts: Mapping[str, str]) -> Iterator[str]:
    """Mistakes that concern several fields; found in the texts, so that a wrong value hides none of them."""
    for what in own:
        if what.upper() not in _FIELDS:
            end = f"__{what.upper()}" if what else ""
            right = meant_field(what.upper(), _FIELDS)
            hint = f"; {right} is meant" if right else ""
            yield f"{end} is not a setting; a provider has {', '.join(_FIELDS)}{hint}."
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name):
        yield ": a provider's name is made of letters, digits, '.', '_' and '-'."
    if "kind" not in own and kind_of(name) is None:
        yield f"__KIND is missing: {name!r} is not one of {', '.join(KINDS)}."
    if "base_url" not in own and "gateway_base_url" not in texts:
        yield "__BASE_URL is missing, and there is no GATEWAY_BASE_URL."
    if "api_key" in own:
        return
    if "gateway_api_key" not in texts:
        yield "__API_KEY is missing, and there is no GATEWAY_API_KEY."
    elif host_of(own.get("base_url")) not in {None, host_of(texts.get("gateway_base_url"))}:
        yield "__API_KEY is missing: GATEWAY_API_KEY goes to the gateway's host only."
