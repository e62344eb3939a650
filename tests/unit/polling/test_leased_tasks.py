"""The tasks in memory."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.forecast.estimates import Estimates
from bot.forecast.prediction import EndPrediction, predict
from bot.polling.leased_tasks import KeyGroup, LeasedTasks
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import RateLimited
from storage.models import Cause, Stall, Task, TaskRef
from tests.fakes.clock import NOON
from tests.fakes.provider import ScriptedProvider
from tests.unit.polling.exchanges import exchange
from tests.unit.watching.tasks import AWAY, task


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def leased(task_id: int = 1, *, due_s: float | None = 0.0, provider: str = "wan", **fields: Any) -> Task:
    """A claimed task whose next poll is so long after NOON."""
    return replace(
        task(last_poll_at=NOON),
        id=task_id,
        ref=TaskRef(provider=provider, external_id=f"t{task_id}"),
        next_poll_at=None if due_s is None else later(due_s),
        lease_until=later(180),
        version=1,
        **fields,
    )


def plain_prediction(known: Task) -> EndPrediction:
    return predict(known, known, Estimates())


def group(*names: str) -> KeyGroup:
    return KeyGroup(
        providers={name: ScriptedProvider({}, name=name) for name in names}, limiter=AdaptiveRateLimiter(10)
    )


@pytest.fixture
def leased_tasks() -> LeasedTasks:
    return LeasedTasks([group("wan", "wan2"), group("veo")], plain_prediction)


def due(leased_tasks: LeasedTasks, *, at_s: float = 0.0, limit: int = 99) -> list[list[int]]:
    """Take the due tasks of each key."""
    return [queue.pop_due(limit, now=later(at_s).timestamp()) for _, queue in leased_tasks.queues]


def test_providers_with_one_key_share_a_queue(leased_tasks: LeasedTasks):
    for task_id, provider in enumerate(("wan", "wan2", "veo")):
        leased_tasks.add(leased(task_id, provider=provider))

    assert due(leased_tasks) == [[0, 1], [2]]


def test_a_task_is_due_at_its_next_poll(leased_tasks: LeasedTasks):
    leased_tasks.add(leased(due_s=10))

    assert due(leased_tasks, at_s=9.9) == [[], []]
    assert due(leased_tasks, at_s=10) == [[1], []]


def test_a_task_without_a_next_poll_is_removed(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    leased_tasks.add(leased(due_s=None))

    assert len(leased_tasks) == 0
    assert due(leased_tasks) == [[], []]


def test_a_finished_poll_requeues_the_task(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    due(leased_tasks)
    seen = replace(leased_tasks.start(1), failures=1)
    assert due(leased_tasks, at_s=999) == [[], []]

    leased_tasks.finish(replace(seen, next_poll_at=later(20)), plain_prediction(seen))

    assert due(leased_tasks, at_s=19) == [[], []]
    assert due(leased_tasks, at_s=20) == [[1], []]
    (held,) = leased_tasks.tasks()
    assert (held.failures, held.next_poll_at) == (1, later(20))


def test_a_final_task_is_removed(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    due(leased_tasks)

    over = replace(leased_tasks.start(1), next_poll_at=None)
    leased_tasks.finish(over, plain_prediction(over))

    assert len(leased_tasks) == 0


def test_a_task_that_was_removed_during_its_poll_is_not_requeued(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    due(leased_tasks)
    seen = leased_tasks.start(1)
    leased_tasks.on_user_request(leased(due_s=None), at=NOON)

    leased_tasks.finish(replace(seen, next_poll_at=later(20)), plain_prediction(seen))

    assert len(leased_tasks) == 0
    assert due(leased_tasks, at_s=20) == [[], []]


def test_a_user_request_makes_a_task_due_and_first(leased_tasks: LeasedTasks):
    leased_tasks.add(leased(1, due_s=-500))
    leased_tasks.add(leased(2, due_s=100))

    leased_tasks.on_user_request(leased(2, due_s=0), at=NOON)

    assert leased_tasks.is_awaited(2)
    assert due(leased_tasks, limit=1) == [[2], []]


def test_a_user_request_keeps_what_is_newer_in_memory(leased_tasks: LeasedTasks):
    seen = leased(due_s=100, failures=2, chat_active_watches=7)
    leased_tasks.add(seen)

    leased_tasks.on_user_request(leased(due_s=0), at=NOON)

    assert leased_tasks.tasks() == [replace(seen, next_poll_at=NOON)]


def test_a_removed_task_is_added_again_by_a_user_request(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    leased_tasks.on_user_request(leased(due_s=None), at=NOON)

    leased_tasks.on_user_request(leased(due_s=0), at=NOON)

    assert due(leased_tasks) == [[1], []]
    assert leased_tasks.is_awaited(1)


def test_a_removed_task_is_not_polled(leased_tasks: LeasedTasks):
    leased_tasks.add(leased(1))
    leased_tasks.add(leased(2))

    leased_tasks.on_user_request(leased(1, due_s=None), at=NOON)
    leased_tasks.discard(99)

    assert due(leased_tasks) == [[2], []]
    assert [held.id for held in leased_tasks.tasks()] == [2]


@pytest.mark.parametrize(("asked_s", "is_awaited"), [(-1, False), (0, False), (1, True)])
def test_a_stored_poll_serves_requests_from_before_the_response(
    leased_tasks: LeasedTasks, asked_s: float, is_awaited: bool
):
    leased_tasks.add(leased())
    due(leased_tasks)
    seen = leased_tasks.start(1)
    leased_tasks.on_user_request(leased(), at=later(asked_s))
    assert due(leased_tasks) == [[], []], "a second poll beside the first"

    leased_tasks.mark_served(replace(seen, last_poll_at=NOON))

    assert leased_tasks.is_awaited(1) is is_awaited


def test_a_request_survives_a_new_lease_and_another_poll(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    leased_tasks.on_user_request(leased(), at=later(1))

    leased_tasks.add(leased(due_s=3))
    leased_tasks.finish(leased(due_s=4), plain_prediction(leased()))

    assert leased_tasks.is_awaited(1)


def test_a_task_polled_later_than_now_is_due_now(leased_tasks: LeasedTasks):
    before, after = leased(1, due_s=60), replace(leased(2, due_s=60), last_poll_at=later(3))
    leased_tasks.add(before)
    leased_tasks.add(after)

    leased_tasks.on_clock_set_back(later(1))

    assert due(leased_tasks, at_s=1) == [[2], []]
    assert leased_tasks.start(2).next_poll_at == later(1)


def test_a_task_that_was_seen_later_than_now_does_not_rank_last_until_then(leased_tasks: LeasedTasks):
    now = later(-8 * 3600)
    leased_tasks.add(replace(leased(1, chat_active_watches=4), snapshot_at=NOON))

    leased_tasks.on_clock_set_back(now)
    other = leased(2, chat_active_watches=5)
    leased_tasks.add(replace(other, registered_at=now, snapshot_at=now, next_poll_at=now))

    assert due(leased_tasks, at_s=60 - 8 * 3600, limit=1) == [[1], []]


def test_a_poll_in_flight_is_not_repeated_when_the_clock_is_set_back(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    due(leased_tasks)
    leased_tasks.start(1)

    leased_tasks.on_clock_set_back(later(-600))

    assert due(leased_tasks) == [[], []]


def test_a_request_later_than_now_is_served_by_the_next_poll(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    leased_tasks.on_user_request(leased(), at=later(9))
    leased_tasks.on_clock_set_back(NOON)

    leased_tasks.mark_served(replace(leased(), last_poll_at=NOON))

    assert not leased_tasks.is_awaited(1)


def test_an_unknown_task_is_not_awaited(leased_tasks: LeasedTasks):
    leased_tasks.mark_served(leased())
    assert not leased_tasks.is_awaited(1)


def test_renewed_leases_are_updated_and_lost_ones_removed(leased_tasks: LeasedTasks):
    for task_id in (1, 2):
        leased_tasks.add(leased(task_id))

    leased_tasks.on_renewed(leased_tasks.tasks(), {1: 1}, until=later(500))

    assert [(kept.id, kept.lease_until) for kept in leased_tasks.tasks()] == [(1, later(500))]
    assert due(leased_tasks) == [[1], []]


def test_a_renewal_updates_the_watch_count_that_ranks_a_task(leased_tasks: LeasedTasks):
    for task_id in (1, 2):
        leased_tasks.add(leased(task_id, chat_active_watches=10))

    leased_tasks.on_renewed(leased_tasks.tasks(), {1: 10, 2: 1}, until=later(500))

    assert due(leased_tasks, at_s=60, limit=1) == [[2], []]


def test_a_lease_lost_during_a_poll_is_removed_after_the_poll(leased_tasks: LeasedTasks):
    leased_tasks.add(leased())
    due(leased_tasks)
    seen = leased_tasks.start(1)

    leased_tasks.on_renewed([seen], {}, until=later(500))
    leased_tasks.finish(replace(seen, next_poll_at=later(20)), plain_prediction(seen))
    assert len(leased_tasks) == 1

    leased_tasks.on_renewed(leased_tasks.tasks(), {}, until=later(500))
    assert len(leased_tasks) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda leased_tasks: leased_tasks.add(replace(leased(), version=2)),
        lambda leased_tasks: leased_tasks.discard(1),
    ],
    ids=["written", "let go"],
)
def test_a_renewal_ignores_tasks_that_have_changed_meanwhile(
    leased_tasks: LeasedTasks, change: Callable[[LeasedTasks], None]
):
    leased_tasks.add(leased())
    renewing = leased_tasks.tasks()
    change(leased_tasks)
    known = leased_tasks.tasks()

    leased_tasks.on_renewed(renewing, {}, until=later(500))

    assert leased_tasks.tasks() == known


def test_of_tasks_that_are_as_old_the_one_from_the_less_busy_chat_is_first(leased_tasks: LeasedTasks):
    leased_tasks.add(leased(1, chat_active_watches=5000))
    leased_tasks.add(leased(2, chat_active_watches=1))

    assert due(leased_tasks, at_s=60, limit=1) == [[2], []]


def test_a_task_that_keeps_failing_does_not_rank_before_one_that_succeeds(
    leased_tasks: LeasedTasks,
):
    failing = replace(
        leased(1, failures=6), snapshot=None, registered_at=later(-7200), last_poll_at=later(40)
    )
    leased_tasks.add(failing)
    leased_tasks.add(replace(leased(2), snapshot_at=later(40)))

    assert due(leased_tasks, at_s=60, limit=1) == [[2], []]


def test_a_task_that_was_freed_is_due_and_ranks_as_if_it_had_not_failed(leased_tasks: LeasedTasks):
    leased_tasks.add(
        replace(leased(1, due_s=120, failures=6), snapshot_at=later(-600), last_poll_at=later(40))
    )
    leased_tasks.add(replace(leased(2), snapshot_at=later(0)))

    leased_tasks.make_due({1, 99}, at=later(60))

    assert due(leased_tasks, at_s=60, limit=1) == [[1], []]


def test_the_limiter_forgets_a_task_that_was_removed_during_its_poll():
    held = group("wan")
    leased_tasks = LeasedTasks([held], plain_prediction)
    for task_id in range(3):
        leased_tasks.add(leased(task_id))
        held.limiter.on_request(0.0, task_id)
        leased_tasks.start(task_id)
        leased_tasks.discard(task_id)
        held.limiter.on_response(0.0, task_id, AWAY, requested_at=0.0)
        leased_tasks.finish(leased(task_id), plain_prediction(leased(task_id)))

    held.limiter.on_request(60.0, 9)
    assert not held.limiter.on_response(60.0, 9, None, requested_at=60.0)


def test_a_task_that_a_user_resumed_keeps_the_newer_stall(leased_tasks: LeasedTasks):
    known = leased(stall=Stall.UNCHANGED, unchanged_since=later(-300))
    leased_tasks.add(known)

    leased_tasks.on_user_request(replace(known, stall=Stall.MOVING, unchanged_since=later(-1)), at=later(0))
    (held,) = leased_tasks.tasks()
    assert (held.stall, held.unchanged_since) == (Stall.MOVING, later(-1))

    leased_tasks.on_user_request(known, at=later(0))
    (held,) = leased_tasks.tasks()
    assert (held.stall, held.unchanged_since) == (Stall.MOVING, later(-1))


def test_after_429s_in_a_row_the_one_poll_is_of_the_due_task_that_succeeded_longest_ago():
    key = group("wan")
    leased_tasks = LeasedTasks([key], plain_prediction)
    leased_tasks.add(leased(1, failures=1))
    leased_tasks.add(leased(2))
    leased_tasks.add(replace(leased(3), last_poll_at=later(-60)))
    leased_tasks.add(replace(leased(4, due_s=600), last_poll_at=later(-90)))
    for now in (0.0, 100.0):
        exchange(key.limiter, now, RateLimited("", cause=Cause.RATE_LIMITED), task=9)

    ((_, queue),) = leased_tasks.queues

    assert leased_tasks.next_polls(key, queue, now=200.0, wall=NOON.timestamp()) == [3]


def test_a_due_poll_that_is_not_in_flight_is_overdue(leased_tasks: LeasedTasks):
    for task_id, due_s in ((1, -30.0), (2, -5.0), (3, 5.0), (4, -90.0)):
        leased_tasks.add(leased(task_id, due_s=due_s, provider="veo" if task_id == 2 else "wan"))
    leased_tasks.start(4)

    assert leased_tasks.overdue_s(NOON) == {"wan": [30.0], "veo": [5.0]}
