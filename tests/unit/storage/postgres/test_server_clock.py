"""The server's time, from this machine's clock and what the server last said."""

from datetime import timedelta

import pytest

from storage.postgres.server_clock import ServerClock, steady_s
from tests.fakes.clock import NOON, FrozenClock

AN_HOUR = timedelta(hours=1)


def test_before_the_first_measurement_it_is_this_machine_s_clock():
    assert ServerClock(FrozenClock())() == NOON


@pytest.mark.parametrize("ahead", [AN_HOUR, -AN_HOUR])
def test_it_follows_the_server_whose_response_took_half_of_the_round_trip(ahead: timedelta):
    own = FrozenClock()
    clock = ServerClock(own)

    clock.measure(NOON + ahead, round_trip_s=0.5)
    own.advance(60)

    assert clock() == NOON + ahead + timedelta(seconds=60.25)


def test_a_response_that_took_long_does_not_replace_a_measurement():
    clock = ServerClock(FrozenClock())

    clock.measure(NOON + AN_HOUR, round_trip_s=4)
    assert clock() == NOON + AN_HOUR + timedelta(seconds=2)
    clock.measure(NOON + AN_HOUR, round_trip_s=1)
    clock.measure(NOON, round_trip_s=1.1)

    assert clock() == NOON + AN_HOUR + timedelta(seconds=0.5)


def test_the_steady_clock_goes_forward():
    assert steady_s() <= steady_s()
