"""Private messages to the admins when a gateway stops or starts answering, one per change."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.messages.translate import pick_language
from bot.messages.view import View
from bot.messages.views import admin
from bot.outbox.results import ChatGone, Refused, SendResult, Sent, Unknown
from bot.outbox.sender import ChatAddress
from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from storage.errors import StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_CHECK_S = 2.0
_RETRY_S = 30.0
_STABLE = timedelta(seconds=10)  # a gateway that comes and goes is told once


@dataclass(frozen=True, slots=True, kw_only=True)
class Admins:
    """Who is told, and how."""

    ids: Collection[int]
    language: str  # the LANGUAGE setting


class AdminReports:
    """Compares what was reported with what is; the store knows the former, so a restart repeats nothing."""

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
        """waiting: how many tasks of these providers are polled."""
        self._store = store
        self._send = send
        self._states = states
        self._admins = admins
        self._waiting = waiting
        self._clock = clock
        self._reported: dict[str, str] | None = None  # gateway and admin → status; only bad ones are kept
        self._retry_at: dict[int, datetime] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                await self.check()
            except StoreError as error:
                log.warning("Admins are told later: %s", error)
            await asyncio.sleep(_CHECK_S)

    async def check(self) -> None:
        """Tell each admin what has changed."""
        if self._reported is None:
            self._reported = json.loads(await self._store.admin_reports() or "{}")
        for report in self._states.reports():
            for admin_id in sorted(self._admins.ids):
                key = f"{report.id} {admin_id}"
                if self._is_news(report, self._reported.get(key)) and await self._tell(admin_id, report):
                    self._reported.pop(key, None)
                    if report.status.is_bad:
                        self._reported[key] = report.status
                    await self._store.save_admin_reports(json.dumps(self._reported))

    def _is_news(self, report: GatewayReport, reported: str | None) -> bool:
        if report.status.is_bad:
            return reported is None
        is_up = report.status is GatewayStatus.UP and not report.is_doubtful
        return reported is not None and is_up and self._clock() - report.since >= _STABLE

    async def _tell(self, admin_id: int, report: GatewayReport) -> bool:
        """Send the message; False: it is to be tried again."""
        now = self._clock()
        if now < self._retry_at.get(admin_id, now):
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
        match result:
            case Sent() | Unknown():  # a message whose answer was lost is not sent twice
                return True
            case Refused() | ChatGone():
                log.warning("Admin %d can't be told: %s", admin_id, result)
                return True
            case _:
                self._retry_at[admin_id] = now + timedelta(seconds=_RETRY_S)
                return False
