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
from storage.models import Stall, Task, TaskRef
from tests.fakes.clock import NOON
from tests.fakes.provider import ScriptedProvider
from tests.unit.watching.tasks import AWAY, task


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def leased(task_id: int = 1, *, due_s: float | None = 0.0, provider: str = "wan", **fields: Any) -> Task:
    """A claimed task whose next look is so long after NOON."""
    return replace(
        task(last_poll_at=NOON),
        id=task_id,
        ref=TaskRef(provider=provider, external_id=f"t{task_id}"),
        next_poll_at=None if due_s is None else later(due_s),
        lease_until=later(180),
        version=1,
        **fields,
    )


def plain_outlook(known: Task) -> EndPrediction:
    return predict(known, known, Estimates())


def line(*names: str) -> KeyGroup:
    return KeyGroup(
        providers={name: ScriptedProvider({}, name=name) for name in names}, limiter=AdaptiveRateLimiter(10)
    )


@pytest.fixture
def book() -> LeasedTasks:
    return LeasedTasks([line("wan", "wan2"), line("veo")], plain_outlook)


def due(book: LeasedTasks, *, at_s: float = 0.0, limit: int = 99) -> list[list[int]]:
    """Take what each line has to look at then."""
    return [queue.pop_due(limit, now=later(at_s).timestamp()) for _, queue in book.queues]


def test_names_behind_one_key_share_an_agenda(book: LeasedTasks):
    for task_id, provider in enumerate(("wan", "wan2", "veo")):
        book.add(leased(task_id, provider=provider))

    assert due(book) == [[0, 1], [2]]


def test_a_task_is_due_at_its_next_look(book: LeasedTasks):
    book.add(leased(due_s=10))

    assert due(book, at_s=9.9) == [[], []]
    assert due(book, at_s=10) == [[1], []]


def test_a_task_without_a_next_look_is_let_go(book: LeasedTasks):
    book.add(leased())
    book.add(leased(due_s=None))

    assert len(book) == 0
    assert due(book) == [[], []]


def test_a_look_that_is_over_puts_the_task_on_the_agenda_again(book: LeasedTasks):
    book.add(leased())
    due(book)
    seen = replace(book.start(1), failures=1)
    assert due(book, at_s=999) == [[], []]

    book.finish(replace(seen, next_poll_at=later(20)), plain_outlook(seen))

    assert due(book, at_s=19) == [[], []]
    assert due(book, at_s=20) == [[1], []]
    (held,) = book.tasks()
    assert (held.failures, held.next_poll_at) == (1, later(20))


def test_a_look_at_a_final_task_lets_it_go(book: LeasedTasks):
    book.add(leased())
    due(book)

    over = replace(book.start(1), next_poll_at=None)
    book.finish(over, plain_outlook(over))

    assert len(book) == 0


def test_a_task_that_was_let_go_during_its_look_stays_away(book: LeasedTasks):
    book.add(leased())
    due(book)
    seen = book.start(1)
    book.on_user_request(leased(due_s=None), at=NOON)

    book.finish(replace(seen, next_poll_at=later(20)), plain_outlook(seen))

    assert len(book) == 0
    assert due(book, at_s=20) == [[], []]


def test_whoever_asks_gets_a_look_at_once_and_first(book: LeasedTasks):
    book.add(leased(1, due_s=-500))
    book.add(leased(2, due_s=100))

    book.on_user_request(leased(2, due_s=0), at=NOON)

    assert book.is_awaited(2)
    assert due(book, limit=1) == [[2], []]


def test_whoever_asks_does_not_take_back_what_was_seen_since_the_last_write(book: LeasedTasks):
    seen = leased(due_s=100, failures=2, chat_active_watches=7)
    book.add(seen)

    book.on_user_request(leased(due_s=0), at=NOON)

    assert book.tasks() == [replace(seen, next_poll_at=NOON)]


def test_a_task_that_was_let_go_is_held_again_when_people_want_it(book: LeasedTasks):
    book.add(leased())
    book.on_user_request(leased(due_s=None), at=NOON)

    book.on_user_request(leased(due_s=0), at=NOON)

    assert due(book) == [[1], []]
    assert book.is_awaited(1)


def test_a_task_that_was_let_go_is_not_looked_at(book: LeasedTasks):
    book.add(leased(1))
    book.add(leased(2))

    book.on_user_request(leased(1, due_s=None), at=NOON)
    book.discard(99)

    assert due(book) == [[2], []]
    assert [held.id for held in book.tasks()] == [2]


@pytest.mark.parametrize(("asked_s", "owed"), [(-1, False), (0, False), (1, True)])
def test_a_written_look_answers_those_who_asked_before_the_gateway_spoke(
    book: LeasedTasks, asked_s: float, owed: bool
):
    book.add(leased())
    due(book)
    seen = book.start(1)
    book.on_user_request(leased(), at=later(asked_s))
    assert due(book) == [[], []], "a second look beside the first"

    book.mark_served(replace(seen, last_poll_at=NOON))

    assert book.is_awaited(1) is owed


def test_who_waits_is_not_forgotten_with_a_new_lease_or_another_look(book: LeasedTasks):
    book.add(leased())
    book.on_user_request(leased(), at=later(1))

    book.add(leased(due_s=3))
    book.finish(leased(due_s=4), plain_outlook(leased()))

    assert book.is_awaited(1)


