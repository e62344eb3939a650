"""What drills do to the database of a scene, of either engine: lose it, copy it, let nothing be written."""

import asyncio
import contextlib
import io
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bot.backup import backup, restore
from bot.transfer import export_data, import_data
from storage.postgres.connection import WRITER_LOCK
from storage.postgres_url import PostgresUrl
from tests.e2e.database import SceneDatabase
from tests.postgres.schemas import drop_schema, make_schema, schema_of
from tests.postgres.server import wheel

_KNOWN = "SELECT chat_id, card_message_id FROM watches UNION ALL SELECT chat_id, message_id FROM deliveries"
# Waits for the last transaction of the one that was killed, which the server may still commit.
_END_LEASE = f"{WRITER_LOCK}; UPDATE leader SET until = '-infinity' WHERE name = 'bot'"

# All but what is renewed all the time, in pages that the files have already.
_FILL = """
CREATE FUNCTION refuse_to_grow() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN
        SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename NOT IN ('leader', 'replicas')
    LOOP
        EXECUTE format(
            'CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION refuse_to_grow()', t
        );
    END LOOP;
END
$$
"""
_FREE = "DROP FUNCTION refuse_to_grow CASCADE"


async def known_texts(database: SceneDatabase) -> set[tuple[int, int]]:
    """The ids of texts that a bot can edit, with their chats; none of a database without tables."""
    if isinstance(database.location, Path) and not database.location.exists():
        return set()
    try:
        return {(row[0], row[1]) for row in await database.rows(_KNOWN)}
    except (sqlite3.OperationalError, asyncpg.UndefinedTableError):  # killed before they were made
        return set()


async def schema_version(database: SceneDatabase) -> int:
    """The number of the last migration that was applied, 0 for none."""
    is_file = isinstance(database.location, Path)
    query = "PRAGMA user_version" if is_file else "SELECT coalesce(max(number), 0) FROM migrations"
    with contextlib.suppress(asyncpg.UndefinedTableError):
        return int((await database.rows(query))[0][0])
    return 0


async def end_lease(database: SceneDatabase) -> None:
    """Let another bot lead at once, as if the time of one that was killed had run out."""
    if isinstance(database.location, PostgresUrl):
        with contextlib.suppress(asyncpg.UndefinedTableError):
            await _execute(database, _END_LEASE)


@asynccontextmanager
async def full_disk(database: SceneDatabase) -> AsyncIterator[None]:
    """Let a server refuse to store anything; a file's is the bot's own disk."""
    if isinstance(database.location, Path):
        yield
        return
    await _execute(database, _FILL)
    yield
    await _execute(database, _FREE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """A way to copy a database, which a bot may be using, and to go on with the copy."""

    save: Callable[[SceneDatabase, Path], None]
    load: Callable[[SceneDatabase, Path], None]

    async def copy(self, database: SceneDatabase, target: Path) -> None:
        """Save the database to a file."""
        await self._quietly(self.save, database, target)

    async def put_back(self, database: SceneDatabase, source: Path) -> None:
        """Let the database be the copy, with the lease of nobody."""
        await self._quietly(self.load, database, source)
        await end_lease(database)

    @staticmethod
    async def _quietly(
        command: Callable[[SceneDatabase, Path], None], database: SceneDatabase, file: Path
    ) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            await asyncio.to_thread(command, database, file)


def _back_up(database: SceneDatabase, target: Path) -> None:
    """By `backup`, or by pg_dump as docs/postgres.md says."""
    if isinstance(database.location, Path):
        backup(database.location, str(target))
    else:
        _run(
            "pg_dump", database, "--format=custom", f"--schema={schema_of(database.url)}", f"--file={target}"
        )


def _restore(database: SceneDatabase, source: Path) -> None:
    if isinstance(database.location, Path):
        restore(database.location, str(source))
    else:
        asyncio.run(drop_schema(database.url))
        _run("pg_restore", database, "--exit-on-error", str(source))


def _run(program: str, database: SceneDatabase, *arguments: str) -> None:
    package = wheel()
    assert package is not None, f"there is no {program} for this platform"
    server = database.url.rpartition("search_path=")[0].rstrip("?&")
    path = package / "pginstall" / "bin" / program
    subprocess.run([path, f"--dbname={server}", *arguments], check=True, capture_output=True)


BACKUP = Copying(save=_back_up, load=_restore)
MOVE = Copying(
    save=lambda database, target: export_data(database.location, str(target)),
    load=lambda database, source: import_data(database.location, str(source)),
)


async def lose(database: SceneDatabase) -> None:
    """Remove the database, as if its machine was lost."""
    if isinstance(file := database.location, Path):
        for path in file.parent.glob(f"{file.name}*"):
            if path.is_file():
                path.unlink()
    else:
        await drop_schema(database.url)
        await make_schema(database.url)


async def _execute(database: SceneDatabase, statements: str) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
