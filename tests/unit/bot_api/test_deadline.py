import asyncio

import pytest
from telegram.error import TimedOut

from bot.bot_api.deadline import CALL_S, within
from bot.telemetry import HUNG_S


async def test_a_call_that_takes_too_long_times_out_like_any_other():
    with pytest.raises(TimedOut):
        await within(0.01, asyncio.Event().wait())


async def test_a_call_within_the_limit_gives_its_result():
    assert await within(5, asyncio.sleep(0, "result")) == "result"


def test_a_loop_that_waits_for_telegram_does_not_count_as_hung():
    assert CALL_S + 5 < HUNG_S < 60
