"""/metrics: the metrics of the process, with gauges that are read at each scrape."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport
from storage.errors import StoreError
from storage.models import Stats

_CACHE_S = 1.0  # how long a page is reused, however many clients scrape
_COMPONENTS = ("telegram", "polling", "delivery")  # that Telemetry.set_problem() is called with


class CountedStore(Protocol):
    """The part of the store that the page uses."""

    async def stats(self) -> Stats:
        """Counts by status and state; raises StoreError."""
        ...


class MetricsPage(Collector):
    """Renders the metrics, and collects the gauges for it; one page per Telemetry."""

    def __init__(
        self,
        store: CountedStore,
        telemetry: Telemetry,
        gateways: Callable[[], Sequence[GatewayReport]] = lambda: (),
    ) -> None:
        """gateways: the state of each API key."""
        self._store = store
        self._telemetry = telemetry
        self._gateways = gateways
        self._lock = asyncio.Lock()
        self._stats: Stats | None = None  # None: the database can't be read
        self._page = b""
        self._rendered_s = -_CACHE_S
        telemetry.metrics.registry.register(self)

    async def render(self) -> bytes:
        """The page in Prometheus' text format, at most a second old; concurrent callers share it.

        While the database can't be read, its counts are missing and its component is not up.
        """
        async with self._lock:
            now_s = self._telemetry.uptime_s
            if now_s - self._rendered_s >= _CACHE_S:
                try:
                    self._stats = await self._store.stats()  # here, as collect() can't wait for it
                except StoreError:
                    self._stats = None
                self._page, self._rendered_s = generate_latest(self._telemetry.metrics.registry), now_s
            return self._page

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges; called by generate_latest()."""
        if self._stats is not None:
            yield _gauge("reelwatch_tasks", "Tasks at gateways.", "status", self._stats.tasks)
            yield _gauge("reelwatch_watches", "Watches of tasks by chats.", "state", self._stats.watches)
            yield _gauge(
                "reelwatch_deliveries",
                "Deliveries to chats: messages and edits.",
                "state",
                self._stats.deliveries,
            )
        problems = self._telemetry.problems
        components = {component: component not in problems for component in _COMPONENTS}
        components["database"] = self._stats is not None
        yield _gauge(
            "reelwatch_component_up", "Whether it works, as far as known: 0 or 1.", "component", components
        )
        providers = {name: not each.status.is_bad for each in self._gateways() for name in each.names}
        yield _gauge(
            "reelwatch_provider_up",
            "Whether its gateway works, as far as known: 0 or 1.",
            "provider",
            providers,
        )
        yield _gauge(
            "reelwatch_loop_heartbeat_age_seconds",
            "Time since the loop began its last iteration.",
            "loop",
            self._telemetry.silences_s,
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
