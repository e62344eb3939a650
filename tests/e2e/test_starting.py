"""Starts that cannot succeed say why in a sentence; those that can, wait."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from bot.sandbox.faults import DROPPED
from bot.sandbox.telegram.api_errors import flood
from storage.factory import open_store
from tests.e2e.database import about_sqlite
from tests.e2e.program import Program
from tests.e2e.scene import BOOT_S, Scene

_WRONG_TOKEN = "7000000001:AAwrong-token-of-nobody-at-all-0123456"
_MISTAKEN = {
    "TELEGRAM_BOT_TOKEN": "not-a-token-but-secret",
    "GATEWAY_BASE_URL": "gateway.example",
    "GATEWAY_API_KEY": "a key with spaces",
    "ALLOWED_CHATS": "@somebody",
    "LOG_LEVEL": "LOUD",
    "HEALTH_PORT": "70000",
    "PROVIDERS__MINE__KIND": "midjourney",
    "PROVIDERS__MINE__API_KYE": "sk-mistyped-name-of-a-setting",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, Program]]:
    """Exit status and process of every start that cannot succeed."""
    folder = tmp_path_factory.mktemp("starting")
    starts: Mapping[str, Mapping[str, str]] = {
        "mistakes": _MISTAKEN,
        "nothing": {"TELEGRAM_BOT_TOKEN": "", "GATEWAY_BASE_URL": "", "GATEWAY_API_KEY": ""},
        "wrong token": {"TELEGRAM_BOT_TOKEN": _WRONG_TOKEN},
        "from the future": {"DATABASE_URL": _from_the_future(folder / "future.db")},
        "no database": {"DATABASE_URL": _text(folder / "letter.db")},
        "below a file": {"DATABASE_URL": f"{_text(folder / 'file')}/reelwatch.db"},
    }

    async with Scene.open(folder) as scene:
        programs = {name: await scene.load(**settings) for name, settings in starts.items()}
        return {
            name: (await program.end(timeout_s=2 * BOOT_S), program) for name, program in programs.items()
        }


def _from_the_future(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
    return f"sqlite:///{path}"


def _put_off_polls(path: Path) -> None:
    """As after many that failed."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE tasks SET next_poll_at = next_poll_at + 300")


def _text(path: Path) -> str:
    path.write_text("Dear Anna, " * 100)
    return f"sqlite:///{path}"


def test_every_mistake_in_the_settings_is_listed_and_no_value_is_shown(ended: dict[str, tuple[int, Program]]):
    status, program = ended["mistakes"]
    lines = program.log.splitlines()
    assert status == 2
    for name in ("TELEGRAM_BOT_TOKEN", "GATEWAY_BASE_URL", "GATEWAY_API_KEY", "ALLOWED_CHATS", "LOG_LEVEL"):
        assert len([line for line in lines if line.startswith(name)]) == 1
    for name in ("HEALTH_PORT", "PROVIDERS__MINE__KIND", "PROVIDERS__MINE__API_KYE"):
        assert len([line for line in lines if line.startswith(name)]) == 1
    assert len(lines) == len(_MISTAKEN)
    shown = [value for name, value in _MISTAKEN.items() if "TOKEN" in name or "API" in name]
    assert [value for value in shown if value in program.log] == []


def test_a_start_without_a_token_reports_it(ended: dict[str, tuple[int, Program]]):
    status, program = ended["nothing"]
    assert (status, program.log) == (2, "TELEGRAM_BOT_TOKEN is missing.\n")


def test_a_token_refused_by_telegram_ends_the_start(ended: dict[str, tuple[int, Program]]):
    status, program = ended["wrong token"]
    assert status == 2
    assert "refuses TELEGRAM_BOT_TOKEN" in program.log
    assert "AAwrong" not in program.log


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("from the future", "newer version"),
        ("no database", "not a database"),
        ("below a file", "cannot be made"),
    ],
)
def test_an_unusable_database_is_reported_in_one_line(
    ended: dict[str, tuple[int, Program]], start: str, why: str
):
    status, program = ended[start]
    assert status == 2
    assert why in program.log
    assert len(program.log.splitlines()) == 1


@pytest.mark.parametrize(
    "start",
    ["mistakes", "nothing", "wrong token", "from the future", "no database", "below a file"],
)
def test_no_traceback_is_printed(ended: dict[str, tuple[int, Program]], start: str):
    assert "Traceback" not in ended[start][1].log


