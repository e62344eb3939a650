"""Settings: names, defaults, and what is said of mistakes."""

import contextlib
from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import (
    HealthAddress,
    Settings,
    SettingsError,
    load_health_address,
    load_settings,
    plain_http_warnings,
)
from bot.logs import LogFormat, LogLevel
from bot.private_hosts import PrivateHosts
from bot.providers.registry import ProviderConfig
from bot.proxies.proxy import read_proxy
from bot.setting_types import AllowedChats, SqliteUrl
from storage.postgres_url import PostgresUrl

TOKEN = {"TELEGRAM_BOT_TOKEN": "1234567:hunter2-is-secret"}
GATEWAY = {"GATEWAY_BASE_URL": "https://gw.example/v1/", "GATEWAY_API_KEY": "sk-hunter2-gateway"}
OWN = {"PROVIDERS__MINE__KIND": "veo", "PROVIDERS__MINE__BASE_URL": "https://own.example:8443"}
OWN_KEY = {"PROVIDERS__MINE__API_KEY": "sk-hunter2-own"}


def load(*groups: dict[str, str], **more: str) -> Settings:
    """The settings that come of these names and the token."""
    return load_settings({name: value for group in (TOKEN, *groups, more) for name, value in group.items()})


def mistakes(*groups: dict[str, str], **more: str) -> list[str]:
    """What is wrong with them, a line each."""
    with pytest.raises(SettingsError) as refusal:
        load(*groups, **more)
    assert "hunter2" not in repr(refusal.value)
    assert refusal.value.__cause__ is None
    return refusal.value.mistakes


def configs(settings: Settings) -> dict[str, tuple[str, str, str]]:
    return {c.name: (c.kind, c.base_url, c.api_key) for c in settings.providers}


def test_a_token_is_enough_and_everything_else_has_its_default():
    settings = load()

    assert settings.telegram_bot_token == TOKEN["TELEGRAM_BOT_TOKEN"]
    assert settings.telegram_api_url == "https://api.telegram.org"
    assert settings.telegram_local_mode is False
    assert settings.database == Path("data/reelwatch.db")
    assert (settings.gateway_base_url, settings.gateway_api_key) == ("", "")
    assert settings.providers == ()
    assert (settings.allowed_chats, settings.admins) == (AllowedChats(), frozenset())
    assert settings.language == "auto"
    assert (settings.log_level, settings.log_format) == (LogLevel.INFO, LogFormat.CONSOLE)
    assert settings.health_port is None
    assert (settings.telegram_proxy, settings.provider_proxy, settings.download_proxy) == (None, None, None)
    assert settings.download_allow_private == PrivateHosts()
    assert (settings.keep_days, settings.rest_days) == (timedelta(days=30), timedelta(days=3))
    assert settings.max_watches == 200
    assert settings.health_host == "127.0.0.1"
    assert settings.data_dir is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TELEGRAM_API_URL", "http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
        ("TELEGRAM_LOCAL_MODE", "true", True),
        ("DATABASE_URL", "sqlite:////var/lib/a.db", SqliteUrl(file=Path("/var/lib/a.db"))),
        ("DATABASE_URL", "postgresql://db/name", PostgresUrl.of("postgresql://db/name")),
        ("LANGUAGE", "zh", "zh"),
        ("TZ", "Asia/Shanghai", "Asia/Shanghai"),
        ("TZ", ":Europe/Berlin", "Europe/Berlin"),
        ("TZ", ":/etc/localtime", ""),
        ("LOG_LEVEL", "debug", LogLevel.DEBUG),
        ("LOG_FORMAT", "JSON", LogFormat.JSON),
        ("HEALTH_PORT", "8080", 8080),
        ("TELEGRAM_PROXY", "http://p.example:1", read_proxy("http://p.example:1")),
        ("PROVIDER_PROXY", "https://p.example:2", read_proxy("https://p.example:2")),
        ("DOWNLOAD_PROXY", "socks5://me:pw@p.example:3", read_proxy("socks5://me:pw@p.example:3")),
        ("DOWNLOAD_ALLOW_PRIVATE", "1", PrivateHosts(everything=True)),
        ("DOWNLOAD_ALLOW_PRIVATE", "no", PrivateHosts()),
        ("DOWNLOAD_ALLOW_PRIVATE", "10.0.0.0/8", PrivateHosts(networks=(ip_network("10.0.0.0/8"),))),
        ("KEEP_DAYS", "7", timedelta(days=7)),
        ("REST_DAYS", "0.5", timedelta(hours=12)),
        ("MAX_WATCHES", "20", 20),
        ("HEALTH_HOST", "::", "::"),
        ("HEALTH_HOST", "localhost", "localhost"),
    ],
)
def test_every_setting_can_be_set(name: str, value: str, expected: object):
    assert getattr(load({name: value}), name.lower()) == expected


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "Yes", "on"])
def test_a_switch_is_turned_on_by_any_word_for_it(value: str):
    assert load(TELEGRAM_LOCAL_MODE=value).telegram_local_mode is True


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "NO", "off"])
def test_a_switch_is_turned_off_by_any_word_for_it(value: str):
    assert load(TELEGRAM_LOCAL_MODE=value).telegram_local_mode is False


