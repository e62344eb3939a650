"""Sets the bot's webhook, and watches that it stays and that Telegram reaches it.

https://core.telegram.org/bots/api#setwebhook
"""

import itertools
import logging
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from telegram import Bot, WebhookInfo
from telegram.error import BadRequest, InvalidToken, RetryAfter, TelegramError

from bot.backoff import Backoff
from bot.bot_api.deadline import CALL_S, within
from bot.bot_api.request import flood_wait_s
from bot.chat.update_poller import ALLOWED_UPDATES, MAX_FLOOD_WAIT_S
from bot.chat.webhooks import host_of
from bot.errors import ForeignWebhook, SecondPoller, TokenRefused
from bot.logs import log_fields
from bot.telemetry import Telemetry

log = logging.getLogger(__name__)

_CONNECTIONS = 40  # updates that Telegram sends at once
_INTERVAL_S = 20.0  # between two getWebhookInfo
_BACKOFF = Backoff(first_s=1.0, limit_s=15.0)
_REASON_CHARACTERS = 200
_RESPONSE = re.compile(r"Wrong response from the webhook: (\d{3})\b")
_REDIRECTED = "Telegram follows no redirects"
_UNREACHED = "the reverse proxy does not reach the bot at WEBHOOK_HOST and WEBHOOK_PORT"
_HINTS = {  # by the status of the response
    "301": _REDIRECTED,
    "302": _REDIRECTED,
    "307": _REDIRECTED,
    "308": _REDIRECTED,
    "403": "the reverse proxy refuses it, or leaves out the header X-Telegram-Bot-Api-Secret-Token",
    "404": "the reverse proxy has to pass on the path of WEBHOOK_URL unchanged",
    "413": "the reverse proxy has to accept bodies of 1 MB",
    "502": _UNREACHED,
    "503": _UNREACHED,
    "504": _UNREACHED,
}
_CERTIFICATE = "the certificate must be one that everybody trusts, sent with its whole chain"


class WebhookKeeper:
    """Sets the webhook and watches it."""

    def __init__(
        self,
        bot: Bot,
        telemetry: Telemetry,
        *,
        url: str,
        secret: str,
        take_arrival: Callable[[], bool],
    ) -> None:
        """url: WEBHOOK_URL. take_arrival: whether an update has arrived since its last call."""
        self._take_arrival = take_arrival
        self._bot = bot
        self._telemetry = telemetry
        self._url = url
        self._shown = shown(url)
        self._secret = secret
        self._known_error: object = None  # the time of Telegram's last error; it stays after the next success
        self._problem: str | None = None  # that was logged last
        self._is_away = False  # Telegram does not respond, or refuses the webhook

    async def run(self) -> None:
        """Set the webhook and watch it until cancelled; raises ForeignWebhook, SecondPoller, TokenRefused."""
        before = await self._retried(self._set)
        log.info(
            "Telegram sends the updates to %s (webhook).", self._shown, extra=log_fields(None, "webhook_set")
        )
        if before.url and before.url != self._url:
            host = host_of(before.url)
            log.warning(
                "Replaced a webhook to %s.",
                host or "another address",
                extra=log_fields(None, "webhook_replaced", host=host or ""),
            )
        while True:
            await self._telemetry.sleep("updates", _INTERVAL_S)
            self._judge(await self._retried(self._bot.get_webhook_info))

    async def _set(self) -> WebhookInfo:
        """Set the webhook; returns what was there before."""
        before = await self._bot.get_webhook_info()
        self._known_error = before.last_error_date
        await self._bot.set_webhook(
            self._url,
            max_connections=_CONNECTIONS,
            allowed_updates=ALLOWED_UPDATES,
            drop_pending_updates=False,
            secret_token=self._secret,
        )
        return before

    async def _retried(self, call: Callable[[], Awaitable[WebhookInfo]]) -> WebhookInfo:
        """The call's result, once Telegram responds."""
        for failures in itertools.count(1):
            try:
                found = await within(CALL_S, call())
            except InvalidToken as error:
                if "unauthorized" in error.message.lower():
                    raise TokenRefused from None
                pause_s = self._failed(error, failures)
            except TelegramError as error:
                pause_s = self._failed(error, failures)
            else:
                if self._is_away:
                    self._is_away = False
                    self._recovered("Telegram is responding again.")
                return found
            await self._telemetry.sleep("updates", pause_s)
        raise AssertionError

    def _failed(self, error: TelegramError, failures: int) -> float:
        """Report that Telegram fails; returns the seconds until the next try."""
        self._is_away = True
        if isinstance(error, RetryAfter):
            return min(flood_wait_s(error), MAX_FLOOD_WAIT_S)
        if isinstance(error, BadRequest):
            self._report(f"Telegram refuses WEBHOOK_URL: {_line(error.message)}", "webhook_refused")
        elif failures > 1:  # a connection that was closed while idle fails once
            self._report(f"Telegram is not responding, retrying: {error.message}", "telegram_down")
        return _BACKOFF.delay_s(failures)

    def _judge(self, info: WebhookInfo) -> None:
        """Compare with the last check, without clocks, as Telegram's and the machine's may differ."""
        if info.url != self._url:
            if info.url:
                raise ForeignWebhook(host_of(info.url))
            raise SecondPoller
        self._telemetry.metrics.webhook_pending_updates.set(info.pending_update_count)
        is_new_error = info.last_error_date != self._known_error
        has_arrived = self._take_arrival()
        self._known_error = info.last_error_date
        if is_new_error and not has_arrived and info.pending_update_count:
            why = reason(info.last_error_message or "unknown error")
            self._report(f"Telegram can't reach {self._shown}: {why}.", "webhook_unreachable")
        elif has_arrived or not info.pending_update_count:
            self._recovered("Telegram's updates arrive again.")

    def _report(self, problem: str, event: str) -> None:
        """Log a problem once per change."""
        self._telemetry.set_problem("telegram", problem)
        if problem != self._problem:
            self._problem = problem
            log.warning("%s", problem, extra=log_fields(None, event))

    def _recovered(self, sentence: str) -> None:
        self._telemetry.set_problem("telegram", None)
        if self._problem is not None:
            self._problem = None
            log.info("%s", sentence, extra=log_fields(None, "telegram_up"))


def shown(url: str) -> str:
    """A webhook's address for logs; the path may hold a secret."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return origin if parts.path in {"", "/"} else f"{origin}/…"


def reason(error: str) -> str:
    """Telegram's error in a line, with what may be done about it."""
    line = _line(error)
    if response := _RESPONSE.match(line):
        return f"{line} ({_HINTS.get(response[1], 'check the reverse proxy')})"
    is_tls = "ssl" in line.lower() or "certificate" in line.lower()
    return f"{line} ({_CERTIFICATE})" if is_tls else line


def _line(text: str) -> str:
    return " ".join(text.split())[:_REASON_CHARACTERS]
