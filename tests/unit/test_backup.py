"""The commands for the database read no other setting, and describe what a database holds."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.backup import backup, described, restore
from bot.config import SettingsError, load_database
from bot.errors import FileRefused, OutputFailed
from storage.contents import Contents
from storage.postgres_url import PostgresUrl


@pytest.mark.parametrize(
    ("watches", "unsent", "sentence"),
    [
        (1, 1, "schema 8, 1 active watch, 1 message waiting"),
        (0, 2, "schema 8, 0 active watches, 2 messages waiting"),
    ],
)
def test_what_a_database_holds_is_counted(watches: int, unsent: int, sentence: str):
    assert described(Contents(schema=8, watches=watches, unsent=unsent)) == sentence


def test_the_database_alone_needs_no_other_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_database() == Path("data/reelwatch.db").absolute()

    (tmp_path / ".env").write_text("DATABASE_URL=sqlite:////a.db\nHEALTH_PORT=many\n")
    assert load_database() == Path("/a.db")

    monkeypatch.setenv("DATABASE_URL", "sqlite:////b.db")
    assert load_database() == Path("/b.db")


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (
            "DATABASE_URL=mysql://a",
            "DATABASE_URL is neither sqlite:///relative.db, sqlite:////absolute.db nor"
            " postgresql://user:password@host/name.",
        ),
        ("DATABASE_ULR=sqlite:////a.db", "DATABASE_ULR is not a setting; DATABASE_URL is meant."),
        ("DATABASE_URL", "Line 1 of .env has no '='."),
    ],
)
def test_a_mistake_about_the_database_is_not_taken_for_the_default_one(
    tmp_path: Path, line: str, mistake: str
):
    (tmp_path / ".env").write_text(line)

    with pytest.raises(SettingsError) as error:
        load_database()

    assert error.value.mistakes == [mistake]


@pytest.mark.parametrize(("command", "tool"), [(backup, "pg_dump"), (restore, "pg_restore")])
def test_a_database_on_a_server_has_tools_of_its_own(command: Callable[[PostgresUrl, str], None], tool: str):
    with pytest.raises(FileRefused, match=rf"^postgresql://db/name is on a PostgreSQL server: .* {tool}, "):
        command(PostgresUrl.of("postgresql://me:word@db/name"), "a.db")


def test_a_full_disk_is_a_copy_that_was_not_written(tmp_path: Path, request: pytest.FixtureRequest):
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.executescript("CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(1000000));")
    request.getfixturevalue("full_disk")

    with pytest.raises(OutputFailed, match="There is no room for the copy in /"):
        backup(tmp_path / "a.db", "copy.db")

    assert [each.name for each in tmp_path.iterdir()] == ["a.db"]
