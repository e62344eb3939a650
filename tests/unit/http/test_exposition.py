"""The page of /metrics."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.health.store_check import DatabaseState
from bot.http.disk import Disk, DiskUse
from bot.http.exposition import MetricsPage
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.figures import Figures, Stats
from storage.models import DeliveryState, TaskStatus
from storage.store import Store
from storage.watches import WatchState
from tests.fakes.clock import NOON, SteadyClock
from tests.fakes.leadership import FakeLeadership
from tests.fakes.requests import watch_request
from tests.unit.http.lost_store import LostStore, sources


def report(status: GatewayStatus) -> GatewayReport:
    return GatewayReport(names=("veo", "wan"), host="gateway.example", status=status, since=NOON)


async def lines_of(page: MetricsPage) -> set[str]:
    return set((await page.render()).decode().splitlines())


async def test_the_page_has_the_stores_counts_with_zeros(store: Store):
    await store.add_watch(watch_request("t1"), at=NOON)

    lines = await lines_of(MetricsPage(sources(store), Telemetry()))

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

    page = (await MetricsPage(sources(LostStore()), telemetry).render()).decode()

    assert "\nreelwatch_updates_total 3.0\n" in page
    assert '\nreelwatch_component_up{component="database"} 0.0\n' in page
    assert "reelwatch_tasks" not in page


async def test_a_database_that_takes_no_writes_is_not_up_though_its_counts_are_shown(store: Store):
    page = MetricsPage(sources(store, database=DatabaseState.HUNG), Telemetry())

    lines = await lines_of(page)

    assert 'reelwatch_component_up{component="database"} 0.0' in lines
    assert 'reelwatch_tasks{status="unknown"} 0.0' in lines


async def test_a_component_with_a_problem_is_not_up(store: Store):
    telemetry = Telemetry()
    telemetry.set_problem("telegram", "403 page about /bot1234567:hunter2/getMe")

    lines = await lines_of(MetricsPage(sources(store), telemetry))

    assert 'reelwatch_component_up{component="telegram"} 0.0' in lines
    assert 'reelwatch_component_up{component="polling"} 1.0' in lines
    assert not [line for line in lines if "hunter2" in line]


@pytest.mark.parametrize(("status", "is_up"), [(GatewayStatus.KEY, 0), (GatewayStatus.UP, 1)])
async def test_a_provider_is_up_unless_its_gateway_is_known_to_fail(
    store: Store, status: GatewayStatus, is_up: int
):
    lines = await lines_of(MetricsPage(sources(store), Telemetry(), lambda: [report(status)]))

    assert {f'reelwatch_provider_up{{provider="{name}"}} {is_up}.0' for name in ("veo", "wan")} <= lines


async def test_the_page_tells_how_long_ago_each_loop_had_its_last_heartbeat(store: Store):
    clock = SteadyClock()
    telemetry = Telemetry(clock=clock)
    telemetry.beat("polling")
    clock.advance(7)

    lines = await lines_of(MetricsPage(sources(store), telemetry))

    assert 'reelwatch_loop_heartbeat_age_seconds{loop="polling"} 7.0' in lines


async def test_a_provider_has_one_state(store: Store):
    page = MetricsPage(sources(store), Telemetry(), lambda: [report(GatewayStatus.QUOTA)])

    states = {line for line in await lines_of(page) if line.startswith("reelwatch_provider_status{")}

    assert len(states) == 2 * len(GatewayStatus)
    assert {line for line in states if line.endswith(" 1.0")} == {
        f'reelwatch_provider_status{{provider="{name}",status="quota"}} 1.0' for name in ("veo", "wan")
    }


async def test_the_age_of_the_oldest_delivery_is_shown_by_priority(store: Store):
    await store.add_watch(watch_request("t1"), at=NOON)
    await store.add_watch(watch_request("t2"), at=NOON + timedelta(seconds=10))
    later = NOON + timedelta(seconds=700)

    lines = await lines_of(MetricsPage(sources(store), Telemetry(), clock=lambda: later))

    assert {
        'reelwatch_oldest_delivery_age_seconds{priority="first_card"} 700.0',
        'reelwatch_oldest_delivery_age_seconds{priority="video"} 0.0',
        "reelwatch_open_lookups 0.0",
    } <= lines


async def test_the_page_shows_what_the_disk_holds(store: Store, tmp_path: Path):
    (tmp_path / "downloads" / "task").mkdir(parents=True)
    (tmp_path / "downloads" / "task" / "video.mp4").write_bytes(bytes(1000))

    page = (await MetricsPage(sources(store), Telemetry()).render()).decode()

    assert "\nreelwatch_downloads_folder_bytes 1000.0\n" in page
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels in ({}, {"folder": "database"})
    }
    assert values["reelwatch_database_bytes"] > 100_000
    assert 0 < values["reelwatch_disk_free_bytes"] < values["reelwatch_disk_size_bytes"]


class HungStore(LostStore):
    """A store whose disk does not respond."""

    calls = 0

    async def figures(self) -> Figures:
        self.calls += 1
        await asyncio.Event().wait()
        raise AssertionError


class HungDisk(Disk):
    """A disk that does not respond until it is released."""

    def __init__(self) -> None:
        super().__init__(Path(), {})
        self.released, self.calls = threading.Event(), 0

    def measure(self) -> DiskUse:
        self.calls += 1
        self.released.wait()
        return super().measure()


async def test_a_disk_that_hangs_delays_the_page_by_a_bounded_time_and_is_not_asked_again():
    clock, hung_store, disk = SteadyClock(), HungStore(), HungDisk()
    page = MetricsPage(sources(hung_store, disk), Telemetry(clock=clock))

    async with asyncio.timeout(30):
        first = (await page.render()).decode()
        clock.advance(2)
        second = (await page.render()).decode()

    for text in (first, second):
        assert '\nreelwatch_component_up{component="database"} 0.0\n' in text
        assert "\nreelwatch_updates_total 0.0\n" in text
        assert "_disk_" not in text
    assert (hung_store.calls, disk.calls) == (1, 1)
    disk.released.set()


class CountingStore(LostStore):
    """Counts the calls of figures(), which give way to other tasks."""

    calls = 0

    async def figures(self) -> Figures:
        self.calls += 1
        await asyncio.sleep(0)
        stats = Stats(
            tasks=dict.fromkeys(TaskStatus, 0),
            watches=dict.fromkeys(WatchState, 0),
            deliveries=dict.fromkeys(DeliveryState, 0),
        )
        return Figures(stats=stats, waiting_since={}, open_lookups=0, bytes=0)


async def test_many_scrapes_within_a_second_share_one_page():
    clock, store = SteadyClock(), CountingStore()
    page = MetricsPage(sources(store), Telemetry(clock=clock))

    pages = await asyncio.gather(*(page.render() for _ in range(50)))
    clock.advance(0.9)
    assert {*pages, await page.render()} == {pages[0]}
    assert store.calls == 1

    clock.advance(0.2)
    await page.render()
    assert store.calls == 2


async def test_the_page_says_whether_the_process_leads_and_leaves_the_database_to_the_leader(store: Store):
    leadership = FakeLeadership(epoch=7, is_held=True)
    clock = SteadyClock()
    page = MetricsPage(sources(store, leadership=leadership), Telemetry(clock=clock))
    assert {
        "reelwatch_leader 1.0",
        "reelwatch_leader_epoch 7.0",
        "reelwatch_database_round_trip_seconds 0.0004",
        'reelwatch_tasks{status="unknown"} 0.0',
    } <= await lines_of(page)

    leadership.is_held = False
    clock.advance(2)
    text = (await page.render()).decode()

    assert "\nreelwatch_leader 0.0\n" in text
    assert "reelwatch_tasks{" not in text
    assert 'reelwatch_component_up{component="database"} 1.0' in text


async def test_a_process_that_is_alone_says_nothing_of_leaders(store: Store):
    assert "reelwatch_leader" not in (await MetricsPage(sources(store), Telemetry()).render()).decode()
