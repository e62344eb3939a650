"""PostgresLeadership: a lease in a row of the table leader, by the server's clock."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import asyncpg

from storage.errors import (
    LeadershipLost,
    StoreCorrupt,
    StoreError,
    StoreInUse,
    StoreRefused,
    StoreUnavailable,
)
from storage.leadership import OutageReport, Replica, no_beat, no_report
from storage.postgres.connecting import lacks_rights
from storage.postgres.connection import BEGIN_WRITING, Database, Session
from storage.postgres.guards import Fence
from storage.postgres.migrate import Migration, make_tables, migrate, refuse_newer
from storage.postgres.server_clock import ServerClock, steady_s
from storage.sql.store import free_leases
from storage.texts import printable

SEEN_S = 15.0  # a process that was not seen that long is gone

# Others may write to the database, too, so what is read is bounded. xmin: the last transaction of the row.
_STATE = """
    SELECT left(holder, 32) AS holder, left(bot_id, 20) AS bot_id, CAST(xmin AS text) AS written_by,
        until < clock_timestamp() AS is_free, clock_timestamp() AS now,
        (SELECT coalesce(max(number), 0) FROM migrations) AS version
    FROM leader WHERE name = 'bot'
"""
_TAKE = """
    UPDATE leader AS l
    SET holder = $1, epoch = l.epoch + 1, until = clock_timestamp() + make_interval(secs => $2), bot_id = $3
    FROM leader AS before
    WHERE l.name = 'bot' AND before.name = l.name
        AND (l.holder = $1 OR l.until < clock_timestamp() OR CAST(l.xmin AS text) = $4)
    RETURNING l.epoch, (SELECT coalesce(max(number), 0) FROM migrations) AS version,
        CASE WHEN before.until > '-infinity'
            THEN left(coalesce((SELECT name FROM replicas WHERE holder = before.holder), before.holder), 100)
        END AS ran_out
"""
_RENEW = """
    UPDATE leader SET until = clock_timestamp() + make_interval(secs => {ttl_s})
    WHERE name = 'bot' AND holder = '{holder}' AND epoch = {epoch}
"""
# Without a holder, so that a renewal that was cancelled and reaches the server later changes nothing.
_RESIGN = """
    WITH gone AS (DELETE FROM replicas WHERE holder = '{holder}')
    UPDATE leader SET holder = '', until = '-infinity'
    WHERE name = 'bot' AND holder = '{holder}' AND epoch = {epoch}
"""
_HEARTBEAT = """
    WITH gone AS (
        DELETE FROM replicas WHERE holder IN (
            SELECT holder FROM replicas WHERE seen_at < clock_timestamp() - interval '1 day' LIMIT 100
        )
    )
    INSERT INTO replicas AS r VALUES ($1, $2, $3, clock_timestamp(), clock_timestamp())
    ON CONFLICT (holder) DO UPDATE
    SET seen_at = excluded.seen_at, since = CASE WHEN $4 THEN excluded.since ELSE r.since END
"""
_REPLICAS = """
    SELECT left(holder, 32) AS holder, left(name, 100) AS name, left(version, 40) AS version, since
    FROM replicas WHERE seen_at > clock_timestamp() - make_interval(secs => $1)
    ORDER BY holder IN ($2, $3) DESC, since, name LIMIT 20
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The times of the leadership in seconds, and the clock that they are of."""

    ttl_s: float = 6.0  # of the lease
    margin_s: float = 1.0  # a leader stops acting so long before another one may begin
    renew_s: float = 1.5  # from one renewal to the next
    retry_s: float = 0.5  # after a renewal that failed
    renewal_timeout_s: float = 2.0  # a renewal takes longer only from a server or a connection that hangs
    poll_s: float = 0.75  # between two attempts of a process that stands by
    heartbeat_s: float = 5.0  # from one write of a process's row of replicas to the next
    resign_s: float = 2.0  # at most
    now_s: Callable[[], float] = steady_s
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a process says it is."""

    bot_id: str = ""
    version: str = ""
    name: str = f"{socket.gethostname()}:{os.getpid()}"


