"""What is wrong with a value of each type is one sentence, which never shows the value."""

import pytest

from bot.providers.registry import KINDS
from tests.unit.test_config import GATEWAY, mistakes


@pytest.mark.parametrize(
    ("name", "value", "mistake"),
    [
        ("TELEGRAM_BOT_TOKEN", "hunter2", "is not a bot token as @BotFather gives it"),
        ("TELEGRAM_API_URL", "api.telegram.org", "is not an http:// or https:// address"),
        ("TELEGRAM_LOCAL_MODE", "hunter2", "is neither true nor false"),
        ("DATABASE_URL", "mysql://me:hunter2@db/a", "is neither sqlite:///relative.db, "),
        ("DATABASE_URL", "postgresql+asyncpg://me:hunter2@db/a", "names a driver; write postgresql://"),
        ("DATABASE_URL", "postgresql://me:hunter2@db", "is not of the form postgresql://"),
        ("DATABASE_URL", "postgresql://me:hunter2/@db/a", "has a password with a character"),
        ("DATABASE_URL", "sqlite:///", "is neither sqlite:///relative.db, "),
        ("DATABASE_URL", "sqlite://", "is neither sqlite:///relative.db, "),
        ("DATABASE_URL", "sqlite:///:memory:", "is neither sqlite:///relative.db, "),
        ("DATABASE_URL", "a.db", "is neither sqlite:///relative.db, "),
        ("GATEWAY_BASE_URL", "https://[hunter2", "is not an http:// or https:// address"),
        ("GATEWAY_BASE_URL", "https://gw.example:hunter2", "is not an http:// or https:// address"),
        ("GATEWAY_BASE_URL", "https://me:hunter2@gw.example", "contains a user name or password"),
        ("GATEWAY_API_KEY", "hunter2 two words", "contains a space or a character that no key has"),
        ("PROVIDERS", '{"wan": "hunter2"}', "has no value of its own; a provider is set by names such as"),
        ("PROVIDERS__WAN", "hunter2", "is not a setting; a provider has KIND"),
        ("PROVIDERS__WAN__KIND", "hunter", f"is not one of the wire formats {', '.join(KINDS)}"),
        ("PROVIDERS__WAN__BASE_URL", "ftp://gw.example", "is not an http:// or https:// address"),
        ("PROVIDERS__WAN__API_KEY", "hunter2é", "contains a space or a character that no key has"),
        ("PROVIDERS__WAN__PATH", "https://gw.example/{id}", "is not a path that begins with / and contains"),
        ("PROVIDERS__WAN__PATH", "api/v1/tasks/{id}", "is not a path that begins with /"),
        ("PROVIDERS__WAN__PATH", "/api/v1/tasks/{task_id}", "and contains {id} once"),
        ("PROVIDERS__WAN__PATH", "/{id}/tasks/{id}", "and contains {id} once"),
        ("PROVIDERS__WAN__PATH", "/tasks/{id}?key=hunter2", "contains a query or fragment"),
        ("PROVIDERS__WAN__PATH", "/tasks/{id}#hunter2", "contains a query or fragment"),
        ("PROVIDERS__WAN__PATH", "/hunter2/../{id}", "contains a character or a part that no path has"),
        ("PROVIDERS__WAN__PATH", "//hunter2/{id}", "contains a character or a part that no path has"),
        ("PROVIDERS__WAN__PATH", "/hunter2 two/{id}", "contains a character or a part that no path has"),
        ("PROVIDERS__WAN__PATH", "/%hunter2/{id}", "contains a character or a part that no path has"),
        ("PROVIDERS__WAN__PATH", f"/{'hunter2' * 30}/{{id}}", "contains a character or a part that no path"),
        ("PROVIDERS__WAN__MAX_RPS", "fast", "is not a number above 0 and up to 1000"),
        ("PROVIDERS__WAN__MAX_RPS", "1000.5", "is not a number above 0 and up to 1000"),
        ("PROVIDERS__WAN__MAX_RPS", "0", "is not a number above 0 and up to 1000"),
        ("PROVIDERS__WAN__MAX_RPS", "nan", "is not a number above 0 and up to 1000"),
        (
            "PROVIDERS__WAN__RPS",
            "5",
            "is not a setting; a provider has KIND, BASE_URL, API_KEY, PATH, MAX_RPS",
        ),
        ("ALLOWED_CHATS", "@films", "is neither a list of chat ids"),
        ("ALLOWED_CHATS", "9" * 17, "is neither a list of chat ids"),
        ("ADMINS", "-1001", "is not a list of user ids"),
        ("ADMINS", "9" * 17, "is not a list of user ids"),
        ("TELEGRAM_BOT_TOKEN", "٣:abcdef", "is not a bot token"),
        ("LANGUAGE", "fr", "is not one of auto, en, zh"),
        ("TZ", "UTC+8", "is not a time zone such as Europe/Berlin or Asia/Shanghai"),
        ("TZ", "Asia/Beijing", "is not a time zone such as"),
        ("TZ", "Asia", "is not a time zone such as"),
        ("TZ", "../hunter2", "is not a time zone such as"),
        ("TZ", "hunter2" * 99, "is not a time zone such as"),
        ("LOG_LEVEL", "loud", "is not one of DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "xml", "is not one of console, json"),
        ("HEALTH_PORT", "70000", "is not a number from 1 to 65535"),
        ("HEALTH_HOST", "http://0.0.0.0", "is not an IP address to listen at"),
        ("KEEP_DAYS", "0", "is not a number of days above 0"),
        ("REST_DAYS", "inf", "is not a number of days above 0"),
        ("MAX_WATCHES", "1.5", "is not a number from 1"),
        ("HEALTH_PORT", "http", "is not a number from 1 to 65535"),
        ("TELEGRAM_PROXY", "socks5://me:hunter2@p.example", "has no port"),
        ("PROVIDER_PROXY", "http://me:hunter2@p\u2100.example:1", "is not an address such as http://"),
        ("DOWNLOAD_PROXY", "p.example:3128", "begins with no scheme: write http:// or socks5h:// before it"),
        ("DOWNLOAD_ALLOW_PRIVATE", "http://nas/", "is neither true nor false"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting_and_never_the_value(
    name: str, value: str, mistake: str
):
    own = {} if name.startswith("GATEWAY") else GATEWAY
    (line,) = [line for line in mistakes(own, {name: value}) if line.startswith(name)]

    assert mistake in line
    assert line.endswith(".")
    assert "\n" not in line


@pytest.mark.parametrize(
    "address",
    [
        "https://gw.example/v1?key=hunter2",
        "https://gw.example/#hunter2",
        "https://gw.example/?",
        "https://gw hunter2.example",
        "https://<hunter2-gateway>",
        "https://gw.example\\hunter2",
    ],
)
def test_an_address_behind_which_no_path_can_stand_is_a_mistake(address: str):
    [mistake] = mistakes(GATEWAY, GATEWAY_BASE_URL=address)
    assert mistake.startswith("GATEWAY_BASE_URL ")
