"""A bot in mid-life moves from SQLite to PostgreSQL by an export and an import, and back."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import asyncpg
import pytest

from bot.sandbox.faults import held, json_response
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.server import Request
from storage.factory import open_load
from storage.postgres_url import PostgresUrl
from tests.e2e.database import SceneDatabase
from tests.e2e.program import Program
from tests.e2e.scene import Scene, announces
from tests.postgres.schemas import new_schema

GROUP = -1001000000021
THROTTLED = json_response(
    429,
    {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 2",
        "parameters": {"retry_after": 2},
    },
)
NOTHING_ELSE = {"TELEGRAM_BOT_TOKEN": "", "GATEWAY_BASE_URL": "", "GATEWAY_API_KEY": "", "ADMINS": ""}


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[SceneDatabase]:
    """A schema without tables."""
    with new_schema(postgres_server) as url:
        yield SceneDatabase(url)


async def command(scene: Scene, *arguments: str) -> Program:
    """Run a command in a shell without other settings than the database, to its end."""
    program = await scene.run(*arguments, **NOTHING_ELSE)
    await program.end()
    return program


async def move(scene: Scene, target: SceneDatabase) -> None:
    """Move to another database, into which nothing can be moved again."""
    said = (await command(scene, "export", "move.jsonl")).log
    assert said.startswith("Exported ")
    assert "A bot runs" not in said
    scene.database = target
    assert (await command(scene, "import", "move.jsonl")).log.startswith("Imported ")
    refused = await command(scene, "import", "move.jsonl")
    assert refused.log.endswith(" already; an import needs an empty one.\n")
    assert await refused.end() == 2


def uploads(call: Request, chat_id: int) -> bool:
    return call.method == "editMessageMedia" and call.params["chat_id"] == str(chat_id)


def announces_in(call: Request, chat_id: int) -> bool:
    return call.method == "sendMessage" and announces(call, chat_id)


async def has_one_video(scene: Scene, chat_id: int, command_id: int) -> bool:
    await scene.until_video(chat_id, command_id)
    return len([each for each in scene.replies(chat_id, command_id) if each.video]) == 1


async def press(scene: Scene, chat_id: int, command_id: int, label: str) -> str:
    """Press a button of the card that was sent before the move; return what the bubble says."""
    card = scene.replies(chat_id, command_id)[0]
    [data] = [each["callback_data"] for each in card.buttons if each["text"].endswith(label)]
    query_id = scene.telegram.press(chat_id, card.message_id, data)
    [answer] = await scene.wait_for(
        lambda: [
            each.params["text"]
            for each in scene.telegram.requests
            if each.method == "answerCallbackQuery" and each.params["callback_query_id"] == query_id
        ]
    )
    return str(answer)


async def watch(scene: Scene, kind: str) -> tuple[int, int, GatewayTask]:
    """A watch in a private chat of its own."""
    chat_id, task = scene.add_user(), scene.task(kind)
    return chat_id, await scene.watch(chat_id, task), task


async def test_a_bot_in_mid_life_moves_to_postgresql_and_back_and_each_video_comes_once(
    scene: Scene, postgres: SceneDatabase
):
    scene.database = SceneDatabase(f"sqlite:///{scene.folder / 'old.db'}")
    bot = await scene.start_bot()
    running, uploading, throttled, last = [
        await watch(scene, kind) for kind in ("jimeng", "newapi", "videos", "alibailian")
    ]
    lin, group = scene.add_user(), scene.telegram.group(GROUP)
    tasks = [scene.task("newapi") for _ in range(4)]
    batch_id = scene.telegram.send(
        group, f"/watch newapi {' '.join(each.task_id for each in tasks)}", user=lin
    )
    await scene.until_shown(group, batch_id, "0 of 4 done")
    scene.telegram.fail(
        "editMessageMedia", held(asyncio.Event()), when=lambda call: uploads(call, uploading[0])
    )
    scene.telegram.fail("sendMessage", THROTTLED, when=lambda call: announces_in(call, throttled[0]))
    for chat_id, _, task in (uploading, throttled, (group, batch_id, tasks[0])):
        scene.finish(task)
        scene.telegram.send(chat_id, f"/status {task.task_id}", user=lin if chat_id == group else None)
    await scene.until_video(group, batch_id)
    await scene.wait_for(lambda: any(uploads(call, uploading[0]) for call in scene.telegram.requests))
    await scene.wait_for(lambda: any(announces_in(call, throttled[0]) for call in scene.telegram.requests))
    await bot.kill()
    with closing(sqlite3.connect(scene.folder / "old.db", isolation_level=None)) as old:
        old.execute("INSERT INTO chats VALUES (-7, 'old', NULL, 'kicked' || char(0), NULL, 1.5)")

    await move(scene, postgres)
    bot = await scene.start_bot()
    assert (await press(scene, *running[:2], "Check now")).startswith("Queued")
    assert "is in use: stop the bot first." in (await command(scene, "import", "move.jsonl")).log
    for chat_id, task in ((running[0], running[2]), *((group, each) for each in tasks[1:])):
        scene.finish(task)
        scene.telegram.send(chat_id, f"/status {task.task_id}", user=lin if chat_id == group else None)
    for chat_id, command_id, _ in (running, uploading, throttled):
        assert await has_one_video(scene, chat_id, command_id)
    await scene.until_shown(group, batch_id, "4 of 4 done")
    await scene.until_all_is_sent()
    assert len([each for each in scene.replies(group, batch_id) if each.video]) == 4
    assert await bot.stop() == 0

    await move(scene, SceneDatabase(f"sqlite:///{scene.folder / 'back.db'}"))
    await scene.start_bot()
    assert (await press(scene, *last[:2], "Check now")).startswith("Queued")
    scene.finish(last[2])
    await scene.poll(last[0], last[2])
    assert await has_one_video(scene, *last[:2])
    await scene.until_all_is_sent()
    assert len([each for each in scene.replies(group, batch_id) if each.video]) == 4


def make_tables(url: str) -> None:
    with open_load(PostgresUrl.of(url)) as load:
        load.finish({})


async def test_an_import_that_waits_for_the_server_ends_by_sigterm_with_one_sentence(
    scene: Scene, postgres: SceneDatabase
):
    scene.database = postgres
    (scene.folder / "move.jsonl").touch()
    await asyncio.to_thread(make_tables, postgres.url)
    session = await asyncpg.connect(postgres.url)
    try:
        await session.execute("BEGIN; LOCK TABLE leader IN ACCESS EXCLUSIVE MODE")
        program = await scene.run("import", "move.jsonl", **NOTHING_ELSE)
        while not await session.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert program.is_running

        assert await program.stop() == 1
        assert program.log == "Interrupted before the end.\n"
    finally:
        await session.close()
