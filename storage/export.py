"""The format of an export: JSON lines; the first says what is in it, the last proves that all of it is there.

{"reelwatch_export": 1, "program": "0.1.0", "schema": 10, "counts": {…}, "next_ids": {…}}
{"table": "tasks", "id": 1, …}
{"records": 1, "sha256": "…"}

Times are ISO 8601 with their offset, states are words, and ids are kept, as buttons under old messages name
them. Exports of the same records are equal, byte by byte. The digest is that of all lines before it; without
it, as when a person has edited the file, only the counts are checked. No token and no key is in a database.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from storage.contents import Progress, no_progress
from storage.errors import ImportRefused
from storage.records import SCHEMA, TABLES, Dump, Load, RecordRefused, Table, next_ids_in

FORMAT = 1
MAX_LINE = 16 << 20  # bytes; the estimates are the longest, some hundred KiB
_HEAD = b'{"reelwatch_export":'
_STEP = 1000  # records between two reports of progress
_TABLES = {table.name: table for table in TABLES}


def is_export(path: Path) -> bool:
    """Whether the file begins like an export; raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_HEAD)) == _HEAD


def write_export(
    dump: Dump, file: BinaryIO, *, program: str, progress: Progress = no_progress
) -> dict[str, int]:
    """Write all records; return their number by table. Raises StoreError, OSError."""
    digest, counts, done = hashlib.sha256(), dump.counts(), 0

    def write(line: dict[str, Any]) -> None:
        # ASCII only, so that half of a surrogate pair, as gateways cut prompts, can be written.
        written = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        digest.update(written)
        file.write(written)

    head = {"program": program, "schema": SCHEMA, "counts": counts, "next_ids": dump.next_ids()}
    write({"reelwatch_export": FORMAT} | head)
    for table in TABLES:
        for record in dump.records(table):
            write({"table": table.name} | record)
            done += 1
            if done % _STEP == 0:
                progress(done, sum(counts.values()))
    write({"records": done, "sha256": digest.hexdigest()})
    return counts


def read_export(
    file: BinaryIO, load: Load, *, called: str, progress: Progress = no_progress
) -> dict[str, int]:
    """Insert all records; return their number by table.

    Raises ImportRefused, with the number of the line, for anything that write_export() would not have
    written, and StoreError. called: the file's name in sentences.
    """
    lines = _Lines(file, called)
    head = next(lines, None)
    counts, next_ids = _head_of(lines, head)
    found, total = dict.fromkeys(counts, 0), sum(counts.values())
    with lines.refusing():
        for line in lines:
            if "table" not in line:
                _require_whole(lines, line, counts, found)
                break
            table = _table_of(lines, line)
            load.add(table, line, line=lines.number)
            found[table.name] = found.get(table.name, 0) + 1
            if lines.number % _STEP == 0:
                progress(lines.number, total)
        else:
            raise ImportRefused(
                f"{called} ends after line {lines.number}, before its last line: it was cut off."
            )
        if next(lines, None) is not None:
            raise lines.refusal("comes after the last one")
        load.finish(next_ids)
    return counts


class _Lines:
    """The objects in the lines of a file, each of bounded length, and the digest before the last one."""

    def __init__(self, file: BinaryIO, called: str) -> None:
        self.number = 0
        self.digest_before = ""
        self._file = file
        self.called = called
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        line = self._file.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            raise self.refusal(f"is longer than {MAX_LINE >> 20} MiB")
        self.digest_before = self._digest.hexdigest() if b'"sha256"' in line[:200] else ""
        self._digest.update(line)
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            if self.number == 1:
                raise ImportRefused(f"{self.called} is not an export of this program.")
            raise self.refusal("is not a JSON object" if line.endswith(b"\n") else "was cut off")
        return parsed

    def refusal(self, what: str, *, line: int | None = None) -> ImportRefused:
        """What is wrong with a line; None: the present one."""
        return ImportRefused(f"Line {line or self.number} of {self.called} {what}. Nothing was imported.")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Convert what an engine raises for a record to ImportRefused."""
        try:
            yield
        except RecordRefused as error:
            raise self.refusal(str(error), line=error.line) from None
        except (ValueError, OverflowError, RecursionError):
            raise self.refusal("has a value that cannot be stored") from None


def _head_of(lines: _Lines, head: dict[str, Any] | None) -> tuple[dict[str, int], dict[str, int]]:
    """The counts and the next ids in the first line; raises ImportRefused."""
    if head is None or "reelwatch_export" not in head:
        raise ImportRefused(f"{lines.called} is not an export of this program.")
    version, schema = head["reelwatch_export"], head.get("schema")
    if version is True or version != FORMAT or not isinstance(schema, int) or schema > SCHEMA:
        program = str(head.get("program"))[:40]
        raise ImportRefused(
            f"{lines.called} was written by a newer version of the program,"
            f" {program if program.isprintable() else 'an unknown one'}: upgrade this one first."
        )
    counts = head.get("counts")
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise lines.refusal("has no counts")
    next_ids = next_ids_in(head)
    if next_ids is None:
        raise lines.refusal("does not name the next ids")
    return counts, next_ids


def _table_of(lines: _Lines, line: dict[str, Any]) -> Table:
    """The table of a record, whose name is taken out of it; raises ImportRefused for one with a mistake."""
    name = line.pop("table")
    table = _TABLES.get(name) if isinstance(name, str) else None
    if table is None:
        raise lines.refusal("names no table that is known")
    if (mistake := table.mistake_in(line)) is not None:
        raise lines.refusal(mistake)
    return table


def _require_whole(
    lines: _Lines, last: dict[str, Any], counts: dict[str, int], found: dict[str, int]
) -> None:
    if counts != found or last.get("records") != sum(found.values()):
        raise ImportRefused(
            f"{lines.called} holds {sum(found.values())} records, and other ones than its first line counts,"
            f" {sum(counts.values())}. Nothing was imported."
        )
    if last.get("sha256", lines.digest_before) != lines.digest_before:
        raise ImportRefused(
            f"{lines.called} was changed after it was written, as its digest shows. Nothing was imported;"
            ' if you meant the change, remove "sha256" from the last line.'
        )
