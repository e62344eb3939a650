"""On PostgreSQL, too, the statements that a busy bot needs all the time go by an index in large tables.

The tables are filled and analyzed, as small ones are read as a whole for good reason. Every statement is
planned twice: for its parameters, and for any, as PostgreSQL does with a statement that was used some times.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from storage.factory import open_store
from storage.leadership import SoleLeadership
from storage.models import DeliveryState, EventKind, TaskStatus
from storage.postgres.connection import Database, in_postgres
from storage.postgres.store import PostgresStore
from storage.postgres_url import PostgresUrl
from storage.watches import WatchLimits
from tests.contract.store.driver import CHAT, LEASE_S, NOON, Driver
from tests.contract.store.test_reports import failure
from tests.fakes.clock import FrozenClock
from tests.postgres.recording import ENDS, RecordingDatabase

ROWS = 5_000
# Walked in order as far as a limit goes; or with an entry for each delivery in progress, or active watch.
WALKED = {"deliveries_in_turn", "deliveries_ready", "deliveries_one_sending", "watches_card_age"}
FILL = f"""
INSERT INTO batches (chat_id, language, created_at)
SELECT 1000 + n, 'en', now() FROM generate_series(1, {ROWS}) AS n;
INSERT INTO tasks (provider, external_id, status, registered_at, last_poll_at)
SELECT 'wan', 'old' || n, 'succeeded', now() - interval '9 d', now() - interval '8 d'
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO tasks (provider, external_id, status, registered_at, next_poll_at)
SELECT 'veo', 'new' || n, 'running', now(), now() + interval '1 h' FROM generate_series(1, {ROWS} / 10) AS n;
INSERT INTO events (task_id, kind, status_before, status_after, at)
SELECT id, 'finished', 'running', 'succeeded', registered_at FROM tasks;
INSERT INTO watches (
    task_id, batch_id, chat_id, language, created_at, state, ended_at, reported_status, result
)
SELECT
    id, id % {ROWS} + 1, 1000 + id / 10, 'en', registered_at, 'finished', registered_at, 'succeeded', 'sent'
