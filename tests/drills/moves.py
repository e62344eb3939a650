"""Drills of backups, moves and upgrades: a bot goes on with a copy of another's database."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

from bot.sandbox.faults import held
from bot.sandbox.gateway.tasks import Phase
from storage.sqlite.migrate import bundled_migrations
from tests.drills.bot_processes import BotProcesses
from tests.drills.database import BACKUP, MOVE, Copying, end_lease, lose, schema_version
from tests.drills.drills import CHAT, Drill, Report, Scale, finish, open_scene
from tests.drills.scene import KINDS, PATIENCE_S, DrillScene, SentWatch, Verdict
from tests.e2e.database import ON_POSTGRES

_PARALLEL = 3  # starts of a bot at once
_STARTS = 40  # that are killed in the migration, in full
_ROUND_EACH = 10  # kills of the drill at random moments for one round here


async def restore_in_mid_flight(bot_processes: BotProcesses, scale: Scale) -> Report:
    """A bot is lost at random moments, and a backup of the very moment is restored."""
    return await _rounds(bot_processes, scale, BACKUP, what="lost and restored from a backup")


async def move_in_mid_flight(bot_processes: BotProcesses, scale: Scale) -> Report:
    """The same with an export that is imported."""
    return await _rounds(bot_processes, scale, MOVE, what="lost and moved by export and import")


async def _rounds(bot_processes: BotProcesses, scale: Scale, copying: Copying, *, what: str) -> Report:
    """The bot is stopped (SIGSTOP) while it is copied, so that it does nothing that the copy lacks."""
    dice, rounds = random.Random(20261129), max(2, scale.kills // _ROUND_EACH)
    async with open_scene() as scene:
        copy = scene.folder / "copy"
        for number in range(rounds):
            watches = [
                scene.watch(kind, CHAT + 10 * number + n, is_done=dice.random() < 0.5)
                for n, kind in enumerate(KINDS)
            ]
            polls = scene.polls
            bot = await bot_processes.start(scene.settings, scene.folder)
            await scene.telegram.wait_for(lambda: scene.polls > polls, timeout_s=30)  # noqa: B023 - awaited here
            await asyncio.sleep(dice.uniform(0.05, 1.2))
            os.kill(bot.pid, signal.SIGSTOP)
            await copying.copy(scene.database, copy)
            await bot.kill()
            await lose(scene.database)
            await copying.put_back(scene.database, copy)
            await scene.note_abandoned()
            for watch in watches:
                if (
                    scene.gateway.tasks[watch.task.kind, watch.task.task_id].forced_phase
                    is not Phase.SUCCEEDED
                ):
                    scene.finish(watch.task)
        verdict = await finish(bot_processes, scene, patience_s=PATIENCE_S + 8 * rounds)
        return Report(what=f"the bot is {what}", runs=rounds, videos=len(scene.watches), verdict=verdict)


async def restore_after_the_old_bot_went_on(bot_processes: BotProcesses, scale: Scale) -> Report:
    """A backup is made while videos are uploaded, the bot finishes them, and the backup is restored."""
    async with open_scene() as scene:
        release = asyncio.Event()
        scene.telegram.fail("editMessageMedia", held(release), times=None)
        for number, kind in enumerate(KINDS):
            scene.watch(kind, CHAT + number)
        bot = await bot_processes.start(scene.settings, scene.folder)
        await scene.telegram.wait_for(lambda: _uploads(scene) >= len(KINDS), timeout_s=60)
        copy = scene.folder / "copy.db"
        await BACKUP.copy(scene.database, copy)
        release.set()
        await scene.settle()
        assert scene.is_delivered(), "the old bot did not go on"
        await bot.kill()
        await BACKUP.put_back(scene.database, copy)
        uploads = _uploads(scene)
        bot = await bot_processes.start(scene.settings, scene.folder)
        await scene.telegram.wait_for(lambda: _uploads(scene) >= uploads + len(KINDS), timeout_s=60)
        assert await bot.stop() == 0
        return Report(
            what="restored from a backup after which the bot had finished its uploads",
            runs=1,
            videos=len(KINDS),
            verdict=scene.verdict(),
        )


def _uploads(scene: DrillScene) -> int:
    return sum(request.method == "editMessageMedia" for request in scene.telegram.requests)


async def kill_the_migration(bot_processes: BotProcesses, scale: Scale) -> Report:
    """Between the opening of a database of the first schema and its first use; on a server, of an empty one.

    A server's database is migrated by the process that leads, before it works.
    """
    verdict, steps = await _upgrade(bot_processes, None)
    starts = scale.steps or _STARTS
    chosen = range(1, steps + 1, max(1, steps // starts))
    places = asyncio.Semaphore(_PARALLEL)

    async def once(step: int) -> tuple[Verdict, int]:
        async with places:
            return await _upgrade(bot_processes, step)

    verdicts, schemas = zip(*await asyncio.gather(*(once(step) for step in chosen)), strict=True)
    assert len(set(schemas)) > (1 if ON_POSTGRES else 2), "no kill came between the first and the last schema"
    return Report(
        what=f"kill -9 at each await of a start that migrates ({steps} steps)",
        runs=len(chosen),
        videos=len(chosen) + 1,
        verdict=sum(verdicts, verdict),
    )


async def _upgrade(bot_processes: BotProcesses, burns_at: int | None) -> tuple[Verdict, int]:
    """Start on a database of the first schema, whose watch no command repeats, and deliver its video.

    Returns also the number of steps, or of the schema that the killed bot left.
    """
    async with open_scene() as scene:
        file, kind = scene.database.location, KINDS[(burns_at or 0) % len(KINDS)]
        if isinstance(file, Path):
            coroutine, watch = "open_store", scene.watch(kind, CHAT, is_command=False)
            _make_first_schema(file, watch)
        else:
            coroutine = "PostgresLeadership.acquire"
            scene.watch(kind, CHAT)
        bot = await bot_processes.start(scene.settings, scene.folder, coroutine=coroutine, burns_at=burns_at)
        if burns_at is None:
            await scene.settle()
            assert await bot.stop() == 0, bot.log.read_text(encoding="utf-8")
            return scene.verdict(), bot.steps
        settled = asyncio.create_task(scene.settle())
        bot.ended.add_done_callback(lambda _: settled.cancel())
        await asyncio.wait([settled])
        await bot.kill()
        await end_lease(scene.database)
        schema = await schema_version(scene.database)
        return await finish(bot_processes, scene), schema


def _make_first_schema(file: Path, watch: SentWatch) -> None:
    """Make a database of the first schema that knows the watch."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript(bundled_migrations()[0].script)
        database.execute("PRAGMA user_version = 1")
        database.execute(
            "INSERT INTO tasks (provider, external_id, status, registered_at, next_poll_at)"
            " VALUES (?, ?, 'unknown', :now, :now)".replace(":now", str(time.time())),
            (watch.task.kind, watch.task.task_id),
        )
        database.execute(
            "INSERT INTO watches (task_id, chat_id, request_message_id, user_id, language, created_at)"
            " VALUES (1, ?, ?, ?, 'en', ?)",
            (watch.chat_id, watch.message_id, watch.chat_id, time.time()),
        )


MOVES: tuple[Drill, ...] = (
    restore_in_mid_flight,
    move_in_mid_flight,
    restore_after_the_old_bot_went_on,
    kill_the_migration,
)
