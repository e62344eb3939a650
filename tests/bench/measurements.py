"""What is measured, and the figures of a measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Contestant(StrEnum):
    """The programs that poll."""

    NAIVE = "naive"
    CAREFUL = "careful"
    OURS = "ours"
    ON_POSTGRES = "ours on PostgreSQL"
    WRK = "wrk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load of a measurement."""

    tasks: int
    pace_s: float  # between two polls of a task; 0: all are due at all times
    window_s: float
    answer_s: float = 0.0  # how long the gateway takes
    settle_s: float = 3.0  # until the load is steady
    cards_age: bool = False  # whether cards are refreshed every minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The work done, and its cost."""

    who: Contestant
    load: Load
    polls: int
    span_s: float
    cpu_s: float
    rss_mb: float = 0.0
    server_cpu_s: float = 0.0  # of the PostgreSQL server
    calls: int = 0  # to Telegram
    late_s: Sequence[float] | None = None  # p50, p95, p99; None: no task was polled twice

    @property
    def polls_rps(self) -> float:
        """Polls a second."""
        return self.polls / self.span_s

    @property
    def cpu_per_poll_s(self) -> float:
        """Processor time for a poll."""
        return self.cpu_s / max(self.polls, 1)

    @property
    def share(self) -> float:
        """Of one core."""
        return self.cpu_s / self.span_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Delays in seconds from a task's end at the gateway to the chat, one of each kind per task."""

    unseen: list[float]  # from the end until the poll that found it
    called: list[float]  # from that poll until Telegram was called
    brought: list[float]  # from that poll until Telegram had the video
    missing: int  # videos that never arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """From the process's start to its first getUpdates, or the first getMe of a bare application."""

    took_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What replicas without tasks cost together."""

    replicas: int
    span_s: float
    transactions: int
    bots_cpu_s: float
    server_cpu_s: float
    rss_mb: float  # of the replica with the most
