"""Environment and .env → frozen Settings; all mistakes are told at once and no secret is shown."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from bot.providers.catalog import KINDS, ProviderConfig

EVERYONE: Literal["*"] = "*"


class SettingsError(Exception):
    """The settings cannot be used; mistakes holds one line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def _http_url(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http:// or https:// address")
    return text.rstrip("/")


def _proxy_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("is not an http:// or https:// proxy address")
    return text


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]{5,}", token.get_secret_value()):
        raise ValueError("is not a bot token as @BotFather gives it (digits, a colon, letters)")
    return token


def _key(key: SecretStr) -> SecretStr:
    """A header value: httpx refuses anything else only when the first question is asked."""
    if not re.fullmatch(r"[\x21-\x7e]*", key.get_secret_value()):
        raise ValueError("holds a space or a character that no key has")
    return key


def _known_kind(word: str) -> str | None:
    return next((kind for kind, aliases in KINDS.items() if word.lower() in {kind, *aliases}), None)


def _kind(word: str) -> str:
    kind = _known_kind(word)
    if kind is None:
        raise ValueError(f"is none of the wire formats {', '.join(KINDS)}")
    return kind


def _chats(text: str) -> str:
    for word in re.split(r"[\s,]+", text.strip()):
        if word and word != EVERYONE and not re.fullmatch(r"-?\d{1,19}", word):
            raise ValueError("is not a list of chat ids such as 12345,-1001234567890, nor *")
    return text


def _users(text: str) -> str:
    for word in re.split(r"[\s,]+", text.strip()):
        if word and not re.fullmatch(r"\d{1,19}", word):
            raise ValueError("is not a list of user ids such as 12345,67890")
    return text


def _ids(text: str) -> frozenset[int]:
    return frozenset(int(word) for word in re.split(r"[\s,]+", text) if word and word != EVERYONE)


HttpUrl = Annotated[str, AfterValidator(_http_url)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]
Key = Annotated[SecretStr, AfterValidator(_key)]


class ProviderSettings(BaseModel):
    """One PROVIDERS__<NAME>__… group."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Annotated[str, AfterValidator(_kind)] | None = None
    base_url: HttpUrl = ""
    api_key: Key = SecretStr("")
    max_rps: Annotated[float, Field(gt=0, le=1000)] | None = None


class Settings(BaseSettings):
    """Everything that can be set from outside; the names in capitals are the environment's."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    telegram_bot_token: Annotated[SecretStr, AfterValidator(_token)]
    telegram_api_url: HttpUrl = "https://api.telegram.org"
    telegram_local_mode: bool = False
    database_url: str = "sqlite:///data/reelwatch.db"
    gateway_base_url: HttpUrl = ""
    gateway_api_key: Key = SecretStr("")
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    allowed_chats: Annotated[str, NoDecode, AfterValidator(_chats)] = ""
    admins: Annotated[str, NoDecode, AfterValidator(_users)] = ""
    language: Literal["auto", "en", "zh"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"
    health_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    telegram_proxy: ProxyUrl = ""
    provider_proxy: ProxyUrl = ""
    download_proxy: ProxyUrl = ""
    download_allow_private: bool = False

    @property
    def allows_everyone(self) -> bool:
        """Whether ALLOWED_CHATS names everyone."""
        return EVERYONE in re.split(r"[\s,]+", self.allowed_chats)

    @cached_property
    def allowed_ids(self) -> frozenset[int]:
        """The chat and user ids of ALLOWED_CHATS."""
        return _ids(self.allowed_chats)

    @cached_property
    def admin_ids(self) -> frozenset[int]:
        """The user ids of ADMINS."""
        return _ids(self.admins)

    @cached_property
    def provider_configs(self) -> tuple[ProviderConfig, ...]:
        """The gateway's four kinds and the providers of their own; a name of its own wins."""
        configs = {}
        if self.gateway_base_url:
            configs = {kind: self._config(kind, ProviderSettings()) for kind in KINDS}
        configs |= {name.lower(): self._config(name.lower(), own) for name, own in self.providers.items()}
        return tuple(configs.values())

    @property
    def data_folder(self) -> Path:
        """Where the database lies, and what else must outlive a restart."""
        return Path(self.database_url.removeprefix("sqlite:///")).parent

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be seen in a log."""
        keys = [config.api_key for config in self.provider_configs]
        proxies = [urlsplit(url).password or "" for url in self._proxies]
        return tuple({s for s in (self.telegram_bot_token.get_secret_value(), *keys, *proxies) if s})

    def max_rps(self, provider: str) -> float | None:
        """What MAX_RPS says for a provider; None: by kind."""
        for name, own in self.providers.items():
            if name.lower() == provider:
                return own.max_rps
        return None

    @property
    def _proxies(self) -> tuple[str, str, str]:
        return (self.telegram_proxy, self.provider_proxy, self.download_proxy)

    def _config(self, name: str, own: ProviderSettings) -> ProviderConfig:
        return ProviderConfig(
            name=name,
            kind=own.kind or _kind(name),
            base_url=own.base_url or self.gateway_base_url,
            api_key=own.api_key.get_secret_value() or self.gateway_api_key.get_secret_value(),
        )


class _GivenSettings(Settings):
    """Settings that look neither at the process's environment nor at .env."""

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - the signature is pydantic-settings' own
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(given: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment and .env, or from the given names alone; SettingsError."""
    try:
        if given is None:
            settings = Settings()  # type: ignore[call-arg]  # the token comes from the environment
        else:
            settings = _GivenSettings(**{name.lower(): value for name, value in given.items()})  # type: ignore[arg-type]  # pydantic parses the strings
    except ValidationError as error:
        raise SettingsError([_mistake(detail) for detail in error.errors()]) from None
    except PydanticSettingsError as error:
        raise SettingsError([f"The settings cannot be read: {error}."]) from None
    mistakes = _cross_checks(settings)
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _mistake(detail: ErrorDetails) -> str:
    name = "__".join(str(part) for part in detail["loc"]).upper()
    match detail["type"]:
        case "missing":
            return f"{name} is missing."
        case "extra_forbidden":
            return f"{name} is not a setting; a provider has KIND, BASE_URL, API_KEY and MAX_RPS."
        case "value_error":
            return f"{name} {detail['msg'].removeprefix('Value error, ')}."
        case _:
            return f"{name}: {detail['msg']}."


def _cross_checks(settings: Settings) -> list[str]:
    mistakes = []
    gateway_host = _host(settings.gateway_base_url)
    if settings.gateway_base_url and not settings.gateway_api_key.get_secret_value():
        mistakes.append("GATEWAY_API_KEY is missing: GATEWAY_BASE_URL is set.")
    for name, own in settings.providers.items():
        group = f"PROVIDERS__{name.upper()}"
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name.lower()):
            mistakes.append(f"{group}: a provider's name is made of letters, digits, '.', '_' and '-'.")
        if own.kind is None and _known_kind(name) is None:
            mistakes.append(f"{group}__KIND is missing: {name!r} is none of {', '.join(KINDS)}.")
        if not own.base_url and not settings.gateway_base_url:
            mistakes.append(f"{group}__BASE_URL is missing, and there is no GATEWAY_BASE_URL.")
        if not own.api_key.get_secret_value() and not settings.gateway_api_key.get_secret_value():
            mistakes.append(f"{group}__API_KEY is missing, and there is no GATEWAY_API_KEY.")
        elif not own.api_key.get_secret_value() and _host(own.base_url) not in {None, gateway_host}:
            mistakes.append(f"{group}__API_KEY is missing: GATEWAY_API_KEY goes to the gateway's host only.")
    return mistakes
