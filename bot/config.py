"""Environment and .env → frozen Settings; all mistakes are told at once and no secret is shown."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as PydanticSettingsError

from bot.providers.catalog import KINDS, ProviderConfig

EVERYONE: Literal["*"] = "*"


class SettingsError(Exception):
    """The settings cannot be used; mistakes holds one line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


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


def _language(text: str) -> str:
    """Desktops set LANGUAGE too: https://www.gnu.org/software/gettext/manual/html_node/The-LANGUAGE-variable.html"""
    return "auto" if re.search("[_:]", text) else text.lower()


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _list_of(word: str, mistake: str) -> AfterValidator:
    def check(text: str) -> str:
        if not all(re.fullmatch(word, each) for each in _words(text)):
            raise ValueError(mistake)
        return text

    return AfterValidator(check)


HttpUrl = Annotated[str, AfterValidator(_http_url)]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url), Field(repr=False)]  # it may hold a password
Chats = Annotated[str, _list_of(r"-?\d{1,19}|\*", "is no list of chat ids such as 123,-1001234567890, nor *")]
Users = Annotated[str, _list_of(r"\d{1,19}", "is no list of user ids such as 12345,67890")]
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
        validate_default=False,
        hide_input_in_errors=True,
    )

    telegram_bot_token: Annotated[SecretStr, AfterValidator(_token)]
    telegram_api_url: HttpUrl = "https://api.telegram.org"
    telegram_local_mode: bool = False
    database_url: Annotated[str, AfterValidator(_database_url)] = "sqlite:///data/reelwatch.db"
    gateway_base_url: HttpUrl = ""
    gateway_api_key: Key = SecretStr("")
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    allowed_chats: Chats = ""
    admins: Users = ""
    language: Annotated[Literal["auto", "en", "zh"], BeforeValidator(_language)] = "auto"
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "INFO"
    log_format: Annotated[Literal["console", "json"], BeforeValidator(str.lower)] = "console"
    health_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    telegram_proxy: ProxyUrl = ""
    provider_proxy: ProxyUrl = ""
    download_proxy: ProxyUrl = ""
    download_allow_private: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all_mistakes(cls, values: dict[str, Any], handler: ModelWrapValidatorHandler[Self]) -> Self:
        mistakes = _cross_checks(values)
        try:
            settings = handler(values)
        except ValidationError as error:
            raise SettingsError([_mistake(detail) for detail in error.errors()] + mistakes) from None
        if mistakes:
            raise SettingsError(mistakes)
        return settings

    @property
    def allows_everyone(self) -> bool:
        """Whether ALLOWED_CHATS names everyone."""
        return EVERYONE in _words(self.allowed_chats)

    @cached_property
    def allowed_ids(self) -> frozenset[int]:
        """The chat and user ids of ALLOWED_CHATS."""
        return frozenset(int(word) for word in _words(self.allowed_chats) if word != EVERYONE)

    @cached_property
    def admin_ids(self) -> frozenset[int]:
        """The user ids of ADMINS."""
        return frozenset(map(int, _words(self.admins)))

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
        routes = (self.telegram_proxy, self.provider_proxy, self.download_proxy)
        passwords = [urlsplit(route).password for route in routes]
        keys = [config.api_key for config in self.provider_configs]
        return tuple({s for s in (self.telegram_bot_token.get_secret_value(), *keys, *passwords) if s})

    def max_rps(self, provider: str) -> float | None:
        """What MAX_RPS says for a provider; None: by kind."""
        return next((own.max_rps for name, own in self.providers.items() if name.lower() == provider), None)

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
            return Settings()  # type: ignore[call-arg]  # the token comes from the environment
        environment = EnvSettingsSource(Settings)
        environment.env_vars = {name.lower(): value for name, value in given.items() if value}
        return _GivenSettings(**environment())
    except PydanticSettingsError as error:
        raise SettingsError([f"The settings cannot be read: {error}."]) from None
    except (OSError, UnicodeDecodeError):
        raise SettingsError([".env cannot be read as UTF-8 text."]) from None


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


def _cross_checks(values: Mapping[str, Any]) -> list[str]:
    """What no field can tell by itself; read from the raw values, so that no other mistake hides it."""
    mistakes = []
    gateway = {part: values.get(f"gateway_{part}") for part in ("base_url", "api_key")}
    if gateway["base_url"] and not gateway["api_key"]:
        mistakes.append("GATEWAY_API_KEY is missing: GATEWAY_BASE_URL is set.")
    providers = values.get("providers")
    for name, own in providers.items() if isinstance(providers, dict) else ():
        if isinstance(own, dict):
            mistakes += [f"PROVIDERS__{name.upper()}{what}" for what in _gaps(name, own, gateway)]
    return mistakes


def _gaps(name: str, own: Mapping[str, Any], gateway: Mapping[str, Any]) -> Iterator[str]:
    """What a provider's group leaves open that the gateway's settings don't fill."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name.lower()):
        yield ": a provider's name is made of letters, digits, '.', '_' and '-'."
    if not own.get("kind") and _known_kind(name) is None:
        yield f"__KIND is missing: {name!r} is none of {', '.join(KINDS)}."
    if not own.get("base_url") and not gateway["base_url"]:
        yield "__BASE_URL is missing, and there is no GATEWAY_BASE_URL."
    if own.get("api_key"):
        return
    if not gateway["api_key"]:
        yield "__API_KEY is missing, and there is no GATEWAY_API_KEY."
    elif _host(own.get("base_url")) not in {None, _host(gateway["base_url"])}:
        yield "__API_KEY is missing: GATEWAY_API_KEY goes to the gateway's host only."


def _host(url: object) -> str | None:
    parts = _parts(url) if isinstance(url, str) else None
    return parts.hostname if parts else None
