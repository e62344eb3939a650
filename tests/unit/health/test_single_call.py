import asyncio
import gc
import logging

import pytest

from bot.health.single_call import SingleCall


class Slow:
    """A call that waits for `gate` and counts itself."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        await self.gate.wait()
        return self.calls


async def test_those_who_wait_share_one_call_and_the_next_makes_another():
    slow = Slow()
    call = SingleCall(slow)
    waiting = asyncio.gather(*(call.result(timeout_s=5) for _ in range(9)))
    await asyncio.sleep(0)
    slow.gate.set()

    assert await waiting == [1] * 9
    assert await call.result(timeout_s=5) == 2


async def test_a_call_that_hangs_is_given_up_but_not_repeated():
    slow = Slow()
    call = SingleCall(slow)

    for _ in range(9):
        with pytest.raises(TimeoutError):
            await call.result(timeout_s=0)

    assert slow.calls == 1
    slow.gate.set()
    assert await call.result(timeout_s=5) == 1


async def test_whoever_gives_up_does_not_cancel_the_call_for_the_others():
    slow = Slow()
    call = SingleCall(slow)
    first = asyncio.create_task(call.result(timeout_s=5))
    second = asyncio.create_task(call.result(timeout_s=5))
    await asyncio.sleep(0)
    first.cancel()
    slow.gate.set()

    assert await second == 1


async def test_an_error_that_nobody_waits_for_is_not_logged(caplog: pytest.LogCaptureFixture):
    gate = asyncio.Event()

    async def fail() -> None:
        await gate.wait()
        raise ValueError

    call = SingleCall(fail)
    with pytest.raises(TimeoutError):
        await call.result(timeout_s=0)
    gate.set()
    await asyncio.sleep(0.01)
    del call
    gc.collect()

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
