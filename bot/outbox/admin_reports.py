"""Private messages to the admins when a gateway goes down or recovers, one per change."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.backoff import Backoff
from bot.messages.translate import pick_language
from bot.messages.view import View
from bot.messages.views import admin
from bot.outbox.results import ChatGone, Refused, RetryAfter, SendResult, Sent, Unknown
from bot.outbox.sender import ChatAddress
from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from storage.errors import StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_CHECK_S = 2.0
_BACKOFF = Backoff(first_s=5.0, limit_s=30.0)
_STABLE = timedelta(
    seconds=10
)  # up for so long before a recovery is reported: a flapping gateway is reported once


@dataclass(frozen=True, slots=True, kw_only=True)
class Admins:
    """The recipients of the reports."""

    ids: Collection[int]
    language: str  # the LANGUAGE setting


class AdminReports:
    """Compares the current status with the last reported one, which is stored: a restart repeats nothing."""

    def __init__(
        self,
        store: Store,
        send: Callable[[ChatAddress, View], Awaitable[SendResult]],
        states: GatewayStates,
        *,
        admins: Admins,
        waiting: Callable[[Collection[str]], int],
        clock: Callable[[], datetime],
    ) -> None:
        """waiting: provider names → number of their tasks being polled."""
        self._store = store
        self._send = send
        self._states = states
        self._admins = admins
        self._waiting = waiting
        self._clock = clock
        self._reported: dict[str, str] | None = None  # "gateway admin" → status; bad ones only
        self._is_saved = True
        self._retries: dict[int, tuple[int, datetime]] = {}  # admin → failures in a row, next attempt

    async def run(self) -> None:
        """Check every 2 seconds until cancelled."""
        while True:
            try:
                await self.check()
            except StoreError as error:
                log.warning("Reports to the admins are delayed: %s", error)
            await asyncio.sleep(_CHECK_S)

    async def check(self) -> None:
        """Send each admin the changes since the last report."""
        if self._reported is None:
            self._reported = json.loads(await self._store.admin_reports() or "{}")
        await self._save()
        for report in self._states.reports():
            for admin_id in sorted(self._admins.ids):
                key = f"{report.id} {admin_id}"
                if self._is_news(report, self._reported.get(key)) and await self._send_report(
                    admin_id, report
                ):
                    self._reported.pop(key, None)
                    if report.status.is_bad:
                        self._reported[key] = report.status
                    self._is_saved = False
                    await self._save()

    async def _save(self) -> None:
        """Save what was reported, unless it is saved already; after a StoreError the next check retries."""
        if not self._is_saved:
            await self._store.save_admin_reports(json.dumps(self._reported))
            self._is_saved = True

    def _is_news(self, report: GatewayReport, reported: str | None) -> bool:
        if report.status.is_bad:
            return reported is None
        is_up = report.status is GatewayStatus.UP and not report.is_doubtful
        return reported is not None and is_up and self._clock() - report.since >= _STABLE

    async def _send_report(self, admin_id: int, report: GatewayReport) -> bool:
        """Send the message; False: retry later."""
        now = self._clock()
        failures, retry_at = self._retries.get(admin_id, (0, now))
        if now < retry_at:
            return False
        chat = await self._store.chat(admin_id)
        view = admin.gateway_changed(
            "redirected" if report.redirect_to else report.status,
            host=report.host,
            names=report.names,
            detail=report.redirect_to or (f"HTTP {report.http_status}" if report.http_status else None),
            count=self._waiting(report.names),
            language=pick_language(self._admins.language, None, chat.language if chat else None),
        )
        result = await self._send(ChatAddress(chat_id=admin_id), view)
        if isinstance(result, Refused | ChatGone):
            log.warning("Admin %d can't be reached: %s", admin_id, result)
        if isinstance(result, Refused | ChatGone | Sent | Unknown):  # Unknown: it may have been sent
            self._retries.pop(admin_id, None)
            return True
        requested_s = result.seconds if isinstance(result, RetryAfter) else 0.0
        wait_s = max(_BACKOFF.delay_s(failures + 1), requested_s)
        self._retries[admin_id] = failures + 1, now + timedelta(seconds=wait_s)
        return False
