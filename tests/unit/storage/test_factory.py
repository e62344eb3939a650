"""The store is opened where its file is to be."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from storage.errors import StoreRefused, StoreUnavailable, not_made
from storage.factory import open_store, schema_version
from storage.postgres_url import PostgresUrl


async def test_an_absolute_path_is_opened_and_its_folder_is_made(tmp_path: Path):
    store = await open_store(tmp_path / "deep/er/a.db")
    await store.close()

    assert (tmp_path / "deep" / "er" / "a.db").is_file()


async def test_a_relative_path_is_relative_to_the_working_directory():
    store = await open_store(Path("data/a.db"))
    await store.close()

    assert Path("data/a.db").is_file()


@pytest.mark.parametrize("below", ["a.db", "folder/a.db"])
async def test_a_path_below_a_file_is_unavailable(tmp_path: Path, below: str):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match=r"file/.*a\.db cannot be made"):
        await open_store(tmp_path / "file" / below)


async def test_a_database_that_cannot_be_made_has_its_own_name_in_the_sentence(tmp_path: Path):
    path = tmp_path / f"{'a' * 230}.db"  # its draft's name is too long

    with pytest.raises(StoreUnavailable) as caught:
        await open_store(path)

    assert str(caught.value) == f"The database {path} cannot be made: File name too long."


def test_who_lacks_rights_and_where_is_in_the_sentence(tmp_path: Path):
    error = not_made(tmp_path / "new" / "a.db", PermissionError(errno.EACCES, "Permission denied"))

    assert f"user {os.geteuid()}, who runs this, may not write to {tmp_path}." in str(error)


async def test_a_directory_is_unavailable(tmp_path: Path):
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await open_store(tmp_path)


async def test_the_folder_that_is_made_is_the_owners_alone(tmp_path: Path):
    store = await open_store(tmp_path / "new/a.db")
    await store.close()

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_a_new_database_has_the_schema_version(tmp_path: Path):
    await (await open_store(tmp_path / "a.db")).close()

    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database:
        [[version]] = database.execute("PRAGMA user_version")
    assert version == schema_version()


async def test_a_postgresql_url_opens_a_database_there(postgres_url: str):
    store = await open_store(PostgresUrl.of(postgres_url))
    try:
        await store.leadership.acquire()
        await store.check()
        assert await store.providers_with_due_tasks() == set()
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"path": "/nowhere"}, "does not exist on its server"),
        ({"user": "nobody"}, "refuses"),
        ({"query": "search_path=nowhere"}, "no schema of the name"),
        ({"query": "no_such_setting=1"}, "no_such_setting"),
    ],
)
async def test_a_postgresql_server_that_refuses_is_an_error_at_once(
    postgres_url: str, changed: dict[str, str], sentence: str
):
    parts = urlsplit(postgres_url)
    user, _, host = parts.netloc.rpartition("@")
    query = f"{parts.query}&{changed['query']}" if "query" in changed else parts.query
    url = parts._replace(
        path=changed.get("path", parts.path), netloc=f"{changed.get('user', user)}@{host}", query=query
    )

    with pytest.raises(StoreRefused, match=sentence):
        await open_store(PostgresUrl.of(urlunsplit(url)))


async def test_a_postgresql_server_that_is_away_is_no_error_of_opening():
    store = await open_store(PostgresUrl.of("postgresql://user@127.0.0.1:1/name?sslmode=disable"))

    assert not store.leadership.is_held
    await store.close()


def test_postgresqls_driver_is_loaded_only_for_its_url():
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, storage.factory; print('asyncpg' in sys.modules)"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout == "False\n"