def test_what_was_looked_at_later_than_now_is_due_now_and_as_old_as_that(book: LeasedTasks):
    before, after = leased(1, due_s=60), replace(leased(2, due_s=60), last_poll_at=later(3))
    book.add(before)
    book.add(after)

    book.on_clock_set_back(later(1))

    assert due(book, at_s=1) == [[2], []]
    assert book.start(2).next_poll_at == later(1)


def test_a_task_that_was_seen_later_than_now_does_not_rank_last_until_then(book: LeasedTasks):
    now = later(-8 * 3600)
    book.add(replace(leased(1, chat_active_watches=4), snapshot_at=NOON))

    book.on_clock_set_back(now)
    other = leased(2, chat_active_watches=5)
    book.add(replace(other, registered_at=now, snapshot_at=now, next_poll_at=now))

    assert due(book, at_s=60 - 8 * 3600, limit=1) == [[1], []]


def test_a_look_that_is_under_way_is_not_begun_again_when_the_clock_is_set_back(book: LeasedTasks):
    book.add(leased())
    due(book)
    book.start(1)

    book.on_clock_set_back(later(-600))

    assert due(book) == [[], []]


def test_who_asked_later_than_now_is_answered_by_the_next_look(book: LeasedTasks):
    book.add(leased())
    book.on_user_request(leased(), at=later(9))
    book.on_clock_set_back(NOON)

    book.mark_served(replace(leased(), last_poll_at=NOON))

    assert not book.is_awaited(1)


def test_nobody_waits_for_a_task_that_is_not_held(book: LeasedTasks):
    book.mark_served(leased())
    assert not book.is_awaited(1)


def test_renewed_leases_are_noted_and_lost_ones_let_go(book: LeasedTasks):
    for task_id in (1, 2):
        book.add(leased(task_id))

    book.on_renewed(book.tasks(), {1: 1}, until=later(500))

    assert [(kept.id, kept.lease_until) for kept in book.tasks()] == [(1, later(500))]
    assert due(book) == [[1], []]


def test_with_its_renewal_a_task_ranks_by_what_its_chat_waits_for_now(book: LeasedTasks):
    for task_id in (1, 2):
        book.add(leased(task_id, chat_active_watches=10))

    book.on_renewed(book.tasks(), {1: 10, 2: 1}, until=later(500))

    assert due(book, at_s=60, limit=1) == [[2], []]


def test_a_lease_that_is_lost_during_a_look_is_not_let_go_before_the_look_is_over(book: LeasedTasks):
    book.add(leased())
    due(book)
    seen = book.start(1)

    book.on_renewed([seen], {}, until=later(500))
    book.finish(replace(seen, next_poll_at=later(20)), plain_outlook(seen))
    assert len(book) == 1

    book.on_renewed(book.tasks(), {}, until=later(500))
    assert len(book) == 0


@pytest.mark.parametrize(
    "change",
    [lambda book: book.add(replace(leased(), version=2)), lambda book: book.discard(1)],
    ids=["written", "let go"],
)
def test_a_renewal_says_nothing_of_what_has_changed_meanwhile(
    book: LeasedTasks, change: Callable[[LeasedTasks], None]
):
    book.add(leased())
    renewing = book.tasks()
    change(book)
    known = book.tasks()

    book.on_renewed(renewing, {}, until=later(500))

    assert book.tasks() == known


def test_of_tasks_that_are_as_old_the_one_from_the_less_busy_chat_is_first(book: LeasedTasks):
    book.add(leased(1, chat_active_watches=5000))
    book.add(leased(2, chat_active_watches=1))

    assert due(book, at_s=60, limit=1) == [[2], []]


def test_a_task_that_fails_does_not_rank_before_one_that_is_answered_however_long_it_has_failed(
    book: LeasedTasks,
):
    failing = replace(
        leased(1, failures=6), snapshot=None, registered_at=later(-7200), last_poll_at=later(40)
    )
    book.add(failing)
    book.add(replace(leased(2), snapshot_at=later(40)))

    assert due(book, at_s=60, limit=1) == [[2], []]


def test_a_task_that_was_freed_is_due_and_ranks_as_if_it_had_not_failed(book: LeasedTasks):
    book.add(replace(leased(1, due_s=120, failures=6), snapshot_at=later(-600), last_poll_at=later(40)))
    book.add(replace(leased(2), snapshot_at=later(0)))

    book.make_due({1, 99}, at=later(60))

    assert due(book, at_s=60, limit=1) == [[1], []]


def test_of_a_task_that_was_let_go_during_its_poll_the_limiter_keeps_nothing():
    held = line("wan")
    book = LeasedTasks([held], plain_outlook)
    for task_id in range(3):
        book.add(leased(task_id))
        held.limiter.on_request(0.0, task_id)
        book.start(task_id)
        book.discard(task_id)
        held.limiter.on_response(0.0, task_id, AWAY, requested_at=0.0)
        book.finish(leased(task_id), plain_outlook(leased(task_id)))

    held.limiter.on_request(60.0, 9)
    assert not held.limiter.on_response(60.0, 9, None, requested_at=60.0)


def test_a_task_that_was_taken_up_by_a_person_does_not_rest_by_what_was_known_before(book: LeasedTasks):
    known = leased(stall=Stall.UNCHANGED, unchanged_since=later(-300))
    book.add(known)

    book.on_user_request(replace(known, stall=Stall.MOVING, unchanged_since=later(-1)), at=later(0))
    (held,) = book.tasks()
    assert (held.stall, held.unchanged_since) == (Stall.MOVING, later(-1))

    book.on_user_request(known, at=later(0))
    (held,) = book.tasks()
    assert (held.stall, held.unchanged_since) == (Stall.MOVING, later(-1))
