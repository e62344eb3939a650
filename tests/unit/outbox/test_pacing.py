from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.outbox.pacing import Pacer
from tests.fakes.clock import SteadyClock

ANN, BEN, GROUP = 1, 2, -100

Calls = list[tuple[float, int]]  # when, to which chat


@pytest.fixture
def time() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def pacer(time: SteadyClock) -> Pacer:
    return Pacer(clock=time)


def write(pacer: Pacer, chats: Iterable[int], *, edits: bool) -> list[int]:
    """Write to as many of these chats as may be written to, as the courier does; those that were."""
    closed = pacer.closed(for_edits=edits)
    chosen = [chat for chat in chats if chat not in closed][: pacer.allowance()]
    pacer.spend(chosen)
    return chosen


def exhaust(pacer: Pacer, time: SteadyClock, chat: int, *, edits: bool = False) -> int:
    """Write to a chat until it is closed, in a moment; how often."""
    count = 0
    while chat not in pacer.closed(for_edits=edits):
        pacer.spend([chat])
        count += 1
    return count


def most_within(times: list[float], span_s: float) -> int:
    """The most that fall into any such span of time."""
    return max((sum(start <= at < start + span_s for at in times) for start in times), default=0)


STEP = st.tuples(
    st.sampled_from([0.0, 0.001, 0.04, 0.3, 1.0, 5.0, 30.0]),
    st.booleans(),
    st.lists(st.sampled_from([*range(1, 30), *range(-5, 0)]), unique=True, max_size=34),
)


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_no_limit_is_ever_passed(steps: list[tuple[float, bool, list[int]]]):
    time = SteadyClock()
    pacer = Pacer(clock=time)
    calls: Calls = []
    for wait_s, edits, chats in steps:
        time.move(wait_s)
        calls += [(time.now, chat) for chat in write(pacer, chats, edits=edits)]

    by_chat = defaultdict(list)
    for at, chat in calls:
        by_chat[chat].append(at)
    assert most_within([at for at, _ in calls], 1.0) <= 30
    for chat, times in by_chat.items():
        assert most_within(times, 60.0) <= (20 if chat < 0 else 66)
        assert most_within(times, 1.0) <= 8


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_what_is_closed_opens_when_it_is_said_to_and_not_before(
    steps: list[tuple[float, bool, list[int]]],
):
    time = SteadyClock()
    pacer = Pacer(clock=time)
    for wait_s, edits, chats in steps:
        time.move(wait_s)
        write(pacer, chats, edits=edits)

    def shut() -> tuple[set[int], set[int], bool]:
        return (
            set(pacer.closed(for_edits=False)),
            set(pacer.closed(for_edits=True)),
            pacer.allowance() < 1,
        )

    before = shut()
    opens_in_s = pacer.opens_in_s()
    assert (opens_in_s is None) == (before == (set(), set(), False))
    if opens_in_s is not None:
        assert opens_in_s > 0
        early_s = opens_in_s * 0.99 if opens_in_s > 0.01 else 0.0
        time.move(early_s)
        assert shut() == before
        time.move(opens_in_s - early_s + 0.001)
        assert shut() != before


def test_a_chat_bears_a_burst_and_then_one_a_second(pacer: Pacer, time: SteadyClock):
    assert exhaust(pacer, time, ANN) == 6
    time.move(0.99)
    assert exhaust(pacer, time, ANN) == 0
    time.move(0.01 + 1e-9)
    assert exhaust(pacer, time, ANN) == 1


def test_a_group_bears_a_burst_and_then_one_in_five_seconds(pacer: Pacer, time: SteadyClock):
    assert exhaust(pacer, time, GROUP) == 8
    time.move(4.9)
    assert exhaust(pacer, time, GROUP) == 0
    time.move(0.1 + 1e-9)
    assert exhaust(pacer, time, GROUP) == 1


def test_a_chat_that_must_wait_holds_up_no_other(pacer: Pacer, time: SteadyClock):
    exhaust(pacer, time, ANN)
    time.move(0.5)

    assert write(pacer, [ANN, BEN], edits=False) == [BEN]


def test_edits_leave_a_chat_s_last_calls_to_new_messages(pacer: Pacer, time: SteadyClock):
    assert exhaust(pacer, time, GROUP, edits=True) == 6
    assert exhaust(pacer, time, GROUP) == 2


def test_a_flood_stops_only_the_chat_that_it_names(pacer: Pacer, time: SteadyClock):
    pacer.stop(ANN, 17)

    assert write(pacer, [ANN, BEN], edits=False) == [BEN]
    assert pacer.opens_in_s() == 17
    time.move(16.9)
    assert pacer.closed(for_edits=False) == [ANN]
    time.move(0.2)
    assert pacer.closed(for_edits=False) == []


def test_a_shorter_flood_does_not_cut_a_longer_one_short(pacer: Pacer, time: SteadyClock):
    pacer.stop(ANN, 17)
    pacer.stop(ANN, 1)

    time.move(16)
    assert pacer.closed(for_edits=False) == [ANN]


def test_calls_on_credit_are_waited_for(pacer: Pacer, time: SteadyClock):
    time.move(100)
    pacer.spend([GROUP] * 10)

    assert pacer.allowance() == 0
    time.move(10)
    assert pacer.closed(for_edits=False) == [GROUP]
    time.move(5.1)
    assert pacer.closed(for_edits=False) == []
