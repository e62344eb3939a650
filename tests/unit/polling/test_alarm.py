"""Sleeping until it is time, or until somebody rings."""

import asyncio
import time

import pytest

from bot.polling.alarm import Alarm

LONG_S = 60.0


async def test_a_sleep_ends_by_itself():
    alarm = Alarm()
    began = alarm.now()

    await alarm.rest(0.02)

    assert alarm.now() - began >= 0.015


@pytest.mark.parametrize("waken", [Alarm.ring, Alarm.wake])
async def test_a_sleep_is_ended_early(waken):
    alarm = Alarm()
    asyncio.get_running_loop().call_soon(waken, alarm)
    began = time.monotonic()

    await alarm.rest(LONG_S)

    assert time.monotonic() - began < LONG_S / 2


@pytest.mark.parametrize("waken", [Alarm.ring, Alarm.wake])
async def test_what_came_before_the_sleep_ends_it_once(waken):
    alarm = Alarm()
    waken(alarm)
    await alarm.rest(LONG_S)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await alarm.rest(LONG_S)


async def test_a_ring_is_heard_once_and_waking_is_no_ring():
    alarm = Alarm()
    alarm.wake()
    assert not alarm.take_ring()

    alarm.ring()
    await alarm.rest(LONG_S)

    assert alarm.take_ring()
    assert not alarm.take_ring()
