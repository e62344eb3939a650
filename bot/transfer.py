"""The commands `export` and `import`: all of the database as JSON lines, and a new database from them."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot import __version__
from bot.errors import FileRefused
from bot.output_file import STANDARD, output_file, standard_output
from bot.progress import ProgressLines
from storage import factory
from storage.export import is_export, read_export, write_export
from storage.postgres_url import PostgresUrl


def export_data(database: Path | PostgresUrl, target: str) -> None:
    """Write all records to a file or standard output; raises StoreError, FileRefused, OutputFailed."""
    with _output(target, factory.files_of(database)) as file, factory.open_dump(database) as dump:
        counts = write_export(dump, file, program=__version__, progress=ProgressLines("records"))
    where = "standard output" if target == STANDARD else target
    print(f"Exported {database} to {where}: {_described(counts)}.", file=sys.stderr)
    if dump.is_in_use:
        print(
            "A bot runs on this database, and what it does from now on is not in the export. To move, stop"
            " the bot and export again.",
            file=sys.stderr,
        )


@contextmanager
def _output(target: str, live: Sequence[Path]) -> Iterator[BinaryIO]:
    if target == STANDARD and not live:  # on a server, so that no folder is known; a last line is missed
        with standard_output() as file:
            yield file
    else:
        with output_file(target, live, may_replace=is_export) as draft, draft.open("wb") as file:
            yield file


def import_data(database: Path | PostgresUrl, source: str) -> None:
    """Fill a new or empty database from an export; raises StoreError, FileRefused."""
    if source == STANDARD and sys.stdin.isatty():
        raise FileRefused("Standard input is a terminal: name the export's file, or send it through a pipe.")
    try:
        with sys.stdin.buffer if source == STANDARD else Path(source).open("rb") as file:
            called = "the export on standard input" if source == STANDARD else source
            with factory.open_load(database) as load:
                counts = read_export(file, load, called=called, progress=ProgressLines("records"))
    except OSError as error:
        raise FileRefused(f"The export {source} cannot be read: {error.strerror}.") from error
    where = "standard input" if source == STANDARD else source
    print(f"Imported {where} into {database}: {_described(counts)}.", file=sys.stderr)


def _described(counts: dict[str, int]) -> str:
    found = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(found) or "no records"
