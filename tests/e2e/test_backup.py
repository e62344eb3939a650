"""An operator copies the database of a running bot, puts the copy back, and moves it by an export."""

import asyncio
import shlex
import sqlite3
import stat
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import closing
from pathlib import Path

from storage.factory import is_database, open_store
from tests.e2e.database import about_sqlite
from tests.e2e.program import command, environment
from tests.e2e.scene import Scene

pytestmark = about_sqlite

# As in a new shell: no setting but the database.
NOTHING_ELSE = {"TELEGRAM_BOT_TOKEN": "", "GATEWAY_BASE_URL": "", "GATEWAY_API_KEY": "", "ADMINS": ""}


async def piped(scene: Scene, *arguments: str, source: Path | None = None, target: Path) -> tuple[int, str]:
    """Run a command between two files, as a shell does; return its status and what it says."""
    with (source or Path("/dev/null")).open("rb") as read, target.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *command(*arguments),
            stdin=read,
            stdout=written,
            stderr=asyncio.subprocess.PIPE,
            cwd=scene.folder,
            env=environment({"DATABASE_URL": scene.settings["DATABASE_URL"]}),
        )
        _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_backup_of_a_running_bot_is_restored_and_its_video_comes_once(scene: Scene):
    anna, task = scene.add_user(), scene.task("newapi")
    bot = await scene.start_bot()
    command_id = await scene.watch(anna, task)

    made = await scene.run("backup", "copy.db", **NOTHING_ELSE)
    assert await made.end() == 0
    assert "copy.db: schema" in made.log
    assert "1 active watch," in made.log
    copy = scene.folder / "copy.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [
        secret for secret in (scene.telegram.token, scene.gateway.key) if secret.encode() in copy.read_bytes()
    ] == []

    refused = await scene.run("restore", "copy.db", **NOTHING_ELSE)
    assert await refused.end() == 2
    assert refused.log == f"The database {scene.folder / 'reelwatch.db'} is in use: stop the bot first.\n"

    await bot.kill()
    restored = await scene.run("restore", "copy.db", **NOTHING_ELSE)
    assert await restored.end() == 0
    assert f"The database that was there before is {scene.folder / 'reelwatch.db'}.replaced-" in restored.log

    bot = await scene.start_bot()
    assert "tasks watched: 1," in bot.log
    scene.finish(task)
    await scene.until_video(anna, command_id)
    await scene.until_all_is_sent()
    assert len([each for each in scene.replies(anna, command_id) if each.video]) == 1


async def test_a_backup_goes_through_pipes_and_nothing_but_the_database_is_on_standard_output(scene: Scene):
    anna, task = scene.add_user(), scene.task("newapi")
    bot = await scene.start_bot()
    await scene.watch(anna, task)
    copy, nothing = scene.folder / "copy.db", scene.folder / "nothing"

    status, said = await piped(scene, "backup", "-", target=copy)
    assert (status, len(said.splitlines())) == (0, 1)
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    await bot.stop()

    for file in scene.folder.glob("reelwatch.db*"):
        if file.is_file():
            file.unlink()
    status, said = await piped(scene, "restore", "-", source=copy, target=nothing)
    assert (status, nothing.read_bytes()) == (0, b"")
    assert "1 active watch," in said
    assert sorted(each.name for each in scene.folder.glob("reelwatch.db*") if each.is_file()) == [
        "reelwatch.db",
        "reelwatch.db.lock",
    ]


async def test_a_reader_that_goes_away_is_one_sentence(scene: Scene):
    bot = await scene.start_bot()
    await bot.stop()

    process = await asyncio.create_subprocess_shell(
        f"({' '.join(command('backup', '-'))}; echo $? > status) | true",
        stderr=asyncio.subprocess.PIPE,
        cwd=scene.folder,
        env=environment({"DATABASE_URL": scene.settings["DATABASE_URL"]}),
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)

    assert said.decode() == "Standard output was closed before everything was written.\n"
    assert (scene.folder / "status").read_text() == "1\n"
    assert list(scene.folder.glob("*.part")) == []


async def test_commands_that_cannot_work_say_why_in_one_sentence_and_change_nothing(scene: Scene):
    (scene.folder / "letter.txt").write_text("Dear Anna, " * 100)
    (scene.folder / "empty.db").touch()
    sentences = {
        (
            "backup",
            "copy.db",
        ): f"There is no database {scene.folder / 'reelwatch.db'}; DATABASE_URL says where it is.",
        ("restore", "no.db"): "There is no file no.db.",
        ("restore", "letter.txt"): "The file letter.txt is not a database.",
        ("restore", "empty.db"): "The file empty.db is empty.",
    }

    programs = [await scene.run(*arguments, **NOTHING_ELSE) for arguments in sentences]

    assert [await program.end() for program in programs] == [2] * len(sentences)
    assert [program.log.strip() for program in programs] == list(sentences.values())
    assert not (scene.folder / "reelwatch.db").exists()


async def test_a_bot_that_moves_by_export_and_import_finishes_what_it_watched(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    bot = await scene.start_bot()
    command_id = await scene.watch(anna, task)
    during = await scene.run("export", "during.jsonl", **NOTHING_ELSE)
    assert await during.end() == 0
    assert "To move, stop the bot and export again." in during.log
    refused = await scene.run("import", "during.jsonl", **NOTHING_ELSE)
    assert await refused.end() == 2
    assert "is in use: stop the bot first" in refused.log
    await bot.stop()

    exported, nothing = scene.folder / "moved.jsonl", scene.folder / "nothing"
    status, said = await piped(scene, "export", "-", target=exported)
    assert (status, "A bot runs" in said) == (0, False)
    for secret in (scene.telegram.token, scene.gateway.key):
        assert secret.encode() not in exported.read_bytes()
    status, said = await piped(scene, "import", "-", source=exported, target=nothing)
    assert (status, said.count("\n"), "already; an import needs an empty one." in said) == (2, 1, True)
    for file in scene.folder.glob("reelwatch.db*"):
        if file.is_file():
            file.unlink()
    status, said = await piped(scene, "import", "-", source=exported, target=nothing)
    assert (status, "1 tasks, " in said, nothing.read_bytes()) == (0, True, b"")
    again = scene.folder / "again.jsonl"
    assert (await piped(scene, "export", "-", target=again))[0] == 0
    assert again.read_bytes() == exported.read_bytes()

    await scene.start_bot()
    scene.finish(task)
    await scene.until_video(anna, command_id)
    await scene.until_all_is_sent()
    assert len([each for each in scene.replies(anna, command_id) if each.video]) == 1


async def test_commands_in_a_shell_that_has_closed_their_streams_end_in_a_sentence_or_with_the_copy(
    tmp_path: Path,
):
    settings = environment({"DATABASE_URL": "sqlite:///a.db"})
    store = await open_store(tmp_path / "a.db")
    await store.close()

    async def shell(command_line: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_shell(
            f"{shlex.join(command())} {command_line}", stderr=PIPE, stdin=DEVNULL, cwd=tmp_path, env=settings
        )
        _, said = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, said.decode()

    unwritten = "Standard output cannot be written: Bad file descriptor.\n"
    assert await shell("backup - >&-") == (1, unwritten)
    assert await shell("export - >&-") == (1, unwritten)
    assert await shell("restore - <&-") == (2, "The file on standard input is empty.\n")
    assert await shell("backup - > b.db 2>&-") == (0, "")
    assert is_database(tmp_path / "b.db")
    assert (tmp_path / "b.db").stat().st_size % 4096 == 0  # no sentence after the copy
