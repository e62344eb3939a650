"""The page of /metrics."""

import asyncio
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.http.exposition import MetricsPage
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.models import DeliveryState, Stats, TaskStatus, WatchState
from storage.store import Store
from tests.fakes.clock import NOON, SteadyClock
from tests.fakes.requests import watch_request
from tests.unit.http.lost_store import LostStore


def report(status: GatewayStatus) -> GatewayReport:
    return GatewayReport(names=("veo", "wan"), host="gateway.example", status=status, since=NOON)


async def lines_of(page: MetricsPage) -> set[str]:
    return set((await page.render()).decode().splitlines())


async def test_the_page_has_the_stores_counts_with_zeros(store: Store):
    await store.add_watch(watch_request("t1"), at=NOON)

    lines = await lines_of(MetricsPage(store, Telemetry()))

    assert {
        'reelwatch_tasks{status="unknown"} 1.0',
        'reelwatch_tasks{status="failed"} 0.0',
        'reelwatch_watches{state="active"} 1.0',
        'reelwatch_deliveries{state="pending"} 1.0',
        'reelwatch_component_up{component="database"} 1.0',
    } <= lines


async def test_while_the_database_cannot_be_read_the_page_lacks_only_its_counts():
    telemetry = Telemetry()
    telemetry.metrics.updates.inc(3)

    page = (await MetricsPage(LostStore(), telemetry).render()).decode()

    assert "\nreelwatch_updates_total 3.0\n" in page
    assert '\nreelwatch_component_up{component="database"} 0.0\n' in page
    assert "reelwatch_tasks" not in page


async def test_a_component_with_a_problem_is_not_up(store: Store):
    telemetry = Telemetry()
    telemetry.set_problem("telegram", "403 page about /bot1234567:hunter2/getMe")

    lines = await lines_of(MetricsPage(store, telemetry))

    assert 'reelwatch_component_up{component="telegram"} 0.0' in lines
    assert 'reelwatch_component_up{component="polling"} 1.0' in lines
    assert not [line for line in lines if "hunter2" in line]


@pytest.mark.parametrize(("status", "is_up"), [(GatewayStatus.KEY, 0), (GatewayStatus.UP, 1)])
async def test_a_provider_is_up_unless_its_gateway_is_known_to_fail(
    store: Store, status: GatewayStatus, is_up: int
):
    lines = await lines_of(MetricsPage(store, Telemetry(), lambda: [report(status)]))

    assert {f'reelwatch_provider_up{{provider="{name}"}} {is_up}.0' for name in ("veo", "wan")} <= lines


async def test_the_page_tells_how_long_ago_each_loop_had_its_last_heartbeat(store: Store):
    clock = SteadyClock()
    telemetry = Telemetry(clock=clock)
    telemetry.beat("polling")
    clock.advance(7)

    lines = await lines_of(MetricsPage(store, telemetry))

    assert 'reelwatch_loop_heartbeat_age_seconds{loop="polling"} 7.0' in lines


LABELS = {"provider", "outcome", "cause", "kind", "status", "state", "component", "loop", "le", "version"}


class CountingStore(LostStore):
    """Counts the calls of stats(), which give way to other tasks."""

    calls = 0

    async def stats(self) -> Stats:
        self.calls += 1
        await asyncio.sleep(0)
        return Stats(
            tasks=dict.fromkeys(TaskStatus, 0),
            watches=dict.fromkeys(WatchState, 0),
            deliveries=dict.fromkeys(DeliveryState, 0),
        )


async def test_many_scrapes_within_a_second_share_one_page():
    clock, store = SteadyClock(), CountingStore()
    page = MetricsPage(store, Telemetry(clock=clock))

    pages = await asyncio.gather(*(page.render() for _ in range(50)))
    clock.advance(0.9)
    assert {*pages, await page.render()} == {pages[0]}
    assert store.calls == 1

    clock.advance(0.2)
    await page.render()
    assert store.calls == 2


async def test_every_metric_of_ours_keeps_to_the_conventions_of_prometheus(store: Store):
    """What `promtool check metrics` checks, and that no label is unbounded."""
    telemetry = Telemetry()
    telemetry.metrics.polls_of("wan")
    telemetry.beat("polling")
    page = (await MetricsPage(store, telemetry, lambda: [report(GatewayStatus.UP)]).render()).decode()

    families = [each for each in text_string_to_metric_families(page) if each.name.startswith("reelwatch_")]

    assert len(families) >= 15
    for family in families:
        assert re.fullmatch(r"reelwatch_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        assert family.type in {"counter", "gauge", "histogram"}
        assert family.type != "histogram" or family.name.endswith("_seconds")
        assert not re.search(r"_(created|milliseconds|minutes|count|sum|bucket)$", family.name)
        is_total = f"# TYPE {family.name}_total counter" in page
        assert is_total == (family.type == "counter")
        assert {name for sample in family.samples for name in sample.labels} <= LABELS
    assert len(page.encode()) < 30_000
