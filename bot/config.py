"""Environment and .env → frozen Settings; all mistakes are reported at once and no secret is shown."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated

from bot.data_folders import downloads_folder, folder_of
from bot.env_file import read_env_file
from bot.logs import LogFormat, LogLevel
from bot.private_hosts import NO_PRIVATE_HOSTS
from bot.provider_settings import FIELDS, GROUP, complete, no_value, read_providers
from bot.providers.parsing.links import is_loopback
from bot.providers.registry import ProviderConfig
from bot.secret_files import SUFFIX, with_secrets_from_files
from bot.setting_fields import names_of, read_fields
from bot.setting_names import meant
from bot.setting_types import (
    DEFAULT_DATABASE,
    NOBODY,
    Chats,
    Database,
    Days,
    Folder,
    Format,
    Host,
    HttpUrl,
    Key,
    Language,
    Level,
    Port,
    Private,
    ProxyUrl,
    SqliteUrl,
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
from storage.postgres_url import PostgresUrl

ENV_FILE = Path(".env")


class SettingsError(Exception):
    """The settings can't be used; mistakes holds a sentence for each mistake."""

    def __init__(self, mistakes: list[str], log_format: LogFormat = LogFormat.CONSOLE) -> None:
        """log_format: as set, so that the mistakes are written in it."""
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes
        self.log_format = log_format


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set from outside; each field is named as its environment variable."""

    telegram_bot_token: Token = field(repr=False)
    telegram_api_url: HttpUrl = "https://api.telegram.org"
    telegram_local_mode: Switch = False
    database_url: Database = DEFAULT_DATABASE
    data_dir: Folder = None  # of downloaded videos; None: the database's folder, or data
    gateway_base_url: HttpUrl = ""
    gateway_api_key: Key = field(default="", repr=False)
    # The gateway's kinds and the providers of their own, complete; a name of its own wins.
    providers: Annotated[tuple[ProviderConfig, ...], no_value] = ()
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

    @property
    def database(self) -> Path | PostgresUrl:
        """The file or the server's database."""
        url = self.database_url
        return url.file if isinstance(url, SqliteUrl) else url

    @property
    def data_folder(self) -> Path:
        """The folder of the database's file, or of the videos if a server has the database."""
        return folder_of(self.database, self.data_dir)

    @cached_property
    def downloads_folder(self) -> Path:
        """The folder of downloaded videos, another one for each database and bot."""
        return downloads_folder(self.database, self.data_dir, bot_id=self.bot_id)

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
        if isinstance(self.database_url, PostgresUrl):
            passwords += self.database_url.secrets
        own = (self.telegram_bot_token, self.webhook_secret, *keys, *passwords)
        return frozenset(secret for secret in own if secret)


@dataclass(frozen=True, kw_only=True)
class HealthAddress:
    """Where the running bot is asked whether it is alive; the fields are those of Settings."""

    health_host: Host = "127.0.0.1"
    health_port: Port = None


_NAMES = names_of(Settings)
_SHOWN = 80  # characters of a wrong name in a mistake


def load_settings(given: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment and .env, or only from the given names; raises SettingsError."""
    texts, lines = _texts(given)
    texts, unread = with_secrets_from_files(texts, _is_secret)
    values, mistakes = read_fields(Settings, texts)
    mistakes = lines + _mistyped(texts) + unread + mistakes
    if "gateway_base_url" in texts and "gateway_api_key" not in texts:
        mistakes.append("GATEWAY_API_KEY is missing: GATEWAY_BASE_URL is set.")
    mistakes += webhook_mistakes(values)
    own, wrong = read_providers(texts)
    mistakes += wrong
    if mistakes:
        raise SettingsError(mistakes, values.get("log_format", LogFormat.CONSOLE))
    settings = Settings(**values)
    providers = complete(
        own, gateway_base_url=settings.gateway_base_url, gateway_api_key=settings.gateway_api_key
    )
    return replace(settings, providers=providers)


def load_database() -> Path | PostgresUrl:
    """The database, for commands that need no other setting; raises SettingsError."""
    texts, mistakes = _texts(None)
    mistakes += _mistyped(name for name in texts if _meant(name) in {"DATABASE_URL", "DATABASE_URL_FILE"})
    texts, unread = with_secrets_from_files(texts, lambda name: name == "database_url")
    mistakes += unread
    url: SqliteUrl | PostgresUrl = DEFAULT_DATABASE
    try:
        if text := texts.get("database_url"):
            url = database_url(text)
    except ValueError as mistake:
        mistakes.append(f"DATABASE_URL {mistake}.")
    if mistakes:
        raise SettingsError(mistakes)
    return url.file.absolute() if isinstance(url, SqliteUrl) else url


def load_health_address() -> HealthAddress:
    """For the container's probe, which needs no other setting, as the demo has none; raises SettingsError."""
    texts, mistakes = _texts(None)
    mistakes += _mistyped(name for name in texts if _meant(name) in {"HEALTH_HOST", "HEALTH_PORT"})
    values, wrong = read_fields(HealthAddress, texts)
    if mistakes + wrong:
        raise SettingsError(mistakes + wrong)
    return HealthAddress(**values)


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
        f"{GROUP}{provider.name}__base_url".upper(): provider.base_url
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
    if name.startswith(GROUP):
        return f"{name.rpartition('__')[2]}{SUFFIX}".upper() in FIELDS
    return f"{name}{SUFFIX}" in _NAMES


def foreign_names() -> list[str]:
    """The names in .env that are no settings of this program and are ignored; raises SettingsError."""
    return [
        name
        for name in _env_file()[0]
        if name.lower() not in _NAMES and not name.lower().startswith(GROUP) and not _meant(name)
    ]


def _env_file() -> tuple[Mapping[str, str | None], list[str]]:
    """The values in .env, and a mistake for each line that can't be parsed; raises SettingsError."""
    try:
        return read_env_file(ENV_FILE)
    except (OSError, UnicodeDecodeError):
        values, _ = read_fields(Settings, {name.lower(): text for name, text in os.environ.items() if text})
        log_format = values.get("log_format", LogFormat.CONSOLE)
        raise SettingsError([".env cannot be read as UTF-8 text."], log_format) from None


def _meant(name: str) -> str | None:
    return meant(name.upper(), {known.upper() for known in _NAMES}, FIELDS)
