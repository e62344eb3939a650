from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.outbox.pacing import Pacer, Urgency
from storage.models import Closed
from tests.fakes.clock import SteadyClock

ANN, BEN, GROUP = 1, 2, -100

Calls = list[tuple[float, int]]  # when, to which chat


@pytest.fixture
def time() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def pacer(time: SteadyClock) -> Pacer:
    return Pacer(clock=time)


def shut_to(pacer: Pacer, urgency: Urgency) -> list[int]:
    """The chats that must not be written to with this."""
    closed = pacer.closed()
    shut = [*closed.to_all]
    if urgency > Urgency.MESSAGE:
        shut += closed.to_edits
    if urgency > Urgency.EDIT:
        shut += closed.to_refreshes
    return shut


def write(pacer: Pacer, chats: Iterable[int], urgency: Urgency = Urgency.MESSAGE) -> list[int]:
    """Write to as many of these chats as may be written to, as the courier does; those that were."""
    closed = shut_to(pacer, urgency)
    chosen = [chat for chat in chats if chat not in closed][: pacer.allowance()]
    pacer.spend(chosen)
    return chosen


def exhaust(pacer: Pacer, chat: int, urgency: Urgency = Urgency.MESSAGE) -> int:
    """Write to a chat until it is closed, in a moment; how often."""
    count = 0
    while chat not in shut_to(pacer, urgency):
        pacer.spend([chat])
        count += 1
    return count


def most_within(times: list[float], span_s: float) -> int:
    """The most that fall into any such span of time."""
    return max((sum(start <= at < start + span_s for at in times) for start in times), default=0)


STEP = st.tuples(
    st.sampled_from([0.0, 0.001, 0.04, 0.3, 1.0, 5.0, 30.0]),
    st.sampled_from([Urgency.MESSAGE, Urgency.EDIT, Urgency.REFRESH]),
    st.lists(st.sampled_from([*range(1, 30), *range(-5, 0)]), unique=True, max_size=34),
)


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_no_limit_is_ever_passed(steps: list[tuple[float, Urgency, list[int]]]):
    time = SteadyClock()
    pacer = Pacer(clock=time)
    calls: Calls = []
    for wait_s, urgency, chats in steps:
        time.move(wait_s)
        calls += [(time.now, chat) for chat in write(pacer, chats, urgency)]

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
    steps: list[tuple[float, Urgency, list[int]]],
):
    time = SteadyClock()
    pacer = Pacer(clock=time)
    for wait_s, urgency, chats in steps:
        time.move(wait_s)
        write(pacer, chats, urgency)

    def shut() -> tuple[Closed, bool]:
        return pacer.closed(), pacer.allowance() < 1

    before = shut()
    opens_in_s = pacer.opens_in_s()
    assert (opens_in_s is None) == (before == (Closed(to_all=[], to_edits=[], to_refreshes=[]), False))
    if opens_in_s is not None:
        assert opens_in_s > 0
        early_s = opens_in_s * 0.99 if opens_in_s > 0.01 else 0.0
        time.move(early_s)
        assert shut() == before
        time.move(opens_in_s - early_s + 0.001)
        assert shut() != before


def test_a_chat_bears_a_burst_and_then_one_a_second(pacer: Pacer, time: SteadyClock):
    assert exhaust(pacer, ANN) == 6
    time.move(0.99)
    assert exhaust(pacer, ANN) == 0
    time.move(0.01 + 1e-9)
    assert exhaust(pacer, ANN) == 1


def test_a_group_bears_less_than_twenty_calls_in_any_minute(pacer: Pacer, time: SteadyClock):
    calls = []
    for _ in range(300):
        calls += [time.now] * exhaust(pacer, GROUP)
        time.move(0.5)

    assert most_within(calls, 60.0) == 19  # the last one is for the end of what was begun
    assert len(calls) >= 2 * 19 + 10


def test_a_chat_that_must_wait_holds_up_no_other(pacer: Pacer, time: SteadyClock):
    exhaust(pacer, ANN)
    time.move(0.5)

    assert write(pacer, [ANN, BEN]) == [BEN]


def test_what_is_less_pressing_leaves_a_chat_s_last_calls_to_the_rest(pacer: Pacer):
    assert exhaust(pacer, ANN, Urgency.REFRESH) == 2
    assert exhaust(pacer, ANN, Urgency.EDIT) == 2
    assert exhaust(pacer, ANN) == 2


def test_of_a_group_s_minute_edits_and_replies_leave_a_part_to_results(pacer: Pacer, time: SteadyClock):
    def is_open(urgency: Urgency) -> bool:
        if urgency is Urgency.REPLY:
            return pacer.reply_wait_s(GROUP) == 0
        return GROUP not in shut_to(pacer, urgency)

    spent = dict.fromkeys(Urgency, 0)
    for urgency in Urgency:
        for _ in range(30):
            if is_open(urgency):
                pacer.spend([GROUP])
                spent[urgency] += 1
            time.move(1)
        time.move(120)

    assert spent == {Urgency.MESSAGE: 19, Urgency.REPLY: 17, Urgency.EDIT: 11, Urgency.REFRESH: 7}


def test_what_was_begun_in_a_group_keeps_the_call_that_it_owes(pacer: Pacer, time: SteadyClock):
    pacer.owe(GROUP)
    pacer.owe(GROUP)
    for _ in range(17):
        time.move(1)
        pacer.spend([GROUP])
    time.move(5)
    assert shut_to(pacer, Urgency.MESSAGE) == [GROUP]

    pacer.owes_no_more(GROUP)

    assert shut_to(pacer, Urgency.MESSAGE) == []


def test_videos_that_hang_do_not_close_a_group(pacer: Pacer):
    for _ in range(50):
        pacer.owe(GROUP)

    assert shut_to(pacer, Urgency.REFRESH) == []


def test_a_flood_stops_only_the_chat_that_it_names(pacer: Pacer, time: SteadyClock):
    pacer.stop(ANN, 17)

    assert write(pacer, [ANN, BEN]) == [BEN]
    assert pacer.opens_in_s() == 17
    time.move(16.9)
    assert shut_to(pacer, Urgency.MESSAGE) == [ANN]
    time.move(0.2)
    assert shut_to(pacer, Urgency.MESSAGE) == []


def test_a_shorter_flood_does_not_cut_a_longer_one_short(pacer: Pacer, time: SteadyClock):
    pacer.stop(ANN, 17)
    pacer.stop(ANN, 1)

    time.move(16)
    assert shut_to(pacer, Urgency.MESSAGE) == [ANN]


def test_calls_on_credit_are_waited_for(pacer: Pacer, time: SteadyClock):
    time.move(100)
    pacer.spend([GROUP] * 10)

    assert pacer.allowance() == 0
    time.move(4.9)
    assert shut_to(pacer, Urgency.MESSAGE) == [GROUP]
    time.move(0.2)
    assert shut_to(pacer, Urgency.MESSAGE) == []


def test_nothing_is_remembered_of_a_chat_that_has_rested(pacer: Pacer, time: SteadyClock):
    pacer.spend([ANN, GROUP])
    time.move(61)
    pacer.closed()

    assert pacer.reply_wait_s(GROUP) == 0
    assert pacer.opens_in_s() is None
