"""Waiting for conditions."""

import asyncio

import pytest

from bot.sandbox.change_signal import ChangeSignal


async def test_a_condition_that_holds_already_returns_at_once() -> None:
    assert await ChangeSignal().wait_for(lambda: "yes", timeout_s=1) == "yes"


async def test_waiters_re_evaluate_after_a_notification() -> None:
    change_signal = ChangeSignal()
    found: list[str] = []
    waiting = asyncio.create_task(change_signal.wait_for(lambda: found, timeout_s=5))
    await asyncio.sleep(0)

    change_signal.notify()  # nothing has come yet
    await asyncio.sleep(0)
    assert not waiting.done()
    found.append("it")
    change_signal.notify()

    assert await waiting == ["it"]


async def test_a_condition_that_never_holds_times_out() -> None:
    with pytest.raises(TimeoutError):
        await ChangeSignal().wait_for(lambda: None, timeout_s=0.01)
