"""Whatever is in a database comes through an export and an import unchanged, and nothing else comes in."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage import factory
from storage.errors import ImportRefused, StoreError, StoreInUse, StoreUnavailable
from storage.export import MAX_LINE, read_export, write_export
from storage.models import DeliveryKind
from storage.records import TABLES
from tests.contract.random_records import RandomRecords, elsewhere
from tests.contract.store.driver import CHAT, Driver

Lines = list[dict[str, Any]]


def export(path: Path) -> bytes:
    file = io.BytesIO()
    with factory.open_dump(path) as dump:
        write_export(dump, file, program="1.0")
    return file.getvalue()


def import_(path: Path, written: bytes) -> None:
    with factory.open_load(path) as load:
        read_export(io.BytesIO(written), load, called="it")


def lines_of(written: bytes) -> Lines:
    return [json.loads(line) for line in written.splitlines()]


def joined(lines: Lines, *, with_digest: bool = False) -> bytes:
    """An export with these lines; without the digest, as if a person had edited it."""
    if not with_digest:
        lines = [{name: value for name, value in line.items() if name != "sha256"} for line in lines]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A database with random records in all tables."""
    fill(tmp_path / "full.db", seed=1)
    return tmp_path / "full.db"


def fill(path: Path, *, seed: int) -> None:
    records = RandomRecords(seed).all()
    with factory.open_load(path) as load:
        for table, record in records:
            assert table.mistake_in(record) is None, (table.name, record)
            load.add(table, record)
        load.set_next_ids({table.name: 2**40 for table in TABLES})


@pytest.mark.parametrize("seed", range(20))
def test_an_export_of_an_import_is_equal_byte_by_byte(tmp_path: Path, seed: int):
    fill(tmp_path / "a.db", seed=seed)
    first = export(tmp_path / "a.db")

    import_(tmp_path / "b.db", first)

    assert export(tmp_path / "b.db") == first
    expected = [{"table": table.name} | record for table, record in RandomRecords(seed).all()]
    assert lines_of(first)[1:-1] == expected


async def test_what_bot_and_users_have_written_is_exported_while_the_bot_runs_and_imported(tmp_path: Path):
    store = await factory.open_store(tmp_path / "a.db")
    driver = Driver(store)
    await driver.watch("t1")
    await driver.watch_batch("t2", "t3", "t4", "t5")
    await driver.fail_key((await store.active_watches(CHAT))[0].task.id)
    (sending,) = await store.claim_deliveries(9, at=driver.now, lease_s=60)

    written = export(tmp_path / "a.db")
    await store.close()
    import_(tmp_path / "b.db", written)

    assert export(tmp_path / "b.db") == written
    moved = await factory.open_store(tmp_path / "b.db")
    try:
        driver = Driver(moved)
        assert len(await moved.active_watches(CHAT)) == 5
        assert len(await driver.claim_tasks()) == 4  # the fifth is due later
        waiting = []
        while again := await moved.claim_deliveries(9, at=driver.now, lease_s=60):
            waiting += again
        assert sending.delivery.id in {one.delivery.id for one in waiting}
        assert {DeliveryKind.CARD, DeliveryKind.BATCH} <= {one.delivery.kind for one in waiting}
    finally:
        await moved.close()


async def test_ids_go_on_where_they_were(tmp_path: Path):
    store = await factory.open_store(tmp_path / "a.db")
    watched = await Driver(store).watch("t1")
    await store.close()
    lines = lines_of(export(tmp_path / "a.db"))
    lines[0]["next_ids"]["watches"] = 900

    import_(tmp_path / "b.db", joined(lines))

    moved = await factory.open_store(tmp_path / "b.db")
    assert (await Driver(moved).watch("t1")).watch.id == watched.watch.id
    assert (await Driver(moved).watch("t2")).watch.id == 900
    await moved.close()


def test_a_time_of_another_zone_is_the_same_time(full: Path, tmp_path: Path):
    written = export(full)
    lines = lines_of(written)
    for line in lines[1:-1]:
        if line["table"] == "watches":
            line["created_at"] = elsewhere(line["created_at"])

    import_(tmp_path / "b.db", joined(lines))

    assert export(tmp_path / "b.db") == written


def _change(name: str, /, **values: Any) -> Callable[[Lines], None]:
    """Change the first record of a table."""

    def change(lines: Lines) -> None:
        next(line for line in lines if line.get("table") == name).update(values)

    return change


def _swap(lines: Lines) -> None:
    """Put a watch before its task."""
    task, watch = (
        next(n for n, line in enumerate(lines) if line.get("table") == name) for name in ("tasks", "watches")
    )
    lines.insert(task, lines.pop(watch))


