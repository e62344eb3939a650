"""/metrics: the metrics of the process, with gauges that are read at each scrape."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.health.single_call import SingleCall
from bot.health.states import Liveness
from bot.health.store_check import DatabaseState
from bot.http.disk import Disk, DiskUse
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.errors import StoreError
from storage.figures import Figures
from storage.leadership import Leadership, SoleLeadership
from storage.outbox import DeliveryPriority

T = TypeVar("T")

_CACHE_S = 1.0  # how long a page is reused, however many clients scrape
_WAIT_S = 2.0  # for the database and the disk; Prometheus itself waits 10 s by default
_COMPONENTS = ("telegram", "polling", "delivery")  # that Telemetry.set_problem() is called with


class MeasuredStore(Protocol):
    """The part of the store that the page uses."""

    async def figures(self) -> Figures:
        """What the database holds; raises StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is asked at each scrape, and may hang."""

    store: MeasuredStore
    disk: Disk
    live: Callable[[], Awaitable[Liveness]]  # whether the database takes writes; responds within seconds
    leadership: Leadership


class MetricsPage(Collector):
    """Renders the metrics, and collects the gauges for it; one page per Telemetry."""

    def __init__(
        self,
        sources: Sources,
        telemetry: Telemetry,
        gateways: Callable[[], Sequence[GatewayReport]] = lambda: (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """gateways: the state of each API key."""
        self._telemetry = telemetry
        self._gateways = gateways
        self._clock = clock
        self._lock = asyncio.Lock()
        self._live = sources.live
        self._leadership = sources.leadership
        self._measure_store = SingleCall(sources.store.figures)
        self._measure_disk = SingleCall(lambda: asyncio.to_thread(sources.disk.measure))
        self._figures: Figures | None = None  # None: the database can't be read
        self._disk_use: DiskUse | None = None  # None: the disk can't be read
        self._takes_writes = True
        self._page = b""
        self._rendered_s = -_CACHE_S
        telemetry.metrics.registry.register(self)

    async def render(self) -> bytes:
        """The page in Prometheus' text format, at most a second old; concurrent callers share it.

        While the database or the disk can't be read, their figures are missing; the component of a database
        that can't be read or written is not up. A process that stands by leaves them to the leader, so that a
        sum over all processes is right.
        """
        async with self._lock:
            now_s = self._telemetry.uptime_s
            if now_s - self._rendered_s >= _CACHE_S:
                # Here, as collect() can't wait for them.
                reading, measuring = self._read_figures(), _result(self._measure_disk)
                figures, disk_use, liveness = await asyncio.gather(reading, measuring, self._live())
                self._figures, self._disk_use = figures, disk_use
                self._takes_writes = liveness.database is DatabaseState.OK
                self._page = generate_latest(self._telemetry.metrics.registry)
                self._rendered_s = self._telemetry.uptime_s
            return self._page

    async def _read_figures(self) -> Figures | None:
        figures = None
        if self._leadership.is_held:
            figures = await _result(self._measure_store)
        return figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges; called by generate_latest()."""
        if (figures := self._figures) is not None:
            yield from _of_database(figures, now=self._clock())
        if (use := self._disk_use) is not None:
            yield from _of_disk(use)
        problems = self._telemetry.problems
        components = {component: component not in problems for component in _COMPONENTS}
        is_read = figures is not None or not self._leadership.is_held
        components["database"] = is_read and self._takes_writes
        yield _gauge(
            "reelwatch_component_up", "Whether it works, as far as known: 0 or 1.", "component", components
        )
        yield from _of_leadership(self._leadership)
        yield from _of_providers(self._gateways())
        yield _gauge(
            "reelwatch_loop_heartbeat_age_seconds",
            "Time since the loop last made progress.",
            "loop",
            self._telemetry.silences_s,
        )


async def _result(call: SingleCall[T]) -> T | None:
    try:
        return await call.result(timeout_s=_WAIT_S)
    except (StoreError, OSError):  # TimeoutError is an OSError
        return None


def _of_database(figures: Figures, *, now: datetime) -> Iterable[GaugeMetricFamily]:
    stats = figures.stats
    yield _gauge("reelwatch_tasks", "Tasks at gateways.", "status", stats.tasks)
    yield _gauge("reelwatch_watches", "Watches of tasks by chats.", "state", stats.watches)
    yield _gauge(
        "reelwatch_deliveries", "Deliveries to chats: messages and edits.", "state", stats.deliveries
    )
    since = figures.waiting_since
    yield _gauge(
        "reelwatch_oldest_delivery_age_seconds",
        "Age of the oldest delivery that is not sent yet, 0: none; by what it carries.",
        "priority",
        {
            each.name.lower(): max(0.0, (now - since.get(each, now)).total_seconds())
            for each in DeliveryPriority
        },
    )
    yield GaugeMetricFamily(
        "reelwatch_open_lookups",
        "Messages with ids whose provider is being looked for or asked.",
        figures.open_lookups,
    )
    yield GaugeMetricFamily("reelwatch_database_bytes", "Bytes of the database on disk.", figures.bytes)


def _of_disk(use: DiskUse) -> Iterable[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "reelwatch_downloads_folder_bytes", "Bytes of the files in the downloads folder.", use.downloads
    )
    yield _gauge("reelwatch_disk_size_bytes", "Size of the file system of a folder.", "folder", use.size)
    yield _gauge(
        "reelwatch_disk_free_bytes",
        "Bytes of that file system that the bot may use.",
        "folder",
        use.free,
    )


def _of_leadership(leadership: Leadership) -> Iterable[GaugeMetricFamily]:
    """Nothing where no other process shares the database."""
    if isinstance(leadership, SoleLeadership):
        return
    yield GaugeMetricFamily(
        "reelwatch_leader", "Whether this process leads (1) or stands by (0).", leadership.is_held
    )
    if leadership.epoch is not None:
        yield GaugeMetricFamily(
            "reelwatch_leader_epoch", "The number of this process's last term.", leadership.epoch
        )
    if leadership.round_trip_s is not None:
        yield GaugeMetricFamily(
            "reelwatch_database_round_trip_seconds",
            "How long the database took to respond, as last measured.",
            leadership.round_trip_s,
        )


def _of_providers(gateways: Sequence[GatewayReport]) -> Iterable[GaugeMetricFamily]:
    of_names = {name: gateway.status for gateway in gateways for name in gateway.names}
    yield _gauge(
        "reelwatch_provider_up",
        "Whether its gateway works, as far as known: 0 or 1.",
        "provider",
        {name: not status.is_bad for name, status in of_names.items()},
    )
    family = GaugeMetricFamily(
        "reelwatch_provider_status",
        "The state of its gateway and key: 1 for the present one, 0 for the others.",
        labels=["provider", "status"],
    )
    for name, status in of_names.items():
        for each in GatewayStatus:
            family.add_metric([name, each], each is status)
    yield family


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
