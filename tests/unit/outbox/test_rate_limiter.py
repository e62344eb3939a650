from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.outbox.rate_limiter import ChatRateLimiter, Urgency
from storage.outbox import ThrottledChats
from tests.fakes.clock import SteadyClock

ANN, BEN, GROUP = 1, 2, -100

Calls = list[tuple[float, int]]  # (time, chat)


@pytest.fixture
def time() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def rate_limiter(time: SteadyClock) -> ChatRateLimiter:
    return ChatRateLimiter(clock=time)


def throttled_for(rate_limiter: ChatRateLimiter, urgency: Urgency) -> list[int]:
    """The chats throttled for this priority."""
    throttled = rate_limiter.throttled()
    chats = [*throttled.to_all]
    if urgency > Urgency.MESSAGE:
        chats += throttled.to_edits
    if urgency > Urgency.EDIT:
        chats += throttled.to_refreshes
    return chats


def write(
    rate_limiter: ChatRateLimiter, chats: Iterable[int], urgency: Urgency = Urgency.MESSAGE
) -> list[int]:
    """Call as many of these chats as allowed, as the worker does; returns them."""
    throttled = throttled_for(rate_limiter, urgency)
    chosen = [chat for chat in chats if chat not in throttled][: rate_limiter.available()]
    permits = [rate_limiter.hold(chat, is_video=False) for chat in chosen]
    for chat, permit in zip(chosen, permits, strict=True):
        rate_limiter.spend(chat, permit)
    return chosen


def exhaust(rate_limiter: ChatRateLimiter, chat: int, urgency: Urgency = Urgency.MESSAGE) -> int:
    """Call a chat until it is throttled, at one moment; returns the number of calls."""
    count = 0
    while chat not in throttled_for(rate_limiter, urgency):
        rate_limiter.spend(chat)
        count += 1
    return count


def most_within(times: list[float], span_s: float) -> int:
    """The largest number of times within any span."""
    return max((sum(start <= at < start + span_s for at in times) for start in times), default=0)


STEP = st.tuples(
    st.sampled_from([0.0, 0.001, 0.04, 0.3, 1.0, 5.0, 30.0]),
    st.sampled_from([Urgency.MESSAGE, Urgency.EDIT, Urgency.REFRESH]),
    st.lists(st.sampled_from([*range(1, 30), *range(-5, 0)]), unique=True, max_size=34),
)


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_no_limit_is_ever_exceeded(steps: list[tuple[float, Urgency, list[int]]]):
    time = SteadyClock()
    rate_limiter = ChatRateLimiter(clock=time)
    calls: Calls = []
    for wait_s, urgency, chats in steps:
        time.advance(wait_s)
        calls += [(time.now, chat) for chat in write(rate_limiter, chats, urgency)]

    by_chat = defaultdict(list)
    for at, chat in calls:
        by_chat[chat].append(at)
    assert most_within([at for at, _ in calls], 1.0) <= 30
    for chat, times in by_chat.items():
        assert most_within(times, 60.0) <= (20 if chat < 0 else 66)
        assert most_within(times, 1.0) <= 8


@settings(max_examples=100)
@given(st.lists(STEP, max_size=60))
def test_limits_free_up_at_the_predicted_time_and_not_before(
    steps: list[tuple[float, Urgency, list[int]]],
):
    time = SteadyClock()
    rate_limiter = ChatRateLimiter(clock=time)
    for wait_s, urgency, chats in steps:
        time.advance(wait_s)
        write(rate_limiter, chats, urgency)

    def state() -> tuple[ThrottledChats, bool]:
        return rate_limiter.throttled(), rate_limiter.available() < 1

    before = state()
    free_in_s = rate_limiter.next_free_in_s()
    assert (free_in_s is None) == (before == (ThrottledChats(to_all=[], to_edits=[], to_refreshes=[]), False))
    if free_in_s is not None:
        assert free_in_s > 0
        early_s = free_in_s * 0.99 if free_in_s > 0.01 else 0.0
        time.advance(early_s)
        assert state() == before
        time.advance(free_in_s - early_s + 0.001)
        assert state() != before


