"""Sends pending updates to the bot's webhook as Telegram does.

Timing and errors are those of https://github.com/tdlib/telegram-bot-api (telegram-bot-api/WebhookActor.cpp):
one update per chat at a time, forgotten after a response 2xx; after any other it is sent again at once, then
after 2, 4, 8 … up to 60 s, or after what Retry-After says.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import MutableSet
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from bot.sandbox.change_signal import ChangeSignal
from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.serializers import Json
from bot.sandbox.telegram.updates import UpdateQueue

_PORTS = {443, 80, 88, 8443}
_ANSWER_S = 60.0
_LONGEST_DELAY_S = 60.0
_LONGEST_RETRY_AFTER_S = 3600.0
_LOOPBACK = {"127.0.0.1", "localhost"}  # no other host is known here


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What setWebhook has set."""

    url: str
    secret_token: str
    max_connections: int


class WebhookSender:
    """Sends updates from the queue while a webhook is set."""

    def __init__(self, updates: UpdateQueue, change_signal: ChangeSignal, *, local: bool) -> None:
        """change_signal: notified after each attempt. local: as with `--local`, any address is allowed."""
        self.webhook: Webhook | None = None
        self.tls: ssl.SSLContext | None = None  # with which certificates are checked; None: the system's
        self.pace = 1.0  # a factor for all delays
        self.last_error: tuple[int, str] | None = None  # unix seconds and message; kept after a success
        self._updates = updates
        self._change_signal = change_signal
        self._local = local
        self._sending: asyncio.Task[None] | None = None

    async def set(self, webhook: Webhook) -> None:
        """Replace the webhook, unless it is the same; raises ApiError."""
        self._check(webhook)
        if webhook == self.webhook:
            return
        await self.stop()
        self.webhook, self.last_error = webhook, None
        self._updates.set_webhook(webhook.url)
        self.start()

    async def delete(self) -> None:
        """Remove the webhook; the updates stay."""
        await self.stop()
        self.webhook, self.last_error = None, None
        self._updates.set_webhook("")

    def start(self) -> None:
        """Send, if a webhook is set."""
        if self.webhook is not None and self._sending is None:
            self._sending = asyncio.create_task(self._run(self.webhook))

    async def stop(self) -> None:
        """Stop sending; requests in progress are closed."""
        if self._sending is not None:
            self._sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sending
            self._sending = None

    def _check(self, webhook: Webhook) -> None:
        parts = urlsplit(webhook.url)
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", webhook.secret_token):
            raise bad_request("secret token contains unallowed characters")
        if parts.hostname not in _LOOPBACK:
            raise bad_request("bad webhook: Failed to resolve host: Name or service not known")
        if self._local:
            return
        if parts.scheme != "https":
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in {None, *_PORTS}:
            raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        raise bad_request("bad webhook: IP address 127.0.0.1 is reserved")

    async def _run(self, webhook: Webhook) -> None:
        """Send each chat's updates in a task of its own."""
        limits = aiohttp.TCPConnector(limit=webhook.max_connections)
        busy: MutableSet[object] = set()
        async with aiohttp.ClientSession(connector=limits) as session, asyncio.TaskGroup() as group:
            while True:
                await self._updates.until(lambda: self._updates.chats() - busy)
                for chat in self._updates.chats() - busy:
                    busy.add(chat)
                    group.create_task(self._send_all(chat, busy, session, webhook))

    async def _send_all(
        self, chat: object, busy: MutableSet[object], session: aiohttp.ClientSession, webhook: Webhook
    ) -> None:
        while (update := self._updates.first_of(chat)) is not None:
            delay_s, failures = 1.0, 0
            while (retry_after_s := await self._send(update, session, webhook)) is not None:
                if not retry_after_s and failures:
                    delay_s = min(2 * delay_s, _LONGEST_DELAY_S)
                await asyncio.sleep(self.pace * (retry_after_s or (delay_s if failures else 0.0)))
                failures += 1
            self._updates.forget(update)
            self._change_signal.notify()
        busy.discard(chat)  # at once: an update that arrives after the last look starts a new task

    async def _send(self, update: Json, session: aiohttp.ClientSession, webhook: Webhook) -> float | None:
        """Send an update once; None: it has been accepted, else the requested delay, 0: none."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret_token} if webhook.secret_token else {}
        try:
            async with session.post(
                webhook.url,
                json=update,
                headers=headers,
                ssl=self.tls or True,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_ANSWER_S),
            ) as response:
                if response.ok and response.status < 300:  # noqa: PLR2004
                    return None
                self._failed(f"Wrong response from the webhook: {response.status} {response.reason}")
                retry_after = response.headers.get("Retry-After", "")
                return min(float(retry_after), _LONGEST_RETRY_AFTER_S) if retry_after.isdigit() else 0.0
        except aiohttp.ClientConnectorCertificateError:
            self._failed("SSL error {error:0A000086:SSL routines::certificate verify failed}")
        except TimeoutError:
            self._failed("Read timeout expired")
        except aiohttp.ClientConnectorError:
            self._failed("Connection refused")
        except aiohttp.ClientError:
            self._failed("Connection closed")
        return 0.0

    def _failed(self, message: str) -> None:
        self.last_error = int(time.time()), message
        self._change_signal.notify()
