"""The health of this process, for /livez and /readyz, the service manager, and /health in the chat."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from bot import __version__
from bot.health.single_call import SingleCall
from bot.health.states import LeadershipState, Liveness, LoopState, Readiness, Role, TelegramState
from bot.health.store_check import PATIENCE_S, CheckedStore, DatabaseState, StoreCheck
from bot.messages.views.health_status import GatewayHealth, Health, LeadershipHealth
from bot.telemetry import HUNG_S, STANDING_BY, Telemetry
from bot.watching.gateway_state import GatewayReport
from storage.errors import StoreError
from storage.figures import Workload
from storage.leadership import Leadership, SoleLeadership

_WORKLOAD_S = 2.0  # for reading it, and for the size of the disk
_OF_DATABASE = ("polling", "delivery")  # components whose problems are failures of the database


class ReportedStore(CheckedStore, Protocol):
    """The part of the store that the report uses."""

    @property
    def leadership(self) -> Leadership:
        """Whether this process leads."""
        ...

    async def workload(self, *, at: datetime) -> Workload:
        """What there is to do at that time; raises StoreError."""
        ...


class HealthReport:
    """Collects the states of this process; each method responds within seconds, even if the disk hangs."""

    def __init__(
        self,
        store: ReportedStore,
        telemetry: Telemetry,
        gateways: Callable[[], Sequence[GatewayReport]],
        *,
        is_connected: Callable[[], bool],
        folder: Path,
        clock: Callable[[], datetime],
    ) -> None:
        """gateways: the state of each API key. is_connected: whether Telegram has responded since the start.

        folder: of the database. clock: the wall clock.
        """
        self._leadership = store.leadership
        self._telemetry = telemetry
        self._gateways = gateways
        self._is_connected = is_connected
        self._clock = clock
        self._check = StoreCheck(store, clock=lambda: telemetry.uptime_s)
        self._workload = SingleCall(lambda: store.workload(at=clock()))
        self._disk = SingleCall(lambda: asyncio.to_thread(shutil.disk_usage, folder))

    async def live(self) -> Liveness:
        """Whether the loops run and the database takes writes; a standby tries to lead, and needs neither."""
        loops = {
            loop: LoopState.HUNG if silent_s > HUNG_S else LoopState.OK
            for loop, silent_s in self._telemetry.silences_s.items()
            if self.is_standby == (loop == STANDING_BY)  # one that leads may migrate for longer
        }
        if self.is_standby:
            is_away = "database" in self._telemetry.problems
            database = DatabaseState.AWAY if is_away else DatabaseState.OK
            return Liveness(database=database, loops=loops, is_standby=True)
        database = await self._check.state()
        ages_s = self._telemetry.problem_ages_s
        if database is DatabaseState.OK and any(ages_s.get(each, 0.0) >= PATIENCE_S for each in _OF_DATABASE):
            database = DatabaseState.FAILING
        return Liveness(database=database, loops=loops)

    async def ready(self) -> Readiness:
        """The same, and whether Telegram and the providers respond; with other processes, who leads."""
        liveness, telegram = await self.live(), TelegramState.OK
        if not self._is_connected():
            telegram = TelegramState.CONNECTING
        elif "telegram" in self._telemetry.problems:
            telegram = TelegramState.AWAY
        return Readiness(
            liveness=liveness,
            telegram=telegram,
            telegram_since=self.telegram_since,
            providers={name: report.status for report in self._gateways() for name in report.names},
            leadership=None
            if isinstance(self._leadership, SoleLeadership)
            else LeadershipState(
                role=Role.STANDBY if liveness.is_standby else Role.LEADER,
                epoch=self._leadership.epoch,
                round_trip_s=self._leadership.round_trip_s,
                replicas=self._leadership.replicas(),
            ),
        )

    @property
    def is_standby(self) -> bool:
        """Whether another process may lead."""
        return not self._leadership.is_held

    async def workload(self) -> Workload | None:
        """What there is to do; None: the database cannot be read."""
        try:
            return await self._workload.result(timeout_s=_WORKLOAD_S)
        except (StoreError, TimeoutError):
            return None

    async def describe(self) -> Health:
        """What /health in the chat shows."""
        ready, now = await self.ready(), self._clock()
        liveness = ready.liveness
        workload = await self.workload()
        polled = workload.polled_tasks if workload else {}
        return Health(
            version=__version__,
            started_at=now - timedelta(seconds=self._telemetry.uptime_s),
            telegram_since=self.telegram_since,
            database=liveness.database,
            hung_loops=[loop for loop, state in liveness.loops.items() if state is LoopState.HUNG],
            gateways=[
                GatewayHealth(
                    names=each.names,
                    host=each.host,
                    status="redirected" if each.redirect_to else each.status,
                    is_bad=each.status.is_bad,
                    since=each.since,
                    detail=each.redirect_to or (f"HTTP {each.http_status}" if each.http_status else None),
                    waiting=sum(polled.get(name, 0) for name in each.names),
                )
                for each in self._gateways()
            ],
            workload=workload,
            free_bytes=await self._free_bytes(),
            leadership=_shown(ready.leadership) if ready.leadership else None,
        )

    @property
    def telegram_since(self) -> datetime | None:
        """Since when Telegram has been away; None: it is not."""
        age_s = self._telemetry.problem_ages_s.get("telegram")
        return None if age_s is None else self._clock() - timedelta(seconds=age_s)

    @property
    def has_started(self) -> bool:
        """Whether the loops run, or the process stands by."""
        loops = self._telemetry.silences_s.keys() - {STANDING_BY}
        return self.is_standby or (bool(loops) and "start" not in loops)

    async def _free_bytes(self) -> int | None:
        try:
            return (await self._disk.result(timeout_s=_WORKLOAD_S)).free
        except (OSError, TimeoutError):
            return None


def _shown(leadership: LeadershipState) -> LeadershipHealth:
    is_standby = leadership.role is Role.STANDBY
    own_name = next((each.name for each in leadership.replicas if each.is_self), None)
    return LeadershipHealth(
        leader=leadership.leader,
        standbys=[each.name for each in leadership.replicas if not each.is_leader],
        answering_standby=own_name if is_standby else None,
        epoch=None if is_standby else leadership.epoch,
        round_trip_s=leadership.round_trip_s,
    )
