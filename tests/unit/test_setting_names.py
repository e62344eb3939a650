"""Mistyped settings are distinguished from variables of other programs."""

from dataclasses import fields
from pathlib import Path

import pytest

from bot.config import (
    Settings,
    SettingsError,
    foreign_names,
    load_settings,
    plain_http_warnings,
)
from bot.provider_settings import ProviderSettings
from bot.setting_names import meant, meant_field
from tests.unit.test_config import GATEWAY, OWN_KEY, load, mistakes

FILES = ["TELEGRAM_BOT_TOKEN_FILE", "GATEWAY_API_KEY_FILE", "TELEGRAM_PROXY_FILE", "DATABASE_URL_FILE"]
KNOWN = [each.name.upper() for each in fields(Settings)] + FILES
FIELDS = [each.name.upper() for each in fields(ProviderSettings)] + ["API_KEY_FILE"]


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("ALLOWED_CHAT", "ALLOWED_CHATS"),
        ("TELEGRAM_BOT_TOKEN_FIEL", "TELEGRAM_BOT_TOKEN_FILE"),
        ("TELEGRAM_BOT_TOEKN_FILE", "TELEGRAM_BOT_TOKEN_FILE"),
        ("GATEWAY_KEY_FILE", "GATEWAY_API_KEY_FILE"),
        ("PROVIDERS_X_API_KEY_FILE", "PROVIDERS__X__API_KEY_FILE"),
        ("DATADIR", "DATA_DIR"),
        ("REELWATCH_ALLOWED_CHATS", "ALLOWED_CHATS"),
        ("REELWATCH_PROVIDERS__STUDIO__KIND", "PROVIDERS__STUDIO__KIND"),
        ("ALLOWED_CHAT_IDS", "ALLOWED_CHATS"),
        ("ALOWED_CHATS", "ALLOWED_CHATS"),
        ("ALLOWED_USERS", "ALLOWED_CHATS"),
        ("ADMIN", "ADMINS"),
        ("ADMIN_IDS", "ADMINS"),
        ("TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN"),
        ("TELEGRAM_BOT_TOEKN", "TELEGRAM_BOT_TOKEN"),
        ("TELEGRAM_PROXY_URL", "TELEGRAM_PROXY"),
        ("HEALTHPORT", "HEALTH_PORT"),
        ("HEALTH-PORT", "HEALTH_PORT"),
        ("GATEWAY_KEY", "GATEWAY_API_KEY"),
        ("GATEWAY_URL", "GATEWAY_BASE_URL"),
        ("GATEWAY__BASE_URL", "GATEWAY_BASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("KEEP_DAY", "KEEP_DAYS"),
        ("PROVIDERS_PROXY", "PROVIDER_PROXY"),
        ("PROVIDER__X__KIND", "PROVIDERS__X__KIND"),
        ("PROVDERS__X__KIND", "PROVIDERS__X__KIND"),
        ("PROVIDERS_X_API_KEY", "PROVIDERS__X__API_KEY"),
        ("PROVIDER_MY_CLOUD_URL", "PROVIDERS__MY_CLOUD__BASE_URL"),
    ],
)
def test_a_mistyped_name_leads_to_the_right_one(name: str, right: str):
    assert meant(name, KNOWN, FIELDS) == right


@pytest.mark.parametrize(
    "name",
    [
        *(
            "TZ",
            "REELWATCH_IMAGE",
            "LANG",
            "HOME",
            "PATH",
            "HOSTNAME",
            "HTTP_PROXY",
            "NO_PROXY",
            "ALL_PROXY",
            "COMPOSE_PROJECT_NAME",
        ),
        *("TELEGRAM_API_ID", "TELEGRAM_API_HASH", "TELEGRAM_LOCAL", "TELEGRAM_CHAT_ID", "BOT_TOKEN"),
        *(
            "DATABASE_HOST",
            "DATABASE_URL_TEST",
            "LOG_FILE",
            "DATABASE_FILE",
            "DATA_ROOT_DIR",
            "LOG_LEVEL_ROOT",
            "POSTGRES_PASSWORD",
            "REDIS_URL",
        ),
        *(
            "GATEWAY_SERVICE_HOST",
            "GATEWAY_PORT",
            "GATEWAY_PORT_80_TCP_ADDR",
            "PROVIDERSHIP",
            "PORT",
            "DEBUG",
        ),
        *(
            "WEBHOOK_URL",
            "WEBHOOK_PORT",
            "LANGUAGES_DIR",
            "OPENAI_API_KEY",
            "API_KEY",
            "BASE_URL",
        ),
        *KNOWN,
    ],
)
def test_names_that_are_right_or_of_other_programs_are_no_mistakes(name: str):
    assert meant(name, KNOWN, FIELDS) is None


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("KEY", "API_KEY"),
        ("URL", "BASE_URL"),
        ("RPS", "MAX_RPS"),
        ("KIN", "KIND"),
        ("APIKEY", "API_KEY"),
        ("API_KEY_FIEL", "API_KEY_FILE"),
        ("KEY_FILE", "API_KEY_FILE"),
        ("", None),
    ],
)
def test_a_providers_setting_leads_to_the_right_one(field: str, right: str | None):
    assert meant_field(field, FIELDS) == right


def test_lines_of_the_env_file_that_cannot_be_read_are_mistakes_with_their_numbers(tmp_path: Path):
    (tmp_path / ".env").write_text(
        'TELEGRAM_BOT_TOKEN=1234567:from-file\n\nALLOWED_CHATS="123", "456"\nADMINS\n\nLOG_LEVEL="I\n'
    )

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert refusal.value.mistakes == [
        "Line 3 of .env cannot be parsed: check its quotes.",
        "Line 4 of .env has no '='.",
        "Line 6 of .env cannot be parsed: check its quotes.",
    ]


def test_a_mistyped_name_is_a_mistake_that_names_the_right_one():
    assert mistakes(ALLOWED_CHAT="1", PROVIDER__X__KIND="hunter2", COMPOSE_PROJECT_NAME="x") == [
        "ALLOWED_CHAT is not a setting; ALLOWED_CHATS is meant.",
        "PROVIDER__X__KIND is not a setting; PROVIDERS__X__KIND is meant.",
    ]
    (line,) = mistakes(GATEWAY, PROVIDERS__WAN__KEY="hunter2")
    assert line.endswith("API_KEY is meant.")


def test_names_of_other_programs_in_the_env_file_are_known_as_foreign(tmp_path: Path):
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=a\nLOG_LEVEL=INFO\nPROVIDERS__WAN__KIND=wan\nA=1\n")

    assert foreign_names() == ["COMPOSE_PROJECT_NAME", "A"]


@pytest.mark.parametrize(
    ("url", "warnings"),
    [
        ("http://gw.example", 1),
        ("HTTP://10.0.0.1:80", 1),
        ("https://gw.example", 0),
        ("http://127.0.0.1:1", 0),
    ],
)
def test_a_key_that_goes_over_plain_http_to_another_machine_is_warned_of(url: str, warnings: int):
    own = load(OWN_KEY, PROVIDERS__MINE__KIND="wan", PROVIDERS__MINE__BASE_URL=url)

    assert len(plain_http_warnings(load(GATEWAY_API_KEY="k", GATEWAY_BASE_URL=url))) == warnings
    assert len(plain_http_warnings(own)) == warnings
    assert len(plain_http_warnings(load(TELEGRAM_API_URL=url))) == warnings
