"""A token bucket that can be paused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.token_bucket import TokenBucket


def test_a_bucket_starts_full_and_fills_at_its_rate_up_to_its_size():
    bucket = TokenBucket(2.0, 6.0)
    for _ in range(6):
        bucket.take(100.0)

    assert [bucket.level(at) for at in (100.0, 101.0, 102.5, 200.0)] == [0, 2, 5, 6]


def test_a_wait_is_as_long_as_the_missing_tokens_take_to_fill():
    bucket = TokenBucket(2.0, 6.0, tokens=0.0)

    assert bucket.wait_s(3.0, 0.0) == 1.5
    assert bucket.wait_s(3.0, 1.5) == 0


def test_a_request_that_does_not_wait_delays_the_next():
    bucket = TokenBucket(1.0, 1.0)
    for _ in range(3):
        bucket.take(0.0)

    assert bucket.wait_s(1.0, 0.0) == 3


def test_a_paused_bucket_has_no_token_and_fills_meanwhile():
    bucket = TokenBucket(1.0, 6.0, tokens=0.0)
    bucket.pause(10.0)

    assert (bucket.level(9.9), bucket.wait_s(1.0, 4.0)) == (0, 6)
    assert bucket.level(10.0) == 6


def test_a_pause_may_set_what_there_is_at_its_end():
    bucket = TokenBucket(100.0, 50.0)
    bucket.pause(10.0, tokens=1.0)

    assert bucket.level(10.0) == 1
    assert bucket.level(10.1) == pytest.approx(11)


def test_tokens_that_a_pause_sets_fill_from_its_end():
    bucket = TokenBucket(2.0, 6.0)
    bucket.pause(10.0, tokens=0.0)

    assert bucket.wait_s(1.0, 4.0) == 6.5


def test_a_shorter_pause_does_not_end_a_longer_one():
    bucket = TokenBucket(1.0, 6.0)
    bucket.pause(10.0)
    bucket.pause(5.0)

    assert bucket.wait_s(1.0, 6.0) == 4


@given(rate=st.floats(0.05, 1000), taken=st.integers(0, 50), now=st.floats(0, 1e7))
def test_after_its_wait_a_bucket_has_the_tokens(rate: float, taken: int, now: float):
    bucket = TokenBucket(rate, 10.0)
    for _ in range(taken):
        bucket.take(now)

    wait_s = bucket.wait_s(1.0, now)

    assert bucket.level(now + wait_s + 1e-6) >= 1 - 1e-4
