"""What the process writes to standard error, and what it does when nobody reads it."""

import asyncio
import fcntl
import json
import os
import platform
import signal
from typing import Any

from tests.e2e.database import about_sqlite
from tests.e2e.program import command, environment
from tests.e2e.scene import BOOT_S, Scene

_WRONG_TOKEN = "7000000001:AAwrong-token-of-nobody-at-all-0123456"


def _objects(log: str) -> list[dict[str, Any]]:
    """Every line is a JSON object with the same first keys."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(list(line)[:4] == ["time", "level", "event", "message"] for line in lines)
    return lines


async def test_sentences_about_the_end_are_json_where_the_log_is(scene: Scene):
    (scene.folder / ".env").write_text("LOG_FORMAT=json\n")
    (scene.folder / "letter.db").write_text("Dear Anna, " * 100)
    mistaken = await scene.run(ALLOWED_CHATS="@somebody", LANGUAGE="klingon")
    refused = await scene.run(TELEGRAM_BOT_TOKEN=_WRONG_TOKEN)
    broken = await scene.run(DATABASE_URL=f"sqlite:///{scene.folder / 'letter.db'}")

    assert [await each.end(timeout_s=BOOT_S) for each in (mistaken, refused, broken)] == [2, 2, 2]

    mistakes = _objects(mistaken.log)
    assert [line["event"] for line in mistakes] == ["settings_mistake"] * 2
    assert [line["message"].split()[0] for line in mistakes] == ["ALLOWED_CHATS", "LANGUAGE"]
    assert any("refuses TELEGRAM_BOT_TOKEN" in line["message"] for line in _objects(refused.log))
    [line] = _objects(broken.log)
    assert (line["level"], line["event"]) == ("ERROR", "gave_up")
    assert refused.output + broken.output + mistaken.output == ""


@about_sqlite
async def test_a_start_and_a_stop_have_a_few_lines(scene: Scene):
    bot = await scene.start_bot(LOG_FORMAT="json")
    assert await bot.stop() == 0

    lines = _objects(bot.log)
    events = [line["event"] for line in lines]
    assert events == ["database_created", "started", "connected", "stopping", "stopped"]
    assert lines[1].items() >= {"mode": "long polling", "python": platform.python_version()}.items()
    assert "alibailian (127.0.0.1" in lines[1]["providers"][0]
    assert lines[-1]["videos"] == 0

    again = await scene.start_bot(LOG_FORMAT="json")
    await again.stop()
    [opened, *_] = _objects(again.log)
    assert (opened["event"], opened["watched"], opened["waiting"]) == ("database_opened", 0, 0)
    assert opened["path"] == str(scene.folder / "reelwatch.db")


async def test_a_bot_whose_log_nobody_reads_works_and_stops(scene: Scene):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * 4096)  # full from the start
    settings = scene.settings | {"LOG_LEVEL": "DEBUG"}
    process = await asyncio.create_subprocess_exec(
        *command(),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=writer,
        cwd=scene.folder,
        env=environment(settings),
    )
    os.close(writer)
    try:
        anna, task = scene.add_user(), scene.task("alibailian")
        await scene.wait_for(lambda: scene.telegram.requests, timeout_s=BOOT_S)
        command_id = await scene.watch(anna, task)
        scene.finish(task)
        await scene.poll(anna, task)
        await scene.until_video(anna, command_id)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(BOOT_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(reader)
