"""The webhook is set, watched, and what Telegram says about it is reported."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from telegram import WebhookInfo
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError, TimedOut

from bot.chat.update_poller import ALLOWED_UPDATES
from bot.chat.webhook_keeper import WebhookKeeper, reason, shown
from bot.errors import ForeignWebhook, SecondPoller, TokenRefused
from bot.telemetry import Telemetry

URL = "https://bot.example/hook-7f3a"
REFUSED = "Connection refused"


def info(url: str = URL, *, pending: int = 0, error: str | None = None, error_at: int = 0) -> WebhookInfo:
    """What getWebhookInfo returns."""
    at = datetime.fromtimestamp(error_at, UTC) if error else None
    return WebhookInfo(
        url=url,
        has_custom_certificate=False,
        pending_update_count=pending,
        last_error_date=at,
        last_error_message=error,
    )


class FakeBot:
    """Telegram as scripted; when the script ends, the keeper is cancelled."""

    def __init__(self, script: Sequence[WebhookInfo | TelegramError], *refusals: TelegramError) -> None:
        self.script = list(script)
        self.refusals = list(refusals)
        self.set: list[dict[str, Any]] = []

    async def get_webhook_info(self) -> WebhookInfo:
        """https://core.telegram.org/bots/api#getwebhookinfo"""
        if not self.script:
            raise asyncio.CancelledError
        found = self.script.pop(0)
        if isinstance(found, TelegramError):
            raise found
        return found

    async def set_webhook(self, url: str, **options: Any) -> bool:
        """https://core.telegram.org/bots/api#setwebhook"""
        if self.refusals:
            raise self.refusals.pop(0)
        self.set.append({"url": url} | options)
        return True


class Run:
    """A keeper that has run through a script."""

    def __init__(self, script: Sequence[WebhookInfo | TelegramError], *refusals: TelegramError) -> None:
        bot: Any = FakeBot(script, *refusals)
        self.bot = bot
        self.slept_s: list[float] = []
        self.arrives_during_sleep: set[int] = set()  # which sleep
        self.telemetry = Telemetry(sleep=self._sleep)
        self._has_arrived = False
        self.keeper = WebhookKeeper(
            self.bot, self.telemetry, url=URL, secret="s3cret", take_arrival=self._take_arrival
        )

    async def end(self) -> None:
        """Run until the script has ended."""
        with pytest.raises(asyncio.CancelledError):
            await self.keeper.run()

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self._has_arrived |= len(self.slept_s) in self.arrives_during_sleep

    def _take_arrival(self) -> bool:
        has_arrived, self._has_arrived = self._has_arrived, False
        return has_arrived


