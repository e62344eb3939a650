"""The commands `export` and `import`: all of the database as JSON lines, and a new database from them."""

import sys
from pathlib import Path

from bot import __version__
from bot.errors import FileRefused
from bot.output_file import STANDARD, output_file
from bot.progress import ProgressLines
from storage import factory
from storage.export import is_export, read_export, write_export


def export_data(database: Path, target: str) -> None:
    """Write all records to a file or standard output; raises StoreError, FileRefused, OutputFailed."""
    with (
        output_file(target, database, may_replace=is_export) as draft,
        factory.open_dump(database) as dump,
        draft.open("wb") as file,
    ):
        counts = write_export(dump, file, program=__version__, progress=ProgressLines("records"))
    where = "standard output" if target == STANDARD else target
    print(f"Exported {database} to {where}: {_described(counts)}.", file=sys.stderr)


def import_data(database: Path, source: str) -> None:
    """Make a database of an export; raises StoreError, FileRefused."""
    if source == STANDARD and sys.stdin.isatty():
        raise FileRefused("Standard input is a terminal: name the export's file, or send it through a pipe.")
    try:
        with sys.stdin.buffer if source == STANDARD else Path(source).open("rb") as file:
            called = "the export on standard input" if source == STANDARD else source
            with factory.open_load(database) as load:
                counts = read_export(file, load, called=called, progress=ProgressLines("records"))
    except OSError as error:
        raise FileRefused(f"The export {source} cannot be read: {error.strerror}.") from error
    print(f"Imported {source} into {database}: {_described(counts)}.", file=sys.stderr)


def _described(counts: dict[str, int]) -> str:
    found = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(found) or "no records"