def test_a_chat_allows_a_burst_and_then_one_call_per_second(rate_limiter: ChatRateLimiter, time: SteadyClock):
    assert exhaust(rate_limiter, ANN) == 6
    time.advance(0.99)
    assert exhaust(rate_limiter, ANN) == 0
    time.advance(0.01 + 1e-9)
    assert exhaust(rate_limiter, ANN) == 1


def test_a_group_allows_fewer_than_twenty_calls_in_any_minute(
    rate_limiter: ChatRateLimiter, time: SteadyClock
):
    calls = []
    for _ in range(300):
        calls += [time.now] * exhaust(rate_limiter, GROUP)
        time.advance(0.5)

    assert most_within(calls, 60.0) == 19  # one call is kept for the second call of a video
    assert len(calls) >= 2 * 19 + 10


def test_a_throttled_chat_does_not_delay_others(rate_limiter: ChatRateLimiter, time: SteadyClock):
    exhaust(rate_limiter, ANN)
    time.advance(0.5)

    assert write(rate_limiter, [ANN, BEN]) == [BEN]


def test_lower_priorities_leave_the_last_calls_to_higher_ones(rate_limiter: ChatRateLimiter):
    assert exhaust(rate_limiter, ANN, Urgency.REFRESH) == 2
    assert exhaust(rate_limiter, ANN, Urgency.EDIT) == 2
    assert exhaust(rate_limiter, ANN) == 2


def test_edits_and_replies_leave_part_of_a_group_s_minute_to_results(
    rate_limiter: ChatRateLimiter, time: SteadyClock
):
    def is_allowed(urgency: Urgency) -> bool:
        if urgency is Urgency.REPLY:
            return rate_limiter.reply_wait_s(GROUP) == 0
        return GROUP not in throttled_for(rate_limiter, urgency)

    spent = dict.fromkeys(Urgency, 0)
    for urgency in Urgency:
        for _ in range(30):
            if is_allowed(urgency):
                rate_limiter.spend(GROUP)
                spent[urgency] += 1
            time.advance(1)
        time.advance(120)

    assert spent == {Urgency.MESSAGE: 19, Urgency.REPLY: 17, Urgency.EDIT: 11, Urgency.REFRESH: 7}


def test_a_claimed_delivery_leaves_less_room_before_its_call_is_made(rate_limiter: ChatRateLimiter):
    permits = [rate_limiter.hold(chat, is_video=False) for chat in (ANN, ANN, ANN, ANN, BEN)]

    assert rate_limiter.available() == 0
    assert throttled_for(rate_limiter, Urgency.EDIT) == [ANN]
    for permit in permits:
        rate_limiter.release(permit)
    assert rate_limiter.available() == 5
    assert throttled_for(rate_limiter, Urgency.EDIT) == []


def test_no_call_of_a_video_is_counted_twice(rate_limiter: ChatRateLimiter, time: SteadyClock):
    permit = rate_limiter.hold(GROUP, is_video=True)
    for calls in range(1, 18):
        time.advance(1)
        rate_limiter.spend(GROUP, permit)
        is_last = 20 - calls - (1 if calls == 1 else 0) < 4  # the second call is kept free until it is made
        assert (rate_limiter.reply_wait_s(GROUP) > 0) is is_last

    rate_limiter.release(permit)
    assert rate_limiter.reply_wait_s(GROUP) == pytest.approx(60.5 - 16)


def test_an_announcement_that_is_there_already_frees_its_call_and_not_that_of_the_video(
    rate_limiter: ChatRateLimiter,
):
    permit = rate_limiter.hold(GROUP, is_video=True)
    rate_limiter.release_first(permit)
    rate_limiter.release_first(permit)

    assert rate_limiter.available() == 5
    for _ in range(16):
        rate_limiter.spend(GROUP)
    assert rate_limiter.reply_wait_s(GROUP) > 50


