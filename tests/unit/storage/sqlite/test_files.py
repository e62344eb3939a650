"""The files of a database, also where the folder does not say whether there are any."""

from pathlib import Path

import pytest

from bot.transfer import export_data
from storage import factory
from storage.errors import StoreUnavailable
from storage.sqlite.files import bytes_on_disk, exists
from storage.sqlite.store import SqliteStore
from tests.contract.store.driver import Driver

UNREACHABLE = "a" * 300  # longer than a name may be, which fails like a folder without access


def test_all_files_that_exist_count(tmp_path: Path):
    path = tmp_path / "a.db"
    assert (exists(path), bytes_on_disk(path)) == (False, 0)

    for suffix, size in (("", 100), ("-wal", 20), ("-shm", 3)):
        Path(f"{path}{suffix}").write_bytes(bytes(size))
    assert (exists(path), bytes_on_disk(path)) == (True, 123)


async def test_a_database_that_cannot_be_reached_is_an_error_of_the_store(tmp_path: Path):
    path = tmp_path / UNREACHABLE
    sentence = f"The database {path} cannot be reached: File name too long"

    with pytest.raises(StoreUnavailable, match=sentence):
        await SqliteStore.open(path)
    with pytest.raises(StoreUnavailable, match=sentence):
        factory.summary_of(path)
    with pytest.raises(StoreUnavailable, match=sentence):
        export_data(path, str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_becomes_unreachable_is_an_error_of_the_store(tmp_path: Path):
    store = await SqliteStore.open(tmp_path / "a.db")
    now = Driver(store).now
    store._file.path = tmp_path / UNREACHABLE

    for call in (store.check(), store.workload(at=now), store.figures()):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await call
    await store.close()
