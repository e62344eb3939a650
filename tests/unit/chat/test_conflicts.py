"""Polls that end each other."""

import pytest
from telegram.error import Conflict

from bot.chat.conflicts import PATIENCE_S, Conflicts
from bot.sandbox.telegram.api_errors import error_response
from storage.errors import LeadershipLost
from storage.leadership import Term
from tests.fakes.clock import SteadyClock
from tests.fakes.leadership import FakeLeadership
from tests.unit.chat.update_harness import ANNA, UpdateHarness, running

OTHER_POLL = Conflict("Conflict: terminated by other getUpdates request")


def is_of_leader(conflicts: Conflicts, conflict: Conflict = OTHER_POLL) -> bool:
    conflicts.judge(conflict)
    return conflicts.is_of_leader


def test_conflicts_of_half_a_minute_are_another_bots():
    clock = SteadyClock()
    conflicts = Conflicts(is_shared=True, clock=clock)
    judged = []
    for _ in range(11):
        judged.append(is_of_leader(conflicts))
        clock.advance(PATIENCE_S / 10)

    assert judged == [True] * 10 + [False]


def test_conflicts_far_apart_are_of_different_takeovers():
    clock = SteadyClock()
    conflicts = Conflicts(is_shared=True, clock=clock)
    for _ in range(3):
        assert is_of_leader(conflicts)
        clock.advance(PATIENCE_S + 1)


def test_without_other_processes_or_with_a_webhook_no_conflict_is_a_leaders():
    webhook = Conflict("Conflict: can't use getUpdates method while webhook is active")

    assert not is_of_leader(Conflicts(is_shared=False))
    assert not is_of_leader(Conflicts(is_shared=True), webhook)


async def test_the_poll_of_the_last_leader_is_no_second_bot(update_harness: UpdateHarness):
    conflict = error_response(409, "Conflict: terminated by other getUpdates request")
    update_harness.telegram.fail("getUpdates", conflict, times=3)

    async with running(update_harness.update_poller(term=Term(FakeLeadership(is_held=True)))):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")

    assert update_harness.slept_s[:3] == [1.0] * 3
    assert update_harness.telemetry.problems == {}


async def test_a_process_that_does_not_lead_fetches_and_confirms_nothing(update_harness: UpdateHarness):
    leadership = FakeLeadership(is_held=True)
    update_poller = update_harness.update_poller(term=Term(leadership))
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")
    leadership.is_held = False
    count = len(update_harness.polls_sent)

    await update_poller.stop(5)
    with pytest.raises(LeadershipLost):
        await update_poller.run()

    assert len(update_harness.polls_sent) == count