FROM tasks WHERE is_final;
INSERT INTO watches (task_id, chat_id, language, created_at, card_sent_at, card_message_id)
SELECT id, 1000 + id / 10, 'en', registered_at, registered_at, 5 FROM tasks WHERE NOT is_final;
INSERT INTO deliveries (chat_id, kind, subject, watch_id, state, priority, created_at, settled_at)
SELECT chat_id, 'result', id, id, 'sent', 0, created_at, created_at FROM watches WHERE is_over;
INSERT INTO deliveries (chat_id, kind, subject, watch_id, priority, blocks_repeat, created_at)
SELECT chat_id, 'notice', 'veo key_invalid ' || id, id, 2, true, created_at FROM watches WHERE NOT is_over;
INSERT INTO chats (id, title, written_at) SELECT 1000 + n, 'chat', now() FROM generate_series(1, {ROWS}) AS n;
INSERT INTO chat_settings (chat_id, sound, result_form, pins_batch_card)
SELECT 1000 + n, 'all', 'video', false FROM generate_series(1, {ROWS}) AS n;
INSERT INTO lookups (chat_id, message_id, language, created_at, state)
SELECT 1000 + n, n, 'en', now(), 'answered' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO lookup_candidates (lookup_id, task_id, knows)
SELECT l.id, t.id, false FROM lookups AS l JOIN tasks AS t ON t.external_id = 'old' || l.message_id;
ANALYZE tasks, events, watches, deliveries, chats, chat_settings, batches, lookups, lookup_candidates;
"""
# So many that comparing each lease with each renewal would cost the planner less than a hash of one lease.
TASKS = """
INSERT INTO tasks (provider, external_id, status, registered_at, next_poll_at)
SELECT 'veo', 'new' || n, 'running', now(), 'epoch' FROM generate_series(1, 15000) AS n;
ANALYZE tasks;
"""
LEASED = 500


class Plans:
    """A store over large tables, and the plans of its statements."""

    def __init__(self, url: PostgresUrl) -> None:
        self._explaining = Database(url)
        self._recording = RecordingDatabase(url)
        self.store = PostgresStore(self._recording, leadership=SoleLeadership(), now=FrozenClock())
        self.driver = Driver(self.store)

    async def scans(self) -> list[str]:
        """The steps that read a whole table or index, of all statements so far."""
        found = []
        async with self._explaining.transaction() as tx:
            await tx.run("SET LOCAL plan_cache_mode = force_generic_plan")
            for number, (sql, values) in enumerate(dict(self._recording.statements).items()):
                if sql in ENDS:
                    continue
                numbered, names = in_postgres(sql)
                await tx.script(f"PREPARE statement_{number} AS {numbered}")
                nulls = ", ".join(["NULL"] * (len(names) or len(values)))
                for plan in (
                    await tx.one(f"EXPLAIN (FORMAT JSON) {sql}", values),
                    await tx.one(f"EXPLAIN (FORMAT JSON) EXECUTE statement_{number}{nulls and f'({nulls})'}"),
                ):
                    assert plan is not None
                    found += [f"{scan} in {sql}" for scan in _scans(json.loads(plan[0])[0]["Plan"])]
        return found

    async def mismatches(self, begin: str) -> int:
        """How many pairs of rows the last such statement compares in vain; it is run again for that."""
        sql, values = [each for each in self._recording.statements if each[0].lstrip().startswith(begin)][-1]
        async with self._explaining.transaction() as tx:
            plan = await tx.one(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
        assert plan is not None
        return _mismatches(json.loads(plan[0])[0]["Plan"])

    async def close(self) -> None:
        await self.store.close()
        await self._explaining.close()


def _scans(node: Mapping[str, Any]) -> Iterator[str]:
    """The steps of a plan that read a whole table or index."""
    is_walk = node.get("Index Name") in WALKED
    if node["Node Type"] == "Seq Scan" or ("Index Name" in node and "Index Cond" not in node and not is_walk):
        yield f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name'))}"
    for part in node.get("Plans", ()):
        yield from _scans(part)


def _mismatches(node: Mapping[str, Any]) -> int:
    own = int(node.get("Rows Removed by Join Filter", 0)) * int(node["Actual Loops"])
    return own + sum(map(_mismatches, node.get("Plans", ())))


@asynccontextmanager
async def open_plans(database_url: str, fill: str) -> AsyncIterator[Plans]:
    """fill: the statements that fill the tables and count the rows for the planner."""
    url = PostgresUrl.of(database_url)
    leader = await open_store(url)
    await leader.leadership.acquire()  # which migrates
    await leader.close()
    database = Database(url)
    async with database.transaction() as tx:
        await tx.script(fill)
    await database.close()
    opened = Plans(url)
    yield opened
    await opened.close()


@pytest.fixture
async def plans(postgres_url: str) -> AsyncIterator[Plans]:
    async with open_plans(postgres_url, FILL) as plans:
        yield plans


async def test_no_table_is_read_as_a_whole(plans: Plans):
    store, driver = plans.store, plans.driver
    await driver.watch("t1", limits=WatchLimits(per_chat=50, per_person=25))
    failing = (await driver.watch("t2", chat_id=CHAT + 1)).task.id
    await driver.watch("t2", chat_id=CHAT + 1)
    await driver.watch("new5", provider="veo")
    await driver.watch("old5")
    await driver.watch_batch("t4", "t5", "t6", "t7")
    await driver.fail_key(failing)
    recovered = driver.polled(await driver.claim_task(failing), TaskStatus.RUNNING, EventKind.RECOVERED)
    await store.apply(*recovered)

    leased = await store.claim_due({"wan": 20, "veo": 20}, at=NOON, lease_s=LEASE_S)
    await store.take_poll_requests()
    await store.renew_tasks(leased, at=NOON, lease_s=LEASE_S)
    await store.apply(*driver.polled(leased[0], TaskStatus.RUNNING))
    await store.apply(leased[0], [])
    await store.apply(*driver.polled(leased[1], TaskStatus.FAILED))

    await store.next_delivery_at()
    for out in await store.claim_deliveries(32, at=NOON, lease_s=LEASE_S):
        await store.renew_deliveries([out.delivery.id], at=NOON, lease_s=LEASE_S)
        await store.note_message(out.delivery.id, 5)
        await store.note_unconfirmed_call(out.delivery.id, at=NOON)
        await driver.settle(out, DeliveryState.PENDING, retry_s=0)
    while claimed := await store.claim_deliveries(32, at=NOON, lease_s=LEASE_S):
        for out in claimed:
            await driver.settle(out, message_id=5, digest="shown")

    await store.enqueue_report(CHAT, failure(), at=NOON)
    await store.request_poll(failing, at=NOON)
    await store.chat_lost(CHAT, "blocked", at=NOON)
    await store.chat_found(CHAT, at=NOON)

    assert await plans.scans() == []


async def test_a_renewal_does_not_compare_each_lease_with_each_task(postgres_url: str):
    async with open_plans(postgres_url, TASKS) as plans:
        leased = await plans.store.claim_due({"veo": LEASED}, at=NOON, lease_s=LEASE_S)
        renewed = await plans.store.renew_tasks(leased, at=NOON, lease_s=LEASE_S)

        assert len(renewed) == LEASED
        assert await plans.mismatches("UPDATE tasks AS t SET lease_until = $1,") <= LEASED