async def test_it_is_set_with_the_secret_and_the_allowed_updates_and_drops_nothing(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    run = Run([info(""), info()])
    await run.end()
    assert run.bot.set == [
        {
            "url": URL,
            "secret_token": "s3cret",
            "allowed_updates": ALLOWED_UPDATES,
            "drop_pending_updates": False,
            "max_connections": 40,
        }
    ]
    assert caplog.messages == ["Telegram sends the updates to https://bot.example/… (webhook)."]


async def test_another_webhook_from_before_is_replaced_and_its_host_logged(caplog: pytest.LogCaptureFixture):
    await Run([info("https://n8n.example/webhook/secret")]).end()
    assert caplog.messages == ["Replaced a webhook to n8n.example."]


async def test_it_is_set_once_telegram_responds(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    run = Run([TimedOut(), TimedOut(), info(""), info("")], RetryAfter(7))
    await run.end()
    assert len(run.bot.set) == 1
    assert run.slept_s[2] == 7
    assert [message.split(":")[0] for message in caplog.messages] == [
        "Telegram is not responding, retrying",
        "Telegram is responding again.",
        "Telegram sends the updates to https",
    ]


async def test_a_refused_url_is_a_problem_that_is_logged_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
):
    refusals = [BadRequest("Bad webhook: failed to resolve host") for _ in range(3)]
    run = Run([info("")] * 4 + [info()], *refusals)
    await run.end()
    assert caplog.messages == ["Telegram refuses WEBHOOK_URL: Bad webhook: failed to resolve host"]
    assert run.telemetry.problems == {}
    assert len(run.bot.set) == 1


async def test_a_refused_token_ends_it():
    run = Run([InvalidToken("Unauthorized")])
    with pytest.raises(TokenRefused):
        await run.keeper.run()


async def test_another_programs_webhook_ends_it_and_its_host_is_named():
    run = Run([info(""), info(), info("https://n8n.example/webhook/secret")])
    with pytest.raises(ForeignWebhook, match=r"to n8n\.example with"):
        await run.keeper.run()


async def test_a_webhook_that_was_removed_ends_it_as_a_second_poller():
    run = Run([info(""), info(), info("")])
    with pytest.raises(SecondPoller):
        await run.keeper.run()


async def test_telegrams_errors_are_a_problem_logged_once_per_change_until_updates_arrive(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    run = Run(
        [
            info(""),
            info(pending=1, error=REFUSED, error_at=100),
            info(pending=2, error=REFUSED, error_at=102),
            info(pending=2, error=REFUSED, error_at=102),
            info(pending=3, error="Wrong response from the webhook: 404 Not Found", error_at=110),
            info(pending=1, error="Wrong response from the webhook: 404 Not Found", error_at=110),
        ]
    )
    run.arrives_during_sleep = {5}
    seen: list[dict[str, str]] = []
    look = run.bot.get_webhook_info

    async def looked() -> WebhookInfo:
        seen.append(dict(run.telemetry.problems))
        found: WebhookInfo = await look()
        return found

    run.bot.get_webhook_info = looked
    await run.end()
    assert caplog.messages[1:] == [
        "Telegram can't reach https://bot.example/…: Connection refused.",
        "Telegram can't reach https://bot.example/…: Wrong response from the webhook: 404 Not Found"
        " (the reverse proxy has to pass on the path of WEBHOOK_URL unchanged).",
        "Telegram's updates arrive again.",
    ]
    assert [bool(problems) for problems in seen] == [False, False, True, True, True, True, False]
    assert run.telemetry.metrics.webhook_pending_updates.collect()


@pytest.mark.parametrize(
    "later",
    [
        info(pending=1, error=REFUSED, error_at=100),  # the error from before
        info(pending=0, error=REFUSED, error_at=101),  # all has arrived since
    ],
)
async def test_an_error_that_is_over_is_no_problem(later: WebhookInfo, caplog: pytest.LogCaptureFixture):
    run = Run([info(error=REFUSED, error_at=100), later])
    await run.end()
    assert caplog.messages == []
    assert run.telemetry.problems == {}


async def test_an_error_while_updates_arrive_is_no_problem(caplog: pytest.LogCaptureFixture):
    """As the bot's own 503 while its database is away."""
    run = Run([info(""), info(pending=1, error="Wrong response from the webhook: 503", error_at=9)])
    run.arrives_during_sleep = {1}
    await run.end()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://bot.example", "https://bot.example"),
        ("https://bot.example:8443/", "https://bot.example:8443"),
        ("https://bot.example/hook/secret", "https://bot.example/…"),
    ],
)
def test_the_path_is_not_shown(url: str, text: str):
    assert shown(url) == text


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("SSL error {error:0A000086:SSL routines::certificate verify failed}", "whole chain"),
        ("Wrong response from the webhook: 502 Bad Gateway", "WEBHOOK_PORT"),
        ("Wrong response from the webhook: 403 Forbidden", "X-Telegram-Bot-Api-Secret-Token"),
        ("Wrong response from the webhook: 301 Moved Permanently", "redirects"),
        ("Wrong response from the webhook: 418 I'm a teapot", "check the reverse proxy"),
    ],
)
def test_an_error_comes_with_what_may_be_done(error: str, hint: str):
    assert hint in reason(error)
    assert reason("Connection\nrefused" + 900 * "x").startswith("Connection refusedx")
    assert len(reason(900 * "x")) == 200
