"""A damaged export is refused, by every engine, in the same sentence, and nothing is imported."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from storage.errors import ImportRefused
from storage.export import MAX_LINE
from tests.contract.exports import Database, Lines, change, import_, joined, lines_of

NewDatabase = Callable[[], Database]


def is_untouched(database: Database) -> bool:
    """Whether there is nothing but the lock of a file."""
    if isinstance(database, Path):
        return [each.name for each in database.parent.iterdir()] == [f"{database.name}.lock"]

    async def relations() -> int:
        session = await asyncpg.connect(database.dsn)
        try:
            return int(
                await session.fetchval(
                    "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
                )
            )
        finally:
            await session.close()

    return asyncio.run(relations()) == 0


def _change(name: str, /, **values: Any) -> Callable[[Lines], None]:
    """Change the first record of a table."""

    return lambda lines: change(name, lines, **values)


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
    full: bytes, new_database: NewDatabase, damage: Callable[[Lines], None], sentence: str
):
    lines, database = lines_of(full), new_database()
    damage(lines)

    with pytest.raises(ImportRefused, match=f"^{sentence}"):
        import_(database, joined(lines))

    assert is_untouched(database)


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


def test_an_export_cut_off_anywhere_is_refused(full: bytes, new_database: NewDatabase):
    database = new_database()

    for length in range(0, len(full) - 1, len(full) // 12):
        with pytest.raises(ImportRefused):
            import_(database, full[:length])

    assert is_untouched(database)


def test_a_changed_byte_is_noticed(full: bytes, new_database: NewDatabase):
    lines, database = lines_of(full), new_database()
    change("chats", lines, title="another")

    with pytest.raises(ImportRefused, match="it was changed after it was written"):
        import_(database, joined(lines, with_digest=True))

    assert is_untouched(database)


@pytest.mark.parametrize("line", [2, 700, 1300])
def test_the_line_with_the_mistake_is_named_among_many(full: bytes, new_database: NewDatabase, line: int):
    lines = lines_of(full)
    chat = lines[1]
    chats = [chat | {"id": chat["id"] + number} for number in range(1500)]
    chats[line - 2]["id"] = chats[line - 1]["id"]
    first_chats = [each for each in lines[1:] if each.get("table") != "chats"]

    with pytest.raises(ImportRefused, match=f"^Line {line + 1} of it has a key that another record has"):
        import_(new_database(), joined([lines[0], *chats, *first_chats]))