def _repeat(lines: Lines) -> None:
    lines.insert(2, dict(lines[1]))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            _change("tasks", status="asleep"),
            r"Line \d+ of it has a value of status that is not allowed there",
        ),
        (_change("tasks", provider=None), r"Line \d+ of it lacks provider"),
        (_change("tasks", id="1"), r"Line \d+ of it has a value of id"),
        (_change("tasks", id=2**62 + 1), r"Line \d+ of it has a value of id"),
        (_change("tasks", failures=True), r"Line \d+ of it has a value of failures"),
        (_change("tasks", failures=-1), r"Line \d+ of it has a value of failures"),
        (_change("tasks", version=10**9 + 1), r"Line \d+ of it has a value of version"),
        (_change("deliveries", attempts=-1), r"Line \d+ of it has a value of attempts"),
        (_change("tasks", failures=1.5), r"Line \d+ of it has a value of failures"),
        (_change("tasks", provider="\ud800"), r"Line \d+ of it has a value of provider"),
        (_change("tasks", registered_at="yesterday"), r"Line \d+ of it has a value of registered_at"),
        (
            _change("tasks", registered_at="2026-01-01T00:00:00"),
            r"Line \d+ of it has a value of registered_at",
        ),
        (_change("tasks", registered_at="0001-01-01T00:00:00+14:00"), r"Line \d+ of it has a value"),
        (_change("tasks", snapshot={"status": "running"}), r"Line \d+ of it has a value of snapshot"),
        (_change("tasks", snapshot=["running"]), r"Line \d+ of it has a value of snapshot"),
        (_change("tasks", colour="red"), r"Line \d+ of it has a field that is not known"),
        (_change("watches", task_id=5), r"Line \d+ of it refers to a record that does not come before it"),
        (_change("deliveries", priority="high"), r"Line \d+ of it has a value of priority"),
        (
            _change("deliveries", kind="report", content={}),
            r"Line \d+ of it has a content that does not belong",
        ),
        (_change("deliveries", kind="batch", batch_id=None), r"Line \d+ of it has a content that does not"),
        (_change("chats", table="robots"), r"Line 2 of it names no table that is known"),
        (_change("chats", table=["chats"]), r"Line 2 of it names no table that is known"),
        (_swap, r"Line \d+ of it refers to a record that does not come before it"),
        (_repeat, r"Line 3 of it has a key that another record has"),
        (lambda lines: lines.pop(1), "it holds 48 records, and other ones than its first line counts, 49"),
        (lambda lines: lines.pop(), r"it ends after line 50, before its last line: it was cut off"),
        (lambda lines: lines.append({}), r"Line 52 of it comes after the last one"),
        (lambda lines: lines.pop(0), "it is not an export of this program"),
        (
            lambda lines: lines[0].update(reelwatch_export=2),
            r"it was written by a newer version of the program, 1\.0",
        ),
        (
            lambda lines: lines[0].update(reelwatch_export=2, program="\x1b[2J"),
            "it was written by a newer version of the program, an unknown one",
        ),
        (lambda lines: lines[0].update(schema=999), "it was written by a newer version of the program"),
        (lambda lines: lines[0].update(counts=[]), "Line 1 of it has no counts"),
        (lambda lines: lines[0].update(next_ids={}), "Line 1 of it does not name the next ids"),
        (lambda lines: lines[0].pop("next_ids"), "Line 1 of it does not name the next ids"),
        (
            lambda lines: lines[0]["next_ids"].update(tasks=2**62 + 1),
            "Line 1 of it does not name the next ids",
        ),
    ],
)
def test_a_damaged_export_is_refused_in_one_sentence_and_nothing_is_made(
    full: Path, tmp_path: Path, damage: Callable[[Lines], None], sentence: str
):
    lines = lines_of(export(full))
    damage(lines)

    with pytest.raises(ImportRefused, match=f"^{sentence}"):
        import_(tmp_path / "new" / "b.db", joined(lines))

    assert [each.name for each in (tmp_path / "new").iterdir()] == ["b.db.lock"]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "it is not an export of this program"),
        (b"Dear Anna,\n", "it is not an export of this program"),
        (b"[" * 100_000, "it is not an export of this program"),
        (b'{"reelwatch_export": 1, "schema": ' + b"9" * 10_000 + b"}", "it is not an export of this program"),
        (b"x" * (MAX_LINE + 1), "Line 1 of it is longer than 16 MiB"),
        (b"\xff\xfe" * 10, "it is not an export of this program"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, written: bytes, sentence: str):
    with pytest.raises(ImportRefused, match=sentence):
        import_(tmp_path / "b.db", written)


def test_an_export_cut_off_anywhere_is_refused(full: Path, tmp_path: Path):
    written = export(full)

    for length in range(0, len(written) - 1, len(written) // 40):
        with pytest.raises(ImportRefused):
            import_(tmp_path / "b.db", written[:length])


def test_a_changed_byte_is_noticed(full: Path, tmp_path: Path):
    lines = lines_of(export(full))
    _change("chats", title="another")(lines)

    with pytest.raises(ImportRefused, match="it was changed after it was written"):
        import_(tmp_path / "b.db", joined(lines, with_digest=True))


async def test_a_database_that_only_a_first_start_has_written_to_is_replaced(full: Path, tmp_path: Path):
    store = await factory.open_store(tmp_path / "b.db")
    await store.sync_allowed_chats([1, 2], at=Driver(store).now)
    await store.save_estimates("{}")
    await store.close()

    import_(tmp_path / "b.db", export(full))

    assert export(tmp_path / "b.db") == export(full)


async def test_a_database_with_data_is_not_imported_into(full: Path, tmp_path: Path):
    store = await factory.open_store(tmp_path / "b.db")
    await Driver(store).watch()
    await store.close()
    before = export(tmp_path / "b.db")

    with pytest.raises(
        ImportRefused, match=r"b\.db holds tasks already; an import needs an empty one or none"
    ):
        import_(tmp_path / "b.db", export(full))

    assert export(tmp_path / "b.db") == before


async def test_nothing_is_imported_while_a_bot_has_the_database_open(full: Path, tmp_path: Path):
    store = await factory.open_store(tmp_path / "b.db")

    with pytest.raises(StoreInUse):
        import_(tmp_path / "b.db", export(full))

    await store.close()


def test_a_database_of_another_schema_is_not_exported(full: Path):
    with closing(sqlite3.connect(full)) as database:
        database.execute("PRAGMA user_version = 8")

    with pytest.raises(StoreUnavailable, match="has schema 8, and this program exports"):
        export(full)


def test_a_row_that_cannot_be_written_is_named(full: Path):
    with closing(sqlite3.connect(full, isolation_level=None)) as database:
        database.execute("UPDATE tasks SET registered_at = 1e300")

    with pytest.raises(StoreError, match="A row of tasks cannot be read"):
        export(full)