def test_names_are_read_in_any_case_and_names_of_others_are_passed_over():
    settings = load(
        GATEWAY, {"log_level": "error", "Providers__Mine__Kind": "wan", "PROVIDERSHIP": "x", "HOME": "/"}
    )

    assert settings.log_level is LogLevel.ERROR
    assert settings.providers[-1].name == "mine"


@pytest.mark.parametrize(
    ("value", "language"),
    [
        ("zh_CN", "zh"),
        ("zh-CN", "zh"),
        ("cn", "zh"),
        ("zh_CN.UTF-8", "zh"),
        ("zh-Hans-CN", "zh"),
        ("en_US", "en"),
    ],
)
def test_a_locale_of_a_language_that_it_speaks_is_that_language(value: str, language: str):
    assert load(LANGUAGE=value).language == language


@pytest.mark.parametrize("value", ["en_GB:en", "de_DE.UTF-8", "zh_CN:zh"])
def test_the_list_of_locales_that_a_desktop_sets_is_not_taken_for_ours(value: str):
    assert load(LANGUAGE=value).language == "auto"


def test_the_environment_is_read_and_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = ["TELEGRAM_BOT_TOKEN=1234567:from-the-file", "LOG_LEVEL=ERROR", "PROVIDERS__WAN__API_KEY=k"]
    (tmp_path / ".env").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("PROVIDERS__WAN__BASE_URL", "https://gw.example")
    monkeypatch.setenv("HEALTH_PORT", "")

    settings = load_settings()

    assert settings.telegram_bot_token == "1234567:from-the-file"
    assert (settings.log_level, settings.health_port) == (LogLevel.WARNING, None)
    assert configs(settings) == {"wan": ("alibailian", "https://gw.example", "k")}


def test_an_empty_value_in_the_environment_leaves_what_the_env_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / ".env").write_text(
        "TELEGRAM_BOT_TOKEN=1234567:from-the-file\nlog_level=ERROR", encoding="utf-8"
    )
    monkeypatch.setenv("LOG_LEVEL", "")

    assert load_settings().log_level is LogLevel.ERROR


def test_given_names_are_all_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("LOG_LEVEL=ERROR", encoding="utf-8")
    monkeypatch.setenv("LANGUAGE", "zh")

    settings = load()

    assert (settings.log_level, settings.language) == (LogLevel.INFO, "auto")


def test_the_probe_needs_no_other_setting_than_where_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_health_address() == HealthAddress(health_host="127.0.0.1", health_port=None)

    (tmp_path / ".env").write_text("ADMINS=Anna\nHEALTH_PORT=8081\n")
    monkeypatch.setenv("HEALTH_HOST", "0.0.0.0")
    assert load_health_address() == HealthAddress(health_host="0.0.0.0", health_port=8081)

    (tmp_path / ".env").write_text("HEALTH_PROT=8081\nHEALTH_PORT=many\n")
    with pytest.raises(SettingsError) as error:
        load_health_address()
    assert [each.split()[0] for each in error.value.mistakes] == ["HEALTH_PROT", "HEALTH_PORT"]


def test_an_env_file_that_is_no_text_is_one_mistake(tmp_path: Path):
    (tmp_path / ".env").write_bytes("TELEGRAM_BOT_TOKEN=…".encode("utf-16"))

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert refusal.value.mistakes == [".env cannot be read as UTF-8 text."]


def test_a_key_that_looks_like_a_number_stays_as_it_is():
    assert configs(load(OWN, PROVIDERS__MINE__API_KEY="0012e3"))["mine"][2] == "0012e3"
    assert (
        configs(load(OWN, PROVIDERS__MINE__API_KEY="12345678901234567890"))["mine"][2]
        == "12345678901234567890"
    )


