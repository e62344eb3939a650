"""Enqueues a report to each admin when a gateway goes down or recovers, one per change."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.messages.translate import pick_language
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStates, GatewayStatus
from storage.errors import LeadershipLost, StoreError
from storage.outbox import AdminReport
from storage.store import Store

log = logging.getLogger(__name__)

_CHECK_S = 2.0
# Up for so long before a recovery is reported: a flapping gateway is reported once.
_STABLE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admins:
    """The recipients of the reports."""

    ids: Collection[int]
    language: str  # the LANGUAGE setting


class AdminReports:
    """Hands each change to the store, which knows what was reported: a restart repeats nothing."""

    def __init__(
        self,
        store: Store,
        states: GatewayStates,
        *,
        admins: Admins,
        waiting: Callable[[Collection[str]], int],
        clock: Callable[[], datetime],
        notify: Callable[[], None],
    ) -> None:
        """waiting: provider names → number of their tasks being polled; notify: wakes the delivery worker."""
        self._store = store
        self._states = states
        self._admins = admins
        self._waiting = waiting
        self._clock = clock
        self._notify = notify
        self._stored: dict[tuple[str, int], GatewayStatus] = {}  # by gateway and admin

    async def run(self, telemetry: Telemetry) -> None:
        """Check every _CHECK_S until cancelled."""
        while True:
            try:
                await self.check()
            except LeadershipLost:
                raise
            except StoreError as error:
                log.debug("Reports to the admins are delayed: %s", error)  # polling logs it
            await telemetry.sleep("reports", _CHECK_S)

    async def check(self) -> None:
        """Store the changes since the last check."""
        # A proxy that fails is one report, not one for each gateway behind it.
        states = [each for each in self._states.reports() if each.status is not GatewayStatus.PROXY]
        if proxy := self._states.proxy_report():
            states.append(proxy)
        for state in states:
            is_up = state.status is GatewayStatus.UP and not state.is_doubtful
            is_stable = is_up and self._clock() - state.since >= _STABLE
            if not state.status.is_bad and not is_stable:
                continue
            for admin_id in sorted(self._admins.ids):
                key = state.id, admin_id
                if self._stored.get(key) is state.status:
                    continue
                report = await self._report(state, admin_id)
                if await self._store.enqueue_report(admin_id, report, at=self._clock()):
                    self._stored[key] = state.status
                    self._notify()

    async def _report(self, state: GatewayReport, admin_id: int) -> AdminReport:
        chat = await self._store.chat(admin_id)
        status, detail = _shown(state)
        return AdminReport(
            gateway=state.id,
            is_recovery=not state.status.is_bad,
            status=status,
            host=state.host,
            names=state.names,
            detail=detail,
            waiting=self._waiting(state.names),
            language=pick_language(self._admins.language, None, chat.language if chat else None),
        )


def _shown(state: GatewayReport) -> tuple[str, str | None]:
    """The status, a key of the texts, and the detail of a report."""
    if state.is_proxy:
        return f"proxy_{state.proxy_fault or state.status}", state.host
    if state.redirect_to:
        return "redirected", state.redirect_to
    return state.status, f"HTTP {state.http_status}" if state.http_status else None
