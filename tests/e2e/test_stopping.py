"""SIGTERM and Ctrl-C: what is in hand is finished, and the process ends well within ten seconds."""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from bot.sandbox.faults import held
from tests.e2e.program import until_sigterm_is_handled
from tests.e2e.scene import BOOT_S, Scene


async def test_an_idle_bot_stops_at_once_and_answers_missed_commands_after_the_restart(scene: Scene):
    bot = await scene.start_bot()
    anna, task = scene.add_user(), scene.task("jimeng")
    await scene.watch(anna, task)
    assert await bot.stop() == 0
    assert "Traceback" not in bot.log

    question = scene.telegram.send(anna, f"/status {task.task_id}")
    scene.finish(task)
    await scene.start_bot()
    assert "Done" in (await scene.first_reply(anna, question)).plain_text


@pytest.mark.skipif(sys.platform != "linux", reason="finds out in /proc when a signal is handled")
async def test_a_bot_that_has_just_been_started_stops_at_once(scene: Scene):
    bot = await scene.load()
    await until_sigterm_is_handled(bot.pid)
    assert await bot.stop() == 0
    assert bot.log == ""


async def test_a_bot_that_is_still_loading_stops_at_once(scene: Scene):
    settings = scene.folder / ".env"
    os.mkfifo(settings)
    bot = await scene.load()
    writing = await _opened_by_a_reader(settings)
    assert await bot.stop() == 0
    os.close(writing)
    assert bot.log == ""


async def test_an_upload_in_progress_is_finished_first(scene: Scene):
    released = asyncio.Event()
    scene.telegram.fail("editMessageMedia", held(released))
    bot = await scene.start_bot()
    anna, command_id = await _with_an_upload(scene)
    stopping = asyncio.create_task(bot.stop())
    await scene.wait_for(lambda: "Stopping" in bot.log)
    released.set()
    assert await stopping == 0
    await scene.until_video(anna, command_id)


async def test_an_upload_that_takes_too_long_is_restarted_by_the_next_process(scene: Scene):
    never = asyncio.Event()
    scene.telegram.fail("editMessageMedia", held(never))
    bot = await scene.start_bot()
    anna, command_id = await _with_an_upload(scene)
    assert await bot.stop() == 0
    assert scene.telegram.videos(anna) == []

    await scene.start_bot()
    await scene.until_video(anna, command_id)
    await scene.until_all_is_sent()
    assert len(scene.telegram.videos(anna)) == 1


async def test_ctrl_c_stops_the_bot_during_an_outage_of_telegram_and_the_gateway(scene: Scene):
    never = asyncio.Event()
    bot = await scene.start_bot()
    anna, task = scene.add_user(), scene.task("newapi")
    scene.gateway.fail("status", held(never), times=None)
    scene.telegram.send(anna, f"/watch newapi {task.task_id}")
    await scene.gateway.wait_for(lambda: scene.gateway.polls(task.task_id))
    scene.telegram.is_down = True
    scene.telegram.send(anna, "/tasks")  # ends the long poll
    await scene.wait_for(lambda: "is not responding" in bot.log)
    assert await bot.stop(signal.SIGINT) == 0
    assert "Traceback" not in bot.log


async def _with_an_upload(scene: Scene) -> tuple[int, int]:
    """Have the bot upload a video; the chat and the request in it."""
    anna, task = scene.add_user(), scene.task("videos")
    scene.finish(task)
    command_id = await scene.watch(anna, task)
    await scene.wait_for(lambda: any(each.method == "editMessageMedia" for each in scene.telegram.requests))
    return anna, command_id


async def _opened_by_a_reader(pipe: Path) -> int:
    """Wait until somebody has begun to read the pipe; its other end."""
    async with asyncio.timeout(BOOT_S):
        while True:
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody yet: https://man7.org/linux/man-pages/man7/fifo.7.html
                await asyncio.sleep(0.01)


async def test_a_bot_with_a_full_disk_stops_cleanly(scene: Scene):
    full = (1, resource.RLIM_INFINITY)  # bytes that a file may have; more may be allowed again
    bot = await scene.start_bot()
    anna, task = scene.add_user(), scene.task("jimeng")
    await scene.watch(anna, task)
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, full)

    assert await bot.stop() == 0
    assert "Traceback" not in bot.log
