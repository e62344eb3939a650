"""Standing by, leading, and the loss of the leadership."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator

import pytest

from bot.telemetry import STANDING_BY, Telemetry
from bot.terms import EXIT_AFTER_LOSS, Terms
from storage.errors import StoreFromFuture, StoreUnavailable
from storage.leadership import SoleLeadership, Term
from tests.fakes.leadership import LOST, FakeLeadership, replica


class Process:
    """A process whose work records how it ends."""

    def __init__(self) -> None:
        self.leadership = FakeLeadership()
        self.telemetry = Telemetry()
        self.stop = asyncio.Event()
        self.begun: asyncio.Queue[Term] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.error: Exception | None = None
        self.exits: list[int] = []
        self.has_exited = threading.Event()
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.terms = Terms(
            self.leadership, self.telemetry, loss_s=0.01, quiet_s=0.01, pause_s=0.0, exit_process=self._exit
        )

    async def lead(self, term: Term) -> None:
        """Work until the stop."""
        self.telemetry.beat("polling")
        self.begun.put_nowait(term)
        if self.error:
            raise self.error
        try:
            await self.stop.wait()
            self.ended.put_nowait("stopped")
        except asyncio.CancelledError:
            self.ended.put_nowait("acting" if term.is_on else "lost")
            await self.hangs.wait()
            raise

    def _exit(self, status: int) -> None:
        self.exits.append(status)
        self.has_exited.set()


@pytest.fixture
def process() -> Process:
    return Process()


@contextlib.asynccontextmanager
async def running(process: Process) -> AsyncIterator[asyncio.Task[None]]:
    """The terms of a process, stopped at the end."""
    task = asyncio.create_task(process.terms.run(process.lead, process.stop))
    try:
        async with asyncio.timeout(30):
            yield task
            process.stop.set()
            await task
    finally:
        task.cancel()


async def test_without_other_processes_there_is_one_term_whose_errors_end_the_process(process: Process):
    process.error = StoreUnavailable("The disk is gone.")
    with pytest.raises(StoreUnavailable):
        await Terms(SoleLeadership(), process.telemetry).run(process.lead, process.stop)

    assert process.begun.qsize() == 1


async def test_a_process_leads_once_the_leadership_is_granted_and_resigns_at_the_end(process: Process):
    async with running(process):
        assert process.begun.empty()
        process.leadership.grant()
        term = await process.begun.get()
        assert term.is_on

    assert process.ended.get_nowait() == "stopped"
    assert process.leadership.resigned == 1


async def test_a_process_that_stands_by_ends_at_once(process: Process):
    async with running(process):
        pass

    assert process.begun.empty()


async def test_after_a_loss_the_same_process_stands_by_and_leads_again(
    process: Process, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.terms")
    process.leadership.known = [replica("host:7", is_leader=True)]
    async with running(process):
        process.leadership.grant()
        first = await process.begun.get()
        process.leadership.take_away()
        assert await process.ended.get() == "lost"

        process.leadership.took_over_from = "host:7"
        await process.leadership.was_asked.wait()
        process.leadership.grant()
        second = await process.begun.get()
        assert (first.is_on, second.is_on) == (False, True)

    assert [record.message for record in caplog.records] == [
        "This process leads now (epoch 1).",
        f"The leadership is lost, so all work of this process ends: {LOST}",
        "Standing by: host:7 leads.",
        "This process leads now (epoch 2), as the lease of host:7 ran out.",
    ]
    assert process.exits == []


async def test_a_term_that_the_database_ends_is_no_error_of_the_process(process: Process):
    process.error = StoreUnavailable("The server is gone.")
    async with running(process):
        process.leadership.grant()
        term = await process.begun.get()
        process.leadership.grant()
        await process.begun.get()
        assert not term.is_on


async def test_a_bug_ends_the_process_and_its_lease(process: Process):
    process.error = ValueError("a bug")
    process.leadership.grant()
    with pytest.raises(ValueError, match="a bug"):
        await process.terms.run(process.lead, process.stop)

    assert process.leadership.resigned == 1


async def test_a_bug_while_the_leadership_is_lost_is_not_hidden(process: Process):
    async def lead(term: Term) -> None:
        try:
            await process.lead(term)
        finally:
            raise ValueError("a bug")

    task = asyncio.create_task(process.terms.run(lead, process.stop))
    process.leadership.grant()
    await process.begun.get()
    process.leadership.take_away()
    with pytest.raises(ValueError, match="a bug"):
        await task


async def test_what_no_wait_changes_ends_a_process_that_stands_by(process: Process):
    class Newer(FakeLeadership):
        async def acquire(self, report: object = None, beat: object = None) -> None:
            raise StoreFromFuture("Made by a newer version.")

    with pytest.raises(StoreFromFuture):
        await Terms(Newer(), process.telemetry).run(process.lead, process.stop)


async def test_an_attempt_to_lead_is_a_heartbeat_until_this_process_leads(process: Process):
    async with running(process):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert process.telemetry.silences_s.keys() == {STANDING_BY}
        process.leadership.grant()
        await process.begun.get()
        assert process.telemetry.silences_s.keys() == {"polling"}


async def test_the_loops_of_a_lost_term_are_not_watched_any_more(process: Process):
    async with running(process):
        process.leadership.grant()
        await process.begun.get()
        process.telemetry.beat("reports")
        process.telemetry.set_problem("polling", "The server is gone.")
        process.leadership.take_away()
        await process.ended.get()
        process.leadership.grant()
        await process.begun.get()
        assert process.telemetry.silences_s.keys() == {"polling"}
        assert process.telemetry.problems == {}


async def test_a_lost_term_that_does_not_end_ends_the_process(
    process: Process, caplog: pytest.LogCaptureFixture
):
    process.hangs.clear()
    async with running(process):
        process.leadership.grant()
        await process.begun.get()
        process.leadership.take_away()
        await process.ended.get()
        assert await asyncio.to_thread(process.has_exited.wait, 10)
        assert process.exits == [EXIT_AFTER_LOSS]
        assert "has not ended" in caplog.text
        process.hangs.set()


async def test_an_event_loop_that_hangs_beyond_its_term_ends_the_process(process: Process):
    async with running(process):
        process.leadership.grant()
        await process.begun.get()
        process.leadership.is_held = False  # as time passes
        assert process.has_exited.wait(10)  # the loop hangs here
        process.leadership.take_away()


async def test_the_database_that_goes_away_and_comes_back_is_two_lines(
    process: Process, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.terms")
    async with running(process):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        process.leadership.report("The database db cannot be reached.")
        assert "database" in process.telemetry.problems
        process.leadership.report(None)
        assert process.telemetry.problems == {}

    assert [record.message for record in caplog.records] == [
        "The database is away; trying again: The database db cannot be reached.",
        "The database is back after 0 s.",
    ]
