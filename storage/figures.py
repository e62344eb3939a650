"""What the store counts at one moment: for /stats, /health and /metrics. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.outbox import DeliveryPriority


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts for /stats and /metrics."""

    tasks: dict[str, int]  # by TaskStatus
    watches: dict[str, int]  # by WatchState
    deliveries: dict[str, int]  # by DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What there is to do at one moment, for /health."""

    polled_tasks: dict[str, int]  # tasks that are polled, by provider
    watching_chats: int  # with active watches
    waiting_deliveries: int  # due and not being sent
    waiting_since: datetime | None  # since when the oldest of them waits; None: there is none
    database_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The sizes and ages of what the database holds."""

    stats: Stats
    waiting_since: Mapping[DeliveryPriority, datetime]  # of the oldest delivery that could be sent, if any
    open_lookups: int
    bytes: int  # on disk
