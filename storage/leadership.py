"""Which of the processes that share a database polls and delivers; the others stand by."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from storage.errors import LeadershipLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A process that leads or stands by."""

    name: str  # host name and process id
    version: str
    is_leader: bool
    is_self: bool
    since: datetime  # it leads, or stands by


# Called with the sentence of why the database is unavailable, and with None when it is available again.
OutageReport = Callable[[str | None], None]


def no_report(_outage: str | None) -> None:
    """Report to nobody."""


def no_beat() -> None:
    """Tell nobody."""


class Leadership(Protocol):
    """The lease of one process on the work; with every term the epoch rises by one."""

    @property
    def epoch(self) -> int | None:
        """The number of this process's term, or of its last one; None: there is no lease, as in SQLite."""
        ...

    @property
    def round_trip_s(self) -> float | None:
        """How long the database took for the last renewal; None: not measured."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether this process may act now; False from a second before another one may lead. No I/O."""
        ...

    @property
    def took_over_from(self) -> str | None:
        """The name of the process whose lease ran out before this term; None: there was none, or it resigned.

        It may have made calls until just now.
        """
        ...

    async def acquire(self, report: OutageReport = no_report, beat: Callable[[], None] = no_beat) -> None:
        """Wait until this process leads; then the schema is current and all leases are free.

        While the database is unavailable it is tried again, and the first failure and its end are reported.
        beat: called with each attempt.
        Raises StoreFromFuture, StoreCorrupt, and StoreInUse while another bot uses the database.
        """
        ...

    async def hold(self) -> NoReturn:
        """Renew the lease; raises LeadershipLost if it can't be renewed in time or another process leads."""
        ...

    async def resign(self) -> None:
        """End the term, so that another process leads at once; harmless without a lease.

        Takes two seconds at most, and raises nothing: a lease that could not be ended runs out.
        """
        ...

    def replicas(self) -> Sequence[Replica]:
        """The processes seen within the last 15 s, the leader first; empty if there is no lease. No I/O."""
        ...


class SoleLeadership:
    """Of a process that shares its database with no other."""

    epoch = None
    round_trip_s = None
    is_held = True
    took_over_from = None

    async def acquire(self, report: OutageReport = no_report, beat: Callable[[], None] = no_beat) -> None:
        """Lead at once."""

    async def hold(self) -> NoReturn:
        """Lead to the end."""
        while True:
            await asyncio.Event().wait()

    async def resign(self) -> None:
        """Do nothing."""

    def replicas(self) -> Sequence[Replica]:
        """Nobody."""
        return ()


class Term:
    """The time for which this process leads; outside of it the process may not act to the outside."""

    def __init__(self, leadership: Leadership | None = None) -> None:
        """None: no other process shares the database."""
        self._leadership = leadership or SoleLeadership()
        self._is_over = False

    @property
    def is_shared(self) -> bool:
        """Whether other processes may lead, so that there is a lease."""
        return not isinstance(self._leadership, SoleLeadership)

    @property
    def is_on(self) -> bool:
        """Whether this process may act now. No I/O."""
        return not self._is_over and self._leadership.is_held

    def ensure(self) -> None:
        """Raise LeadershipLost unless this process may act now; for right before a call to the outside."""
        if not self.is_on:
            raise LeadershipLost("This process does not lead any more.")

    def end(self) -> None:
        """Let nothing more act: the term is lost."""
        self._is_over = True
