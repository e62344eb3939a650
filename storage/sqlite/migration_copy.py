"""Copies a database before it is migrated: an older program refuses the new schema."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.draft import draft_of, publish
from storage.errors import StoreCorrupt, StoreFull
from storage.sqlite.connection import Database
from storage.sqlite.copying import copy_database, inspect

COPIES = 2  # that are kept beside the database: of this upgrade and of the one before


async def holds_rows(database: Database) -> bool:
    """Whether any table has a row."""
    async with database.reading() as tx:
        tables = await tx.all(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for table in tables:
            if await tx.one(f'SELECT 1 FROM "{table["name"]}" LIMIT 1'):  # noqa: S608 - of the schema itself
                return True
    return False


def copy_before_migration(path: Path, *, schema: int) -> Path:
    """Copy the database beside itself, check the copy, remove all but COPIES, and return where it is.

    Raises StoreFull if there is no room, and StoreCorrupt for a damaged database: then nothing is migrated.
    """
    copy = path.with_name(f"{path.name}.schema-{schema}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        with draft_of(copy) as draft:
            copy_database(path, draft)
            inspect(draft, called=str(path))
            publish(draft, copy)
    except (StoreFull, OSError) as error:
        raise StoreFull(
            f"The database {path} is not migrated, as there is no room for a copy of it in {path.parent}."
        ) from error
    except StoreCorrupt as error:
        raise StoreCorrupt(
            f"{error} It is not migrated; `reelwatch restore` puts a backup in its place."
        ) from error
    for old in _copies(path)[:-COPIES]:
        with suppress(OSError):
            old.unlink()
    return copy


def _copies(path: Path) -> list[Path]:
    """The copies of this database, oldest first."""
    named = re.compile(re.escape(path.name) + r"\.schema-\d+-(\d{8}T\d{6}Z)")
    found = [(match[1], each) for each in path.parent.iterdir() if (match := named.fullmatch(each.name))]
    return [each for _, each in sorted(found)]
