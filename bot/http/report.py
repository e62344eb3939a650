"""Whether the process does its work, for people and for machines."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport
from storage.errors import StoreError
from storage.models import Stats

_CHECKED_S = 10.0  # for so long the last check of the database stands: each is a write
_SILENT_S = 90.0  # a loop that has not run for so long hangs; the long poll lasts 25 s

_FAILS = "fails"


class Archive(Protocol):
    """What health asks of the archive."""

    async def check(self) -> None:
        """Raise StoreError unless it can be written to."""

    async def stats(self) -> Stats:
        """Counts by status and state."""
        ...


class HealthReport:
    """Tells whether the process does its work."""

    def __init__(
        self,
        archive: Archive,
        telemetry: Telemetry,
        gateways: Callable[[], Sequence[GatewayReport]] = lambda: (),
        *,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        """gateways: the state of each key. redact: takes secrets out of foreign texts; else none is shown."""
        self._archive = archive
        self._gateways = gateways
        self._telemetry = telemetry
        self._redact = redact or (lambda _: _FAILS)
        self._checking = asyncio.Lock()
        self._checked_s = -_CHECKED_S
        self._complaint: str | None = None
        self._stats: Stats | None = None
        self._counted_s = -_CHECKED_S

    async def classes(self) -> dict[str, str]:
        """What is wrong, by place, without a word that comes from outside."""
        told = dict.fromkeys(self._telemetry.problems, _FAILS) | self._silences()
        return told | ({"database": _FAILS} if await self._archive_complaint() else {})

    async def problems(self) -> dict[str, str]:
        """What is wrong, by place, in the words of whoever said it; empty when all is well."""
        problems = {where: self._redact(what) for where, what in self._telemetry.problems.items()}
        problems |= self._silences()
        complaint = await self._archive_complaint()
        return problems | ({"database": complaint} if complaint else {})

    def _silences(self) -> dict[str, str]:
        return {
            loop: f"has not run for {silent_s:.0f} s"
            for loop, silent_s in self._telemetry.silences_s.items()
            if silent_s > _SILENT_S
        }

    async def _archive_complaint(self) -> str | None:
        """What the last check came to, made anew when it is old; those who ask meanwhile share it."""
        async with self._checking:
            now_s = self._telemetry.uptime_s
            if now_s - self._checked_s >= _CHECKED_S:
                self._checked_s = now_s
                try:
                    await self._archive.check()
                except StoreError as error:
                    self._complaint = str(error)
                else:
                    self._complaint = None
            return self._complaint

    async def _counts(self) -> Stats:
        async with self._checking:
            now_s = self._telemetry.uptime_s
            if self._stats is None or now_s - self._counted_s >= _CHECKED_S:
                self._stats, self._counted_s = await self._archive.stats(), now_s
            return self._stats

    async def facts(self) -> dict[str, str]:
        """Name → value for /health in the chat."""
        facts = {"up": f"{self._telemetry.uptime_s:.0f} s"}
        facts |= {f"{loop} ran": f"{s:.0f} s ago" for loop, s in self._telemetry.silences_s.items()}
        facts |= {name: str(count) for name, count in sorted(self._telemetry.counters.items())}
        return facts | self.gateways() | await self.problems()

    def gateways(self) -> dict[str, str]:
        """The state of each key at its host; trouble there is not this process's."""
        return {f"gateway {each.id}": _told(each) for each in self._gateways()}

    async def metrics(self) -> str:
        """Counters and gauges in Prometheus' text format."""
        stats = await self._counts()
        lines = [f"reelwatch_uptime_seconds {self._telemetry.uptime_s:.3f}"]
        lines += [
            f'reelwatch_provider_up{{provider="{name}"}} {int(not each.status.is_bad)}'
            for each in self._gateways()
            for name in each.names
        ]
        lines += [f"reelwatch_{name}_total {n}" for name, n in sorted(self._telemetry.counters.items())]
        for gauge, label, counts in (
            ("tasks", "status", stats.tasks),
            ("watches", "state", stats.watches),
            ("deliveries", "state", stats.deliveries),
        ):
            lines += [f'reelwatch_{gauge}{{{label}="{value}"}} {n}' for value, n in sorted(counts.items())]
        return "\n".join(lines) + "\n"


def _told(report: GatewayReport) -> str:
    http = f", HTTP {report.http_status}" if report.http_status else ""
    return f"{report.status} since {report.since:%Y-%m-%d %H:%M:%S} UTC{http}"
