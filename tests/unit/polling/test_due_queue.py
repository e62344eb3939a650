"""The queue of due times."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.polling.due_queue import DueQueue


def queue(urgencies: dict[int, float] | None = None) -> DueQueue:
    """A queue with these urgencies by task id; 0 for others."""
    return DueQueue(lambda task_id, _now: (urgencies or {}).get(task_id, 0.0))


def test_nothing_is_taken_before_it_is_due():
    found = queue()
    found.push(1, 10.0)

    assert found.pop_due(5, now=9.9) == []
    assert found.next_due_at() == 10.0
    assert found.pop_due(5, now=10.0) == [1]
    assert found.next_due_at() is None


def test_the_most_urgent_of_the_due_tasks_come_first():
    found = queue({1: 0.5, 2: 3.0, 3: 2.0, 4: 99.0})
    for task_id in (1, 2, 3):
        found.push(task_id, 0.0)
    found.push(4, 50.0)

    assert found.pop_due(2, now=1.0) == [2, 3]
    assert found.pop_due(2, now=1.0) == [1]


def test_tasks_are_reranked_as_their_urgency_changes():
    urgencies = dict.fromkeys(range(10), 1.0)
    found = queue(urgencies)
    for task_id in urgencies:
        found.push(task_id, 0.0)
    assert found.pop_due(1, now=0.0) == [0]
    urgencies[9] = 5.0

    assert found.pop_due(1, now=1.0) == [9]


def test_a_task_that_falls_due_between_two_rankings_is_compared_at_once():
    found = queue({1: 1.0, 2: 1.0, 3: 9.0})
    for task_id in (1, 2):
        found.push(task_id, 0.0)
    found.push(3, 0.0001)
    found.pop_due(1, now=0.0)

    assert found.pop_due(1, now=0.0001) == [3]


def test_tasks_are_compared_anew_though_the_clock_was_set_back():
    urgencies = {1: 3.0, 2: 2.0, 3: 1.0}
    found = queue(urgencies)
    for task_id in urgencies:
        found.push(task_id, 0.0)
    assert found.pop_due(1, now=5000.0) == [1]
    urgencies[3] = 5.0

    assert found.pop_due(1, now=1000.0) == [3]


def test_a_dropped_task_is_not_taken():
    found = queue()
    found.push(1, 0.0)
    found.push(2, 5.0)
    found.discard(1)
    found.discard(2)

    assert found.pop_due(5, now=10.0) == []
    assert found.next_due_at() is None
    assert len(found) == 0


@pytest.mark.parametrize(("first", "second"), [(0.0, 20.0), (20.0, 0.0)])
def test_a_task_has_one_due_time_the_last(first: float, second: float):
    found = queue()
    found.push(1, first)
    found.push(1, second)

    assert found.pop_due(5, now=10.0) == ([1] if second <= 10 else [])
    assert found.pop_due(5, now=30.0) == ([1] if second > 10 else [])


@settings(max_examples=100)
@given(
    dues=st.dictionaries(st.integers(0, 50), st.floats(0, 10), max_size=40),
    limits=st.lists(st.integers(0, 7), min_size=1, max_size=30),
)
def test_every_due_task_is_taken_once_and_never_more_than_allowed(dues: dict[int, float], limits: list[int]):
    found, taken = queue({task_id: float(task_id % 5) for task_id in dues}), []
    for task_id, due in dues.items():
        found.push(task_id, due)
    for step, limit in enumerate(limits):
        chosen = found.pop_due(limit, now=float(step))
        assert len(chosen) <= limit
        taken += chosen

    taken += found.pop_due(len(dues), now=100.0)
    assert sorted(taken) == sorted(dues)


def test_tasks_of_the_least_rank_are_taken_though_they_are_not_due():
    found = queue()
    for task_id in (1, 2, 3):
        found.push(task_id, 10.0)

    assert found.pop_least(1, lambda task_id: (float(task_id != 2),)) == [2]
    assert sorted(found.ids()) == [1, 3]
    assert found.pop_due(5, now=10.0) == [1, 3]


def test_a_task_that_was_taken_and_is_due_later_is_not_due():
    found = queue()
    found.push(1, 0.0)
    assert found.has_due(1.0)
    assert found.pop_least(1, lambda _task_id: (0.0,)) == [1]

    found.push(1, 50.0)

    assert not found.has_due(1.0)
    assert found.has_due(50.0)
