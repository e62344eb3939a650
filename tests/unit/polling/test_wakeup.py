"""The interruptible sleep of the polling loop."""

import asyncio
import time

import pytest

from bot.polling.wakeup import Wakeup

LONG_S = 60.0


async def test_a_sleep_ends_by_itself():
    wakeup = Wakeup()
    began = wakeup.now()

    await wakeup.wait(0.02)

    assert wakeup.now() - began >= 0.015


@pytest.mark.parametrize("waken", [Wakeup.notify, Wakeup.notify_soon])
async def test_a_sleep_is_ended_early(waken):
    wakeup = Wakeup()
    asyncio.get_running_loop().call_soon(waken, wakeup)
    began = time.monotonic()

    await wakeup.wait(LONG_S)

    assert time.monotonic() - began < LONG_S / 2


@pytest.mark.parametrize("waken", [Wakeup.notify, Wakeup.notify_soon])
async def test_what_came_before_the_sleep_ends_it_once(waken):
    wakeup = Wakeup()
    waken(wakeup)
    await wakeup.wait(LONG_S)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await wakeup.wait(LONG_S)


async def test_a_notification_is_taken_once_and_waking_is_none():
    wakeup = Wakeup()
    wakeup.notify_soon()
    assert not wakeup.take_notification()

    wakeup.notify()
    await wakeup.wait(LONG_S)

    assert wakeup.take_notification()
    assert not wakeup.take_notification()
