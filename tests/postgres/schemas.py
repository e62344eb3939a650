"""A schema of its own for the tests of one process, emptied for each of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4

import asyncpg

from storage.postgres.connecting import Connection

# In one statement, so that no foreign key forbids an order. Ids begin at 1 again, as in a new database.
_EMPTY = """
DO $$
DECLARE
    here CONSTANT regnamespace = current_schema()::regnamespace;
    deletes text;
BEGIN
    SELECT string_agg(format('emptied_%s AS (DELETE FROM %s)', oid, oid::regclass), ', ') INTO deletes
    FROM pg_class WHERE relnamespace = here AND relkind = 'r'
        AND relname <> ALL (string_to_array('{kept}', ','));
    IF deletes IS NOT NULL THEN
        EXECUTE 'WITH ' || deletes || ' SELECT 1';
    END IF;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relnamespace = here AND relkind = 'S';
END
$$
"""


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def new_schema(server: str) -> Iterator[str]:
    """Make a schema, drop it at the end of the block; yields the server's URL with that schema."""
    url = _url_of_new_schema(server)
    asyncio.run(make_schema(url))
    try:
        yield url
    finally:
        asyncio.run(drop_schema(url))


@asynccontextmanager
async def open_schema(server: str) -> AsyncIterator[str]:
    """The same in an event loop."""
    url = _url_of_new_schema(server)
    await make_schema(url)
    try:
        yield url
    finally:
        await drop_schema(url)


async def make_schema(url: str) -> None:
    """Make the URL's schema, without tables."""
    await _execute(url, f"CREATE SCHEMA {schema_of(url)}")


async def drop_schema(url: str) -> None:
    """Drop the URL's schema with all its tables."""
    await _execute(url, f"DROP SCHEMA {schema_of(url)} CASCADE")


def schema_of(url: str) -> str:
    """The name of the URL's schema."""
    return url.rpartition("search_path=")[2]


def _url_of_new_schema(server: str) -> str:
    return f"{server}{'&' if '?' in server else '?'}search_path=reelwatch_test_{uuid4().hex[:12]}"


async def empty(url: str) -> None:
    """Delete all rows of the URL's schema but those about migrations."""
    await _execute(url, _EMPTY.format(kept="migrations"))


async def empty_for_leader(connection: Connection) -> None:
    """Delete all rows of the connection's schema but those about migrations and leadership."""
    await connection.execute(_EMPTY.format(kept="migrations,leader,replicas"))
