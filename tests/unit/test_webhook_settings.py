"""WEBHOOK_URL, WEBHOOK_PORT and WEBHOOK_HOST, and the secret."""

import re

import pytest

from bot.config import SettingsError, load_settings
from bot.webhook_settings import path_of, secret_for

TOKEN = {"TELEGRAM_BOT_TOKEN": "1234567:hunter2-is-secret"}
OWN_SERVER = {"TELEGRAM_API_URL": "http://127.0.0.1:8081"}


def mistakes(**given: str) -> list[str]:
    """What is wrong with these settings."""
    with pytest.raises(SettingsError) as refusal:
        load_settings(TOKEN | given)
    return refusal.value.mistakes


def test_long_polling_is_the_default():
    settings = load_settings(TOKEN)
    assert (settings.webhook_url, settings.webhook_port, settings.webhook_host) == ("", 8443, "127.0.0.1")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://bot.example", "/"),
        ("https://bot.example/", "/"),
        ("https://bot.example:8443/a/b/", "/a/b/"),
        ("https://bot.example:443/a%20b", "/a%20b"),
        ("https://影.example/hook", "/hook"),
    ],
)
def test_an_address_is_taken_as_it_is(url: str, path: str):
    assert load_settings(TOKEN | {"WEBHOOK_URL": url}).webhook_url == url
    assert path_of(url) == path


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "https://bot.example:9000/hook"])
def test_an_own_bot_api_server_may_send_to_http_and_any_port(url: str):
    assert load_settings(TOKEN | OWN_SERVER | {"WEBHOOK_URL": url}).webhook_url == url


@pytest.mark.parametrize(
    ("url", "mistake"),
    [
        ("bot.example/hook", "is not an https:// address"),
        ("http://bot.example/hook", "is not an https:// address; only a Bot API server of your own"),
        ("https://bot.example:9000", "has the port 9000; Telegram sends to 443, 80, 88, 8443 only"),
        ("https://anna:hunter2@bot.example", "contains a user name or password"),
        ("https://bot.example/hook?key=hunter2", "contains a query or fragment"),
        ("https://bot.example/hook#", "contains a query or fragment"),
        ("https://bot.example/my hook", "contains a space or another character"),
        ("https://bot.example/影", "contains a space or another character"),
    ],
)
def test_a_wrong_address_is_a_mistake(url: str, mistake: str):
    (sentence,) = mistakes(WEBHOOK_URL=url)
    assert sentence.startswith(f"WEBHOOK_URL {mistake}")
    assert "hunter2" not in sentence


def test_health_and_webhook_need_ports_of_their_own():
    url = {"WEBHOOK_URL": "https://bot.example"}
    assert mistakes(**url, HEALTH_PORT="8443") == [
        "WEBHOOK_PORT and HEALTH_PORT are both 8443; each needs a port of its own."
    ]
    assert load_settings(TOKEN | {"HEALTH_PORT": "8443"}).health_port == 8443


def test_the_secret_depends_on_the_token_only_and_is_kept_out_of_logs():
    settings = load_settings(TOKEN)
    assert settings.webhook_secret == secret_for(TOKEN["TELEGRAM_BOT_TOKEN"]) != secret_for("1:other")
    assert re.fullmatch("[0-9a-f]{64}", settings.webhook_secret)
    assert settings.webhook_secret in settings.secrets
