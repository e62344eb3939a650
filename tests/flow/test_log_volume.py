"""How many lines the log has at INFO, in simulated time.

A day of 500 tasks has about 1,000 lines, one for each command and one for each end, and at most 24 of
maintenance; an outage of an hour has a few, however many tasks wait. The tests of the audit count those of
commands.
"""

import logging
from collections.abc import Callable, Iterator

import pytest

from bot.log_repeats import RepeatLimit
from bot.sandbox.faults import LOST_RESPONSE
from storage.models import Cause, TaskError, TaskStatus
from tests.fakes.clock import FrozenClock
from tests.fakes.store import BrittleStore
from tests.flow.delivery_harness import ANNA, BEN, FORUM, GROUP, DeliveryHarness
from tests.flow.polling_harness import PollingHarness, gateway, key, watch
from tests.unit.watching.tasks import AWAY, ODD, snapshot

SAMPLE = 40  # tasks
LINES_OF_AN_OUTAGE = 20
HOUR_S = 3600.0

RUNNING = snapshot(progress=10.0)
SUCCEEDED = snapshot(TaskStatus.SUCCEEDED)
FAILED = snapshot(TaskStatus.FAILED, error=TaskError(message="no", cause=Cause.MODERATION))


class Lines(logging.Handler):
    """The lines that the program would write at INFO."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """now_s: seconds of the simulated clock."""
        super().__init__(logging.INFO)
        self.addFilter(RepeatLimit(clock=now_s))
        self.events: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the event; a line of a library has none."""
        self.events.append(getattr(record, "event", record.name))


@pytest.fixture
def begin(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[FrozenClock], Lines]]:
    """Begins to collect the lines."""
    caplog.set_level(logging.INFO, logger="bot")
    attached: list[Lines] = []

    def attach(clock: FrozenClock) -> Lines:
        lines = Lines(lambda: clock().timestamp())
        logging.getLogger().addHandler(lines)
        attached.append(lines)
        return lines

    yield attach
    for lines in attached:
        logging.getLogger().removeHandler(lines)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


async def test_the_polls_of_a_day_have_a_line_for_each_failure(
    store: BrittleStore, clock: FrozenClock, begin: Callable[[FrozenClock], Lines]
):
    ids = [f"t{number}" for number in range(SAMPLE)]
    steps = (RUNNING, snapshot(progress=30.0), ODD, snapshot(progress=60.0))
    wan = gateway("wan", **{name: (*steps, SUCCEEDED) for name in ids} | {"t0": (*steps, FAILED)})
    await watch(store, *ids)
    work = PollingHarness(store, [key(wan)], clock=clock)
    lines = begin(clock)

    async with work.running():
        while len(wan.polled) < (len(steps) + 1) * SAMPLE:
            await work.advance(30.0)

    assert lines.events == ["failed"]


async def test_a_task_has_one_line_when_its_video_arrives(
    harness: DeliveryHarness, begin: Callable[[FrozenClock], Lines]
):
    lines = begin(harness.clock)

    for chat in (ANNA, BEN, GROUP, FORUM):
        await harness.deliver(harness.task(), chat)
        await harness.deliver(harness.task(fails="moderation"), chat)

    assert lines.events == ["delivered"] * 4


async def test_a_gateway_that_is_away_for_an_hour_has_two_lines(
    store: BrittleStore, clock: FrozenClock, begin: Callable[[FrozenClock], Lines]
):
    ids = [f"t{number}" for number in range(SAMPLE)]
    await watch(store, *ids)
    wan = gateway("wan", **dict.fromkeys(ids, (RUNNING,)))
    work = PollingHarness(store, [key(wan)], clock=clock)
    lines = begin(clock)

    async with work.running():
        for index, script in enumerate(wan.results.values()):
            script[:] = [AWAY, ODD] * 500 if index % 2 else [AWAY]
        await work.advance_in_steps(HOUR_S, step_s=20.0)
        for script in wan.results.values():
            script[:] = [RUNNING]
        await work.advance_in_steps(400.0, step_s=20.0)

    assert lines.events[0] == "gateway_down"
    assert lines.events[-1] == "gateway_up"
    assert len(lines.events) <= 3  # it shows itself in two ways


async def test_a_gateway_that_comes_and_goes_does_not_fill_the_log(
    store: BrittleStore, clock: FrozenClock, begin: Callable[[FrozenClock], Lines]
):
    await watch(store, "t1", "t2", "t3")
    wan = gateway("wan", **dict.fromkeys(("t1", "t2", "t3"), (RUNNING,)))
    work = PollingHarness(store, [key(wan)], clock=clock)
    lines, downs = begin(clock), 0

    async with work.running():
        for _ in range(int(HOUR_S / 120)):
            for response in (AWAY, RUNNING):
                for script in wan.results.values():
                    script[:] = [response]
                await work.advance_in_steps(60.0, step_s=10.0)
                downs += work.states.problem_of("wan") is not None

    assert downs > 10
    assert 2 < len(lines.events) < LINES_OF_AN_OUTAGE


async def test_telegram_away_for_an_hour_has_two_lines(
    harness: DeliveryHarness, begin: Callable[[FrozenClock], Lines]
):
    for chat in (ANNA, BEN, GROUP):
        for _ in range(5):
            await harness.watch(harness.task(), chat)
    await harness.idle()
    harness.telegram.fail("*", LOST_RESPONSE, times=None)
    lines = begin(harness.clock)
    await harness.poll()

    for _ in range(60):
        probes = len(harness.calls("getMe"))
        harness.clock.advance(HOUR_S / 60)
        await harness.until(lambda: len(harness.calls("getMe")) > probes)  # noqa: B023 - called before it changes

    assert lines.events == ["telegram_down"]
    harness.telegram.clear_faults()
    await harness.until(lambda: "telegram_up" in lines.events)
    assert lines.events.count("telegram_up") == 1


async def test_a_full_disk_for_an_hour_has_two_lines_of_polling(
    store: BrittleStore, clock: FrozenClock, begin: Callable[[FrozenClock], Lines]
):
    ids = [f"t{number}" for number in range(SAMPLE)]
    await watch(store, *ids)
    work = PollingHarness(
        store, [key(gateway("wan", **dict.fromkeys(ids, (RUNNING, SUCCEEDED))))], clock=clock
    )
    lines = begin(clock)

    async with work.running():
        store.broken = True
        await work.advance_in_steps(HOUR_S, step_s=20.0)
        store.broken = False
        await work.advance_in_steps(40.0, step_s=5.0)

    assert lines.events == ["polling_paused", "polling_resumed"]