class PostgresLeadership:
    """A lease on the leadership, which is renewed over a session of its own.

    The server's clock says when the lease ends. The process believes in it by a steady clock of its own, from
    before a renewal was sent, so its belief ends before the lease does, whatever delays the response.
    """

    def __init__(
        self,
        database: Database,
        fence: Fence,
        clock: ServerClock,
        identity: Identity,
        *,
        migrations: Sequence[Migration],
        timing: Timing,
    ) -> None:
        """Nothing is connected before acquire(); database: its writes are fenced, and it is migrated."""
        self.epoch: int | None = None
        self.round_trip_s: float | None = None
        self.took_over_from: str | None = None
        self._database = database
        self._session = Session(database.url, begin=BEGIN_WRITING)
        self._fence = fence
        self._clock = clock
        self._identity = identity
        self._migrations = migrations
        self._timing = timing
        self._held_until = self._renew_at = float("-inf")  # by the steady clock
        self._taken: int | None = None  # the epoch of a lease that may not have ended
        self._leader = ""  # the holder, as last seen
        self._written_by: str | None = None  # the row of the leader, as last seen
        self._written_since = float("-inf")  # by the steady clock
        self._server_ahead_s = float("inf")  # of the steady clock, as last seen
        self._overtaken_by_clock: str | None = None  # the row, when the server's clock was set forward
        self._replicas: list[asyncpg.Record] = []  # as last seen
        self._seen_at = float("-inf")  # by the steady clock: when both were
        self._has_all_rights = False  # an attempt has led, or found a leader
        self._has_new_role = True  # its row of replicas does not say yet that it leads now, or stands by

    @property
    def is_held(self) -> bool:
        """Whether this process may act now. No I/O."""
        return not self._fence.is_refused and self._timing.now_s() < self._held_until

    async def acquire(self, report: OutageReport = no_report, beat: Callable[[], None] = no_beat) -> None:
        """Wait until this process leads; then the schema is current and all leases are free.

        Also raises StoreInUse, while another bot uses the database, and StoreRefused, if the bot's user lacks
        a right; but waits for one that it had.
        """
        self._end_term()
        is_leader, outage = False, None
        while not is_leader:
            beat()
            before = outage
            try:
                is_leader, outage = await self._try_to_acquire(), None
                self._has_all_rights = True
            except StoreInUse:
                raise
            except (StoreUnavailable, LeadershipLost) as error:
                if lacks_rights(error) and not self._has_all_rights:
                    raise StoreRefused(str(error)) from error
                outage = str(error)
            if (outage is None) != (before is None):
                report(outage)
            if not is_leader:
                await self._timing.sleep(self._timing.poll_s)

    async def hold(self) -> NoReturn:
        """Renew the lease; raises LeadershipLost.

        Then transactions that wait for the server end, so that nothing of the lost term is left waiting.
        """
        while self.is_held:
            await self._timing.sleep(max(0.0, min(self._renew_at, self._held_until) - self._timing.now_s()))
            left_s = self._held_until - self._timing.now_s()
            try:
                async with asyncio.timeout(min(left_s, self._timing.renewal_timeout_s)):
                    await self._renew()
            except (StoreUnavailable, TimeoutError):
                self._renew_at = self._timing.now_s() + self._timing.retry_s
        self._end_term()
        self._database.drop_connections()
        raise LeadershipLost(
            f"The lease of the leadership in the database {self._database.url} was not renewed in time,"
            " or another process leads."
        )

    async def resign(self) -> None:
        """End the term, so that another process leads at once; takes at most two seconds."""
        taken, self._taken = self._taken, None
        was_seen = self._seen_at > float("-inf")
        self._end_term()
        if taken is None and not was_seen:
            return
        self._seen_at = float("-inf")
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(self._timing.resign_s):
                await self._session.execute(_RESIGN.format(holder=self._fence.holder, epoch=taken or 0))

    def replicas(self) -> Sequence[Replica]:
        """The processes that were last seen, the leader first; none after 15 s without a response. No I/O."""
        if self._timing.now_s() - self._seen_at > SEEN_S:
            return ()
        found = [
            Replica(
                name=printable(row["name"]),
                version=printable(row["version"]),
                is_leader=row["holder"] == self._leader,
                is_self=row["holder"] == self._fence.holder,
                since=row["since"],
            )
            for row in self._replicas
        ]
        return sorted(found, key=lambda each: not each.is_leader)

    async def close(self) -> None:
        """Resign and close the session; harmless when closed."""
        await self.resign()
        await self._session.close()

    def _end_term(self) -> None:
        self._fence.end_term()
        self._held_until = float("-inf")
        self._has_new_role = True
        if self._leader == self._fence.holder:
            self._leader = ""

    async def _try_to_acquire(self) -> bool:
        state = await self._state()
        if state is None:
            async with self._session.transaction() as tx:
                await make_tables(tx, self._database.url)
            state = await self._state()
        if state is None:
            return False
        refuse_newer(state["version"], newest=self._migrations[-1].number, url=self._database.url)
        own = self._identity.bot_id
        is_free = self._is_free(state)
        if not is_free and own and state["bot_id"] not in ("", own):
            raise StoreInUse(
                f"The database {self._database.url} is in use by another bot, whose id is"
                f" {printable(state['bot_id'])}: give each bot a database or a schema of its own."
            )
        await self._write_heartbeat()
        if not is_free and state["holder"] != self._fence.holder:
            return False
        try:
            if not await self._take():
                return False
            await self._prepare()
        except (StoreUnavailable, LeadershipLost):
            self._end_term()
            raise
        except BaseException:  # cancelled, or a migration fails: another process need not wait for the lease
            await self.resign()
            raise
        return True

    def _is_free(self, row: asyncpg.Record) -> bool:
        """Whether the lease has ended: by the server's clock, unless that was set forward meanwhile."""
        ran_out = row["is_free"] and row["written_by"] != self._overtaken_by_clock
        return ran_out or self._is_abandoned

    @property
    def _is_abandoned(self) -> bool:
        """Whether nobody has renewed the lease for as long as it lasts, whatever time it is said to end at.

        The server's clock may have been set back since.
        """
        return self._timing.now_s() - self._written_since > self._timing.ttl_s

    async def _take(self) -> bool:
        """Begin a term unless another process leads; the writer's lock waits for its last transaction."""
        holder, timing = self._fence.holder, self._timing
        abandoned = self._written_by if self._is_abandoned else None
        async with self._session.transaction() as tx:
            sent_at = timing.now_s()
            try:
                row = await tx.one(_TAKE, (holder, timing.ttl_s, self._identity.bot_id, abandoned))
            except asyncpg.NumericValueOutOfRangeError as error:
                raise StoreCorrupt(
                    f"The table leader of the database {self._database.url} holds the highest possible epoch,"
                    " which the bot has not written: set it to 0."
                ) from error
            if row is None:
                return False
            refuse_newer(row["version"], newest=self._migrations[-1].number, url=self._database.url)
            self._taken = row["epoch"]
            self.took_over_from = None if row["ran_out"] is None else printable(row["ran_out"])
        self.epoch = self._taken
        self._fence.begin_term(row["epoch"])
        self._extend(sent_at)
        self._has_new_role = True
        return True

    async def _prepare(self) -> None:
        """Migrate and free the leases of tasks and deliveries, while the leadership is renewed."""
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self.hold())
                await migrate(self._database, self._migrations)
                async with self._database.transaction() as tx:
                    await free_leases(tx, owner=None)
                self._fence.has_migrated = True
                renewing.cancel()
        except ExceptionGroup as errors:
            first = errors.exceptions[0]
            raise first from first.__cause__

    async def _renew(self) -> None:
        sent_at = self._timing.now_s()
        status = await self._session.execute(
            _RENEW.format(ttl_s=self._timing.ttl_s, holder=self._fence.holder, epoch=self.epoch)
        )
        if status == "UPDATE 0":
            self._held_until = float("-inf")
            return
        self.round_trip_s = self._timing.now_s() - sent_at
        self._extend(sent_at)
        await self._state()
        await self._write_heartbeat()

    def _extend(self, sent_at: float) -> None:
        """The lease was extended at the server, at that time by the steady clock or later."""
        self._held_until = sent_at + self._timing.ttl_s - self._timing.margin_s
        self._renew_at = sent_at + self._timing.renew_s
        self._leader = self._fence.holder

    async def _state(self) -> asyncpg.Record | None:
        """The row of the leader, or None if it must be made; the clocks are compared."""
        sent_at = self._timing.now_s()
        try:
            rows = await self._session.fetch(_STATE)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, asyncpg.UndefinedTableError):
                return None
            raise
        for row in rows:
            now = self._timing.now_s()
            self._clock.measure(row["now"], round_trip_s=now - sent_at)
            if row["written_by"] != self._written_by:
                self._written_by, self._written_since = row["written_by"], now
            ahead_s = row["now"].timestamp() - (sent_at + now) / 2
            if ahead_s - self._server_ahead_s > self._timing.margin_s:
                self._overtaken_by_clock = row["written_by"]
            self._server_ahead_s = ahead_s
            self._leader = "" if self._is_free(row) else row["holder"]
        return next(iter(rows), None)

    async def _write_heartbeat(self) -> None:
        """Write this process's row of replicas, and read those of the others, now and then."""
        now = self._timing.now_s()
        if self._has_new_role or now - self._seen_at >= self._timing.heartbeat_s:
            own = self._identity
            await self._session.fetch(
                _HEARTBEAT, self._fence.holder, own.name, own.version, self._has_new_role
            )
            self._replicas = await self._session.fetch(_REPLICAS, SEEN_S, self._fence.holder, self._leader)
            self._has_new_role, self._seen_at = False, now
