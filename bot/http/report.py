"""The health of this process, for /health in the chat and /healthz."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport
from storage.errors import StoreError

_CACHE_S = 10.0  # how long a database check is reused: each one is a write
_STALE_S = 90.0  # a loop without a heartbeat for so long is reported as hung; a long poll lasts 25 s

_FAILS = "fails"


class CheckedStore(Protocol):
    """The part of the store that the health report uses."""

    async def check(self) -> None:
        """Raise StoreError unless the store is writable."""


class HealthReport:
    """Collects problems and facts of this process."""

    def __init__(
        self,
        store: CheckedStore,
        telemetry: Telemetry,
        gateways: Callable[[], Sequence[GatewayReport]] = lambda: (),
        *,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """gateways: the state of each API key. redact: removes secrets from error texts; None hides them."""
        self._store = store
        self._gateways = gateways
        self._telemetry = telemetry
        self._redact = redact or (lambda _: _FAILS)
        self._lock = asyncio.Lock()
        self._checked_s = -_CACHE_S
        self._database_error: str | None = None

    async def public_problems(self) -> dict[str, str]:
        """Problems by component, without error texts: for /healthz, which anyone may read."""
        problems = dict.fromkeys(self._telemetry.problems, _FAILS) | self._hung_loops()
        return problems | ({"database": _FAILS} if await self._check_store() else {})

    async def problems(self) -> dict[str, str]:
        """Problems by component with redacted error texts; empty when healthy."""
        problems = {component: self._redact(text) for component, text in self._telemetry.problems.items()}
        problems |= self._hung_loops()
        error = await self._check_store()
        return problems | ({"database": error} if error else {})

    def _hung_loops(self) -> dict[str, str]:
        return {
            loop: f"has not run for {silent_s:.0f} s"
            for loop, silent_s in self._telemetry.silences_s.items()
            if silent_s > _STALE_S
        }

    async def _check_store(self) -> str | None:
        """The error text of the last check, cached for _CACHE_S; concurrent callers share one check."""
        async with self._lock:
            now_s = self._telemetry.uptime_s
            if now_s - self._checked_s >= _CACHE_S:
                self._checked_s = now_s
                try:
                    await self._store.check()
                except StoreError as error:
                    self._database_error = str(error)
                else:
                    self._database_error = None
            return self._database_error

    async def facts(self) -> dict[str, str]:
        """Name → value for /health in the chat."""
        facts = {"up": f"{self._telemetry.uptime_s:.0f} s"}
        facts |= {f"{loop} ran": f"{s:.0f} s ago" for loop, s in self._telemetry.silences_s.items()}
        facts |= {name: str(total) for name, total in self._telemetry.metrics.totals.items()}
        return facts | self.gateways() | await self.problems()

    def gateways(self) -> dict[str, str]:
        """The state of each API key at its host; a gateway's outage does not make this process unhealthy."""
        return {
            f"gateway {each.id}": f"{each.status} since {each.since:%Y-%m-%d %H:%M:%S} UTC"
            + (f", HTTP {each.http_status}" if each.http_status else "")
            for each in self._gateways()
        }
