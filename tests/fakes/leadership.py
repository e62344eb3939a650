"""A leadership that a test grants and takes away."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

from storage.errors import LeadershipLost
from storage.leadership import OutageReport, Replica, no_beat, no_report
from tests.fakes.clock import NOON

LOST = "The lease of the leadership was not renewed in time."


def replica(name: str, *, is_leader: bool = False) -> Replica:
    """A process that shares the database."""
    return Replica(name=name, version="1.2.3", is_leader=is_leader, is_self=False, since=NOON)


class FakeLeadership:
    """Of one of several processes; grant() lets it lead, take_away() ends its term."""

    def __init__(self, *, epoch: int | None = None, is_held: bool = False) -> None:
        self.epoch = epoch
        self.round_trip_s: float | None = 0.0004
        self.is_held = is_held
        self.took_over_from: str | None = None
        self.known: list[Replica] = []
        self.resigned = 0
        self.report: OutageReport = no_report
        self.was_asked = asyncio.Event()  # for the replicas
        self._granted, self._lost = asyncio.Event(), asyncio.Event()

    def grant(self) -> None:
        """Let it lead."""
        self._granted.set()

    def take_away(self) -> None:
        """Let another process lead."""
        self.is_held = False
        self._lost.set()

    async def acquire(self, report: OutageReport = no_report, beat: Callable[[], None] = no_beat) -> None:
        """Wait for grant()."""
        beat()
        self.report = report
        await self._granted.wait()
        self._granted.clear()
        self._lost.clear()
        self.epoch = (self.epoch or 0) + 1
        self.is_held = True

    async def hold(self) -> NoReturn:
        """Wait for take_away()."""
        await self._lost.wait()
        raise LeadershipLost(LOST)

    async def resign(self) -> None:
        """Count it."""
        self.is_held = False
        self.resigned += 1

    def replicas(self) -> Sequence[Replica]:
        """Those that the test names."""
        self.was_asked.set()
        return self.known