async def test_without_a_network_the_bot_retries_and_logs_it_once(scene: Scene):
    scene.telegram.fail("getMe", DROPPED, times=2)
    anna, task = scene.add_user(), scene.task("newapi")
    scene.finish(task)
    command_id = scene.telegram.send(anna, f"/watch newapi {task.task_id}")
    bot = await scene.start_bot()
    await scene.until_video(anna, command_id)
    assert bot.log.count("is not responding") == 1
    assert "Connected to Telegram as @reelwatch_bot" in bot.log


async def test_a_flood_wait_at_the_start_is_respected(scene: Scene):
    scene.telegram.fail("getMe", flood(3))
    starting = asyncio.create_task(scene.start_bot())
    await scene.wait_for(lambda: scene.telegram.requests)
    refused_at = time.monotonic()
    await starting
    assert time.monotonic() - refused_at >= 2.9  # the backoff alone is a second


async def test_proxy_variables_of_the_shell_are_ignored(scene: Scene):
    shell = {"all_proxy": "socks5://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    bot, check = await scene.start_bot(**shell), await scene.run("check", **shell)
    assert await check.end() == 0
    assert "is not responding" not in bot.log


async def test_without_a_provider_the_bot_starts_and_logs_what_is_missing(scene: Scene):
    bot = await scene.start_bot(GATEWAY_BASE_URL="", GATEWAY_API_KEY="")
    await scene.wait_for(lambda: "No provider is configured yet" in bot.log)


async def test_the_menu_is_in_the_configured_language(scene: Scene):
    await scene.start_bot(LANGUAGE="en")
    menus = scene.telegram.state.commands
    await scene.wait_for(lambda: len(menus) >= 2)
    assert {menu[0]["description"] for menu in menus.values()} == {
        "Watch tasks: provider and ids, or any text with ids"
    }


@about_sqlite
async def test_of_two_bots_with_one_token_the_older_reports_it_and_exits(scene: Scene):
    anna = scene.add_user()
    older = await scene.start_bot()
    await scene.command(anna, "/help")
    newer = await scene.run(DATABASE_URL=f"sqlite:///{scene.folder / 'newer.db'}")
    assert await older.end() == 1
    assert "409 Conflict" in older.log
    assert "Traceback" not in older.log

    await scene.command(anna, "/help")
    assert newer.is_running


@about_sqlite
async def test_a_bot_of_another_token_does_not_start_on_a_running_bot_s_database(scene: Scene):
    bot = await scene.start_bot()

    other = await scene.run(TELEGRAM_BOT_TOKEN="7000000002:AAtoken-of-a-second-bot-on-one-volume")

    assert await other.end() == 2
    assert "is in use by another bot, whose id is 7000000001: each needs its own folder" in other.log
    assert bot.is_running


@about_sqlite
async def test_tasks_of_a_removed_provider_show_it_and_continue_once_it_is_configured_again(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    bot = await scene.start_bot(PROVIDERS__MINE__KIND="jimeng")
    command_id = scene.telegram.send(anna, f"/watch mine {task.task_id}")
    await scene.until_shown(anna, command_id, "Queued")
    await bot.stop()

    bot = await scene.start_bot()
    await scene.until_shown(anna, command_id, "no longer in the bot's settings")
    await scene.wait_for(lambda: "🔑 mine is no longer" in scene.telegram.messages(anna)[-1].plain_text)
    assert "not configured: mine" in bot.log
    await bot.stop()
    _put_off_polls(scene.folder / "reelwatch.db")

    scene.finish(task)
    await scene.start_bot(PROVIDERS__MINE__KIND="jimeng")
    await scene.until_video(anna, command_id)
    await scene.wait_for(lambda: "settings" not in scene.replies(anna, command_id)[0].plain_text)


@about_sqlite
async def test_check_reports_files_readable_by_others_and_a_start_restricts_them(scene: Scene):
    database, downloads = scene.folder / "reelwatch.db", scene.folder / "reelwatch.db.downloads"
    await (await open_store(database)).close()
    check = await scene.run("check")
    assert await check.end() == 0
    assert "on this machine" not in check.output
    for path, mode in ((scene.folder, 0o755), (downloads, 0o755), (database, 0o644)):
        path.chmod(mode)

    check = await scene.run("check")
    assert await check.end() == 0
    for path in (downloads, database):
        assert f"  warn  Others on this machine can read {path};" in check.output

    bot = await scene.start_bot()
    assert [path.stat().st_mode & 0o777 for path in (downloads, database)] == [0o700, 0o600]
    assert "on this machine" not in bot.log