def test_a_reserved_call_is_kept_free_until_it_is_released(rate_limiter: ChatRateLimiter, time: SteadyClock):
    permit, _ = hanging = [rate_limiter.hold(GROUP, is_video=True) for _ in range(2)]
    for each in hanging:
        rate_limiter.release_first(each)
    for _ in range(17):
        time.advance(1)
        rate_limiter.spend(GROUP)
    time.advance(5)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == [GROUP]

    rate_limiter.release(permit)

    assert throttled_for(rate_limiter, Urgency.MESSAGE) == []


def test_hanging_videos_do_not_block_a_group(rate_limiter: ChatRateLimiter):
    for _ in range(50):
        rate_limiter.release_first(rate_limiter.hold(GROUP, is_video=True))

    assert throttled_for(rate_limiter, Urgency.REFRESH) == []


def test_a_flood_wait_pauses_only_its_chat(rate_limiter: ChatRateLimiter, time: SteadyClock):
    rate_limiter.pause(ANN, 17)

    assert write(rate_limiter, [ANN, BEN]) == [BEN]
    assert rate_limiter.next_free_in_s() == 17
    time.advance(16.9)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == [ANN]
    time.advance(0.2)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == []


def test_a_shorter_flood_wait_does_not_shorten_a_longer_one(rate_limiter: ChatRateLimiter, time: SteadyClock):
    rate_limiter.pause(ANN, 17)
    rate_limiter.pause(ANN, 1)

    time.advance(16)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == [ANN]


def test_a_negative_balance_is_refilled_first(rate_limiter: ChatRateLimiter, time: SteadyClock):
    time.advance(100)
    for _ in range(10):
        rate_limiter.spend(GROUP)

    assert rate_limiter.available() == 0
    time.advance(4.9)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == [GROUP]
    time.advance(0.2)
    assert throttled_for(rate_limiter, Urgency.MESSAGE) == []


def test_the_state_of_an_unused_chat_is_dropped(rate_limiter: ChatRateLimiter, time: SteadyClock):
    rate_limiter.spend(ANN)
    rate_limiter.spend(GROUP)
    time.advance(61)
    rate_limiter.throttled()

    assert rate_limiter.reply_wait_s(GROUP) == 0
    assert rate_limiter.next_free_in_s() is None


def test_a_group_whose_minute_is_taken_by_claimed_videos_allows_results_and_no_edits(
    rate_limiter: ChatRateLimiter, time: SteadyClock
):
    in_transfer = rate_limiter.hold(GROUP, is_video=True)
    rate_limiter.spend(GROUP, in_transfer)
    time.advance(1)
    for _ in range(5):
        rate_limiter.hold(GROUP, is_video=True)

    assert GROUP not in throttled_for(rate_limiter, Urgency.MESSAGE)
    assert GROUP in throttled_for(rate_limiter, Urgency.EDIT)
    assert rate_limiter.next_free_in_s() is not None


def test_chats_are_counted_as_paused_until_their_flood_wait_is_over(
    rate_limiter: ChatRateLimiter, time: SteadyClock
):
    rate_limiter.pause(ANN, 30)
    rate_limiter.pause(GROUP, 60)
    rate_limiter.spend(BEN)
    assert rate_limiter.paused() == 2

    time.advance(31)
    assert rate_limiter.paused() == 1


def test_after_a_takeover_no_burst_is_left_and_it_grows_with_time(time: SteadyClock):
    time.advance(1000)
    rate_limiter = ChatRateLimiter(is_takeover=True, clock=time)
    assert rate_limiter.available() == 1

    assert exhaust(rate_limiter, ANN) == 1
    time.advance(10)
    assert rate_limiter.available() == 5
    assert exhaust(rate_limiter, ANN) == 6
    assert exhaust(rate_limiter, BEN) == 6  # first seen long after the takeover