@pytest.mark.parametrize(
    ("allowed", "ids", "everyone"),
    [
        ("42", {42}, False),
        ("42,-1001234567890", {42, -1001234567890}, False),
        (" 42 ,\n-7 8 ", {42, -7, 8}, False),
        ("*", set(), True),
        ("42,*", {42}, True),
        (",", set(), False),
        ("42，-7；8;9、10", {42, -7, 8, 9, 10}, False),
    ],
)
def test_allowed_chats_are_ids_or_everyone(allowed: str, ids: set[int], everyone: bool):
    found = load(ALLOWED_CHATS=allowed).allowed_chats

    assert found == AllowedChats(ids=frozenset(ids), everyone=everyone)


def test_admins_are_user_ids():
    assert load(ADMINS="1, 2").admins == {1, 2}


def test_the_password_of_a_server_is_a_secret_and_not_shown():
    settings = load(DATABASE_URL="postgres://me:hunter2%40home@db.example:5433/name?sslmode=require")

    assert {"hunter2@home", "hunter2%40home"} <= settings.secrets
    assert "hunter2" not in repr(settings)
    assert str(settings.database_url) == "postgresql://db.example:5433/name"


@pytest.mark.parametrize("value", ["sqlite:///data", "a\nb"])
def test_a_data_dir_is_a_path(value: str):
    assert mistakes(DATA_DIR=value) == ["DATA_DIR is not the path of a folder."]


def test_a_missing_token_is_said():
    with pytest.raises(SettingsError) as refusal:
        load_settings({})

    assert refusal.value.mistakes == ["TELEGRAM_BOT_TOKEN is missing."]


def test_a_gateway_without_a_key_is_a_mistake():
    assert mistakes(GATEWAY_BASE_URL="https://gw.example") == [
        "GATEWAY_API_KEY is missing: GATEWAY_BASE_URL is set."
    ]


def test_all_mistakes_are_reported_at_once():
    lines = mistakes(
        TELEGRAM_BOT_TOKEN="hunter2",
        GATEWAY_BASE_URL="https://gw.example",
        PROVIDERS__MINE__MAX_RPS="-1",
        PROVIDERS__WAN__KIND="hunter",
        ADMINS="me",
        LOG_LEVEL="loud",
    )

    assert [line.split()[0].rstrip(":") for line in lines] == [
        "TELEGRAM_BOT_TOKEN",
        "ADMINS",
        "LOG_LEVEL",
        "GATEWAY_API_KEY",
        "PROVIDERS__MINE__MAX_RPS",
        "PROVIDERS__MINE__KIND",
        "PROVIDERS__MINE__API_KEY",
        "PROVIDERS__WAN__KIND",
        "PROVIDERS__WAN__API_KEY",
    ]


def test_settings_do_not_show_their_secrets():
    settings = load(GATEWAY, OWN, OWN_KEY, TELEGRAM_PROXY="http://me:hunter2@p.example:1")
    shown = f"{settings!r} {settings} {settings.telegram_proxy}"

    assert "hunter2" not in shown
    assert ProviderConfig.__name__ in shown


def test_the_gateways_key_is_a_secret_even_where_nobody_uses_it():
    assert "sk-hunter2-gateway" in load(GATEWAY_API_KEY="sk-hunter2-gateway").secrets


def test_the_secrets_for_the_log_are_token_keys_and_passwords():
    settings = load(GATEWAY, OWN, OWN_KEY, PROVIDER_PROXY="http://me:hunter2@p.example:1")

    assert set(settings.secrets) == {
        settings.webhook_secret,
        "1234567:hunter2-is-secret",
        "sk-hunter2-gateway",
        "sk-hunter2-own",
        "hunter2",
        "bWU6aHVudGVyMg==",  # as a header holds it, with the user's name
    }


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from([f"{each.name}{end}" for each in fields(Settings) for end in ("", "_file")]),
        st.text(max_size=30),
    )
)
def test_whatever_is_given_nothing_but_a_settings_error_comes_of_it(values: dict[str, str]):
    with contextlib.suppress(SettingsError):
        assert isinstance(load_settings(values), Settings)


def test_a_key_over_plain_http_to_another_machine_is_warned_of():
    found = load(
        GATEWAY_BASE_URL="http://10.0.0.5", GATEWAY_API_KEY="sk-x", TELEGRAM_API_URL="http://127.0.0.1"
    )

    [sentence] = plain_http_warnings(found)
    assert sentence.startswith("GATEWAY_BASE_URL is plain http to 10.0.0.5: ")
