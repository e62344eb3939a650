"""What `check` tells about a database on a server, which it does not change."""

import statistics
import time

from storage.contents import ServerSummary
from storage.errors import StoreRefused
from storage.postgres.connecting import may_not_make_tables, no_schema
from storage.postgres.connection import Database, Transaction
from storage.postgres.leadership import SEEN_S
from storage.postgres.migrate import bundled_migrations, has_tables, version_of
from storage.postgres_url import PostgresUrl
from storage.texts import printable

_REPLICAS = """
    SELECT left(max(name) FILTER (WHERE is_leader), 100) AS leader,
        count(*) FILTER (WHERE NOT is_leader) AS standbys
    FROM (
        SELECT r.name, l.holder = r.holder AND l.until > clock_timestamp() AS is_leader
        FROM replicas AS r CROSS JOIN leader AS l
        WHERE l.name = 'bot' AND r.seen_at > clock_timestamp() - make_interval(secs => $1)
    ) AS seen
"""

_TRIPS = 9  # round trips, of which the median counts


async def summary_of(url: PostgresUrl) -> ServerSummary:
    """Connect and read; raises StoreError for a database in which the bot could not work."""
    database = Database(url, retry_begin_s=0.0)
    try:
        async with database.reading() as tx:
            server = await _usable_server(tx, url)
            schema = await _schema(tx, url)
            replicas = await tx.one(_REPLICAS, (SEEN_S,)) if await _has(tx, "leader") else None
            return ServerSummary(
                schema=schema,
                admins=await _column(tx, "admins", "SELECT user_id FROM admins"),
                allowed=len(
                    await _column(tx, "allowed_chats", "SELECT chat_id FROM allowed_chats WHERE via IS NULL")
                ),
                server=server,
                round_trip_s=await _round_trip_s(tx),
                leader=printable(replicas["leader"] or "") if replicas else "",
                standbys=replicas["standbys"] if replicas else 0,
            )
    finally:
        await database.close()


async def _usable_server(tx: Transaction, url: PostgresUrl) -> str:
    """The version of a server that takes writes, in a schema that exists and may be filled."""
    [found] = await tx.all(
        """
        SELECT pg_is_in_recovery() AS is_standby, current_schema() AS schema,
            has_schema_privilege(current_schema(), 'CREATE') AS may_create,
            split_part(current_setting('server_version'), ' ', 1) AS version
        """
    )
    if found["is_standby"]:
        raise StoreRefused(
            f"The server of the database {url} is a standby, which is read-only: DATABASE_URL must name the"
            " primary."
        )
    if found["schema"] is None:
        raise no_schema(url)
    if not found["may_create"]:
        raise may_not_make_tables(url, found["schema"])
    return str(found["version"])


async def _schema(tx: Transaction, url: PostgresUrl) -> int:
    """The number of the last migration, 0 if there is none."""
    if not await has_tables(tx, url):
        return 0
    return await version_of(tx, url, newest=bundled_migrations()[-1].number)


async def _column(tx: Transaction, table: str, query: str) -> frozenset[int]:
    """The rows of a query; none if its table is newer than the schema."""
    return frozenset(row[0] for row in await tx.all(query)) if await _has(tx, table) else frozenset()


async def _has(tx: Transaction, table: str) -> bool:
    [known] = await tx.all("SELECT to_regclass($1) IS NOT NULL", (table,))
    return bool(known[0])


async def _round_trip_s(tx: Transaction) -> float:
    taken_s = []
    for _ in range(_TRIPS):
        began = time.perf_counter()
        await tx.script("SELECT 1")
        taken_s.append(time.perf_counter() - began)
    return statistics.median(taken_s)
