"""Whether the process does its work, for people and for machines."""

from typing import Protocol

from bot.telemetry import Telemetry
from storage.errors import StoreError
from storage.models import Stats

_SILENT_S = 90.0  # a loop that has not turned for so long hangs; the long poll lasts 25 s


class Archive(Protocol):
    """What health asks of the archive."""

    async def check(self) -> None:
        """Raise StoreError unless it can be written to."""

    async def stats(self) -> Stats:
        """Counts by status and state."""
        ...


class Wellness:
    """Tells whether the process does its work."""

    def __init__(self, archive: Archive, telemetry: Telemetry) -> None:
        self._archive = archive
        self._telemetry = telemetry

    async def troubles(self) -> dict[str, str]:
        """What is wrong, by place; empty when all is well."""
        troubles = dict(self._telemetry.troubles)
        for loop, silent_s in self._telemetry.silences_s.items():
            if silent_s > _SILENT_S:
                troubles[loop] = f"has not turned for {silent_s:.0f} s"
        try:
            await self._archive.check()
        except StoreError as error:
            troubles["archive"] = str(error)
        return troubles

    async def facts(self) -> dict[str, str]:
        """Name → value for /health in the chat."""
        facts = {"up": f"{self._telemetry.uptime_s:.0f} s"}
        facts |= {f"{loop} turned": f"{s:.0f} s ago" for loop, s in self._telemetry.silences_s.items()}
        facts |= {name: str(count) for name, count in sorted(self._telemetry.counters.items())}
        return facts | await self.troubles()

    async def metrics(self) -> str:
        """Counters and gauges in Prometheus' text format."""
        stats = await self._archive.stats()
        lines = [f"reelwatch_uptime_seconds {self._telemetry.uptime_s:.3f}"]
        lines += [f"reelwatch_{name}_total {n}" for name, n in sorted(self._telemetry.counters.items())]
        for gauge, label, counts in (
            ("tasks", "status", stats.tasks),
            ("watches", "state", stats.watches),
            ("deliveries", "state", stats.deliveries),
        ):
            lines += [f'reelwatch_{gauge}{{{label}="{value}"}} {n}' for value, n in sorted(counts.items())]
        return "\n".join(lines) + "\n"
