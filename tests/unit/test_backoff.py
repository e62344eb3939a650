"""The delay before a retry."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.backoff import Backoff
from tests.fakes.jitter import NO_JITTER


def test_delays_grow_by_the_factor_up_to_the_limit():
    backoff = Backoff(first_s=2.0, limit_s=60.0, factor=3.0, random=NO_JITTER)

    assert [backoff.delay_s(failures) for failures in (1, 2, 3, 4, 5, 1_000_000)] == [2, 6, 18, 54, 60, 60]


@given(failures=st.integers(1, 1_000_000), seed=st.integers())
def test_jitter_only_shortens_a_delay_and_by_its_share_at_most(failures: int, seed: int):
    plain = Backoff(first_s=1.0, limit_s=300.0, random=NO_JITTER)
    delay_s = Backoff(first_s=1.0, limit_s=300.0, jitter=0.25, random=Random(seed)).delay_s(failures)

    assert 0.75 * plain.delay_s(failures) <= delay_s <= plain.delay_s(failures)


def test_delays_that_began_together_are_spread():
    delays_s = {Backoff(first_s=10.0, limit_s=60.0).delay_s(3) for _ in range(100)}

    assert len(delays_s) > 90
    assert max(delays_s) - min(delays_s) > 4


def test_the_same_seed_gives_the_same_delays():
    one, other = (Backoff(first_s=1.0, limit_s=15.0, random=Random(7)) for _ in range(2))

    assert [one.delay_s(n) for n in range(1, 9)] == [other.delay_s(n) for n in range(1, 9)]
