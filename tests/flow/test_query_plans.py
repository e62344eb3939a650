"""The queries that every turn of a loop asks go by an index, however large the tables are."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import aiosqlite
import pytest

from storage.factory import open_store
from storage.models import Cause, DeliveryKind, DeliveryState, EventKind, TaskEvent, TaskStatus
from storage.outbox import NONE_THROTTLED, ChatAddress, Delivery, Settlement, WatchDelivery
from storage.sql import (
    chats,
    claiming,
    deliveries,
    history,
    lookups,
    maintenance,
    registering,
    settling,
    tasks,
    usage,
    watches,
)
from storage.sql.transaction import Parameters
from storage.sqlite.connection import Database, Transaction
from storage.sqlite.migrate import bundled_migrations, migrate
from storage.sqlite.renewing import renew
from storage.sqlite.store import USAGE_DIALECT
from storage.watches import UNLIMITED, Ending, WatchLimits
from tests.contract.store.driver import CHAT, LEASE_S, NOON
from tests.contract.store.test_reports import failure
from tests.fakes.requests import lookup_request, watch_request
from tests.unit.messages.builders import watched
from tests.unit.watching.tasks import task

ORDERED = ("deliveries_in_turn", "deliveries_ready")  # walked from the start, as far as the limit
SMALL = ("deliveries_one_sending",)  # as many rows as deliveries in progress
# What a statement has found itself.
OWN = ("SCAN busy", "SCAN waiting", "SCAN counted", "SCAN oldest", "SCAN CONSTANT ROW")


class Explaining(Transaction):
    """Notes the plan of each statement that it runs."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.plan: list[str] = []

    async def all(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        self.plan += [row["detail"] for row in await self._tx.all(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        return await self._tx.all(sql, parameters)

    async def run(self, sql: str, parameters: Parameters = ()) -> None:
        await self.all(sql, parameters)

    async def fill(self, sql: str) -> None:
        """Run a statement without noting its plan."""
        await self._tx.run(sql)

    def scans(self) -> list[str]:
        """The steps that read a whole table."""
        return [
            step
            for step in self.plan
            if step.startswith("SCAN")
            and "VIRTUAL TABLE" not in step  # a list that was handed in
            and step not in OWN
            and not any(step.endswith(f"USING INDEX {index}") for index in (*ORDERED, *SMALL))
        ]


@pytest.fixture
async def explaining(tmp_path: Path) -> AsyncIterator[Explaining]:
    database = await Database.open(tmp_path / "a.db")
    try:
        await migrate(database, bundled_migrations())
        async with database.transaction() as tx:
            yield Explaining(tx)
    finally:
        await database.close()


async def test_tasks_are_claimed_by_index(explaining: Explaining):
    await tasks.claim_due(explaining, {"wan": 5}, owner="me", at=NOON, lease_s=LEASE_S, ahead_s=0)

    assert any("tasks_claimable" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_leased_tasks_are_found_and_renewed_by_index(explaining: Explaining):
    await tasks.take_poll_requests(explaining, owner="me")
    assert any("tasks_poll_requested" in step for step in explaining.plan)

    await renew(explaining, [task()], owner="me", at=NOON, lease_s=LEASE_S)

    assert explaining.scans() == []


async def test_deliveries_are_claimed_in_the_order_of_an_index(explaining: Explaining):
    await claiming.claim(explaining, 5, NONE_THROTTLED, owner="me", at=NOON, lease_s=LEASE_S)

    assert any("deliveries_in_turn" in step for step in explaining.plan)
    assert not any("TEMP B-TREE" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_the_next_delivery_is_found_in_the_order_of_an_index(explaining: Explaining):
    await claiming.next_ready(explaining, NONE_THROTTLED)

    assert any("deliveries_ready" in step for step in explaining.plan)
    assert not any("TEMP B-TREE" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_the_statements_of_a_poll_use_indexes(explaining: Explaining):
    await watches.active_of(explaining, 1)
    await tasks.stop_polling_unwatched(explaining, [1])
    await tasks.make_due(explaining, [1], at=NOON)
    await deliveries.enqueue_cards(explaining, [1], at=NOON)
    await deliveries.enqueue_results(explaining, [1], at=NOON)
    await deliveries.enqueue_notices(explaining, task(), [1], at=NOON, about=Cause.KEY_INVALID)
    await deliveries.allow_notices(explaining, "wan", at=NOON)

    assert explaining.scans() == []
    assert any("deliveries_no_repeat (kind=? AND subject=? AND chat_id=?" in step for step in explaining.plan)


async def test_the_companions_of_a_failure_are_found_in_its_chat(explaining: Explaining):
    watch = watched(TaskStatus.FAILED)
    delivery = Delivery(id=1, address=ChatAddress(chat_id=CHAT), kind=DeliveryKind.RESULT)
    await claiming.claim_companions(
        explaining,
        WatchDelivery(delivery=delivery, watch=watch.watch, task=watch.task),
        {"owner": "me", "at": NOON, "until": NOON},
    )

    assert any("deliveries_one_pending (chat_id=? AND kind=?)" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_the_steps_of_a_settlement_and_of_a_report_go_by_index(explaining: Explaining):
    await settling.release(explaining, owner="me")
    await deliveries.enqueue_report(explaining, CHAT, failure(), at=NOON)
    await chats.lost(explaining, CHAT, "blocked", at=NOON)
    await chats.migrate(explaining, CHAT, -100, at=NOON)

    assert explaining.scans() == []


async def test_the_steps_of_a_lookup_go_by_index(explaining: Explaining):
    await lookups.add(explaining, lookup_request(), at=NOON, limits=UNLIMITED)
    await lookups.on_polled(explaining, task(), at=NOON)
    await lookups.advance(explaining, 1, at=NOON)
    await lookups.store_question(explaining, 1, 500, at=NOON)
    await lookups.move(explaining, CHAT, -100, at=NOON)

    assert any("lookup_candidates_of_task" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_tasks_failing_for_a_cause_are_found_among_the_polled_ones(explaining: Explaining):
    await tasks.make_due_again(explaining, [Cause.KEY_INVALID], at=NOON)

    assert "SCAN tasks USING INDEX tasks_claimable" in explaining.plan
    assert "SCAN tasks" not in explaining.plan


async def test_each_chat_s_oldest_card_is_found_in_the_order_of_an_index(explaining: Explaining):
    await watches.refresh_cards(explaining, older_than=NOON, limit=8, at=NOON)

    assert any("watches_card_age" in step for step in explaining.plan)
    assert not any("GROUP BY" in step for step in explaining.plan)


async def test_the_cards_of_a_gateway_are_found_by_its_polled_tasks(explaining: Explaining):
    await watches.refresh_cards_of(explaining, ["wan"], sent_before=NOON, limit=16, at=NOON)

    assert any("tasks_claimable (provider=? AND claimable_at>?)" in step for step in explaining.plan)
    assert not {"SCAN t", "SCAN w", "SCAN b", "SCAN d"} & set(explaining.scans())


async def test_the_counts_are_read_from_indexes(explaining: Explaining):
    await maintenance.figures(explaining, size=0)

    scans = {step for step in explaining.scans() if "COVERING INDEX" not in step}
    assert scans == {
        # As many rows as are counted there.
        "SCAN lookups USING INDEX lookups_open",
        "SCAN watches USING INDEX watches_card_age",
        "SCAN deliveries USING INDEX deliveries_one_pending",
    }
    assert any("deliveries_in_turn (priority=?)" in step for step in explaining.plan)
    assert not any("TEMP B-TREE" in step for step in explaining.plan)


async def test_a_page_of_100_000_ended_watches_is_found_in_the_order_of_an_index(explaining: Explaining):
    await explaining.fill(
        """
        WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 100000)
        INSERT INTO tasks (provider, external_id, status, registered_at)
        SELECT iif(value % 100, 'wan', 'veo'), value, 'succeeded', 0 FROM n
        """
    )
    await explaining.fill(
        f"""
        INSERT INTO watches (task_id, chat_id, language, created_at, state, ended_at, reported_status)
        SELECT id, {CHAT}, 'en', 0, 'finished', id, iif(id % 30, 'succeeded', 'failed') FROM tasks
        """
    )

    for ending, provider in ((None, None), (Ending.FAILED, None), (Ending.DONE, "veo")):
        found = await history.page(explaining, CHAT, ending=ending, provider=provider, offset=10, limit=6)
        assert len(found) == 6

    assert any("watches_ended (chat_id=?)" in step for step in explaining.plan)
    assert not any("TEMP B-TREE" in step for step in explaining.plan)
    assert explaining.scans() == []


async def test_the_ends_of_a_period_are_found_by_index(explaining: Explaining):
    await usage.usage(explaining, [NOON], end=NOON, dialect=USAGE_DIALECT)

    assert sum("events_finished (at>? AND at<?)" in step for step in explaining.plan) == 2
    assert not any(step.startswith(("SCAN t", "SCAN events")) for step in explaining.plan)


async def test_no_statement_of_a_poll_or_delivery_is_compiled_at_each_use(tmp_path: Path):
    # SQLite does that while a parameter is compared with what the condition of a partial index compares.
    await (await open_store(tmp_path / "a.db")).close()
    compiled: list[object] = []

    def note(*action: object) -> int:
        compiled.append(action)
        return sqlite3.SQLITE_OK

    async with aiosqlite.connect(tmp_path / "a.db", isolation_level=None) as connection:
        connection.row_factory = sqlite3.Row
        await connection.set_authorizer(note)
        for number in (1, 2, 3):
            compiled.clear()
            await live(Transaction(connection), number)

    assert compiled == []


async def live(tx: Transaction, number: int) -> None:
    """A task is watched, polled and delivered."""
    at = NOON + timedelta(seconds=number)
    request = watch_request(f"t{number}", chat_id=number, message_id=number, user_id=number)
    limits = WatchLimits(per_chat=number, per_person=number)
    await registering.add(tx, request, at=at, limits=limits, hold_card_s=0.0)
    [claimed] = await tasks.claim_due(tx, {"wan": number}, owner="me", at=at, lease_s=LEASE_S, ahead_s=0)
    await renew(tx, [claimed], owner="me", at=at, lease_s=LEASE_S)
    await send(tx, number, at=at)
    for status, kind in ((TaskStatus.RUNNING, EventKind.STATUS), (TaskStatus.FAILED, EventKind.FINISHED)):
        polled = replace(claimed, status=status, last_poll_at=at, next_poll_at=at)
        assert await tasks.apply_poll(tx, polled)
        events = [TaskEvent(kind=kind, before=claimed.status, after=status, at=at)]
        await tasks.record(tx, claimed.id, events)
        await deliveries.enqueue_for_events(tx, polled, events, await watches.active_of(tx, claimed.id))
        await send(tx, number, at=at)
        [claimed] = (await tasks.by_ids(tx, [claimed.id])).values()


async def send(tx: Transaction, number: int, *, at: datetime) -> None:
    """Every delivery that can be sent is sent, at the second attempt."""
    for state in (DeliveryState.PENDING, DeliveryState.SENT):
        await claiming.next_ready(tx, NONE_THROTTLED)
        for out in await claiming.claim(tx, 5, NONE_THROTTLED, owner="me", at=at, lease_s=LEASE_S):
            await claiming.renew(tx, [out.delivery.id], at=at, lease_s=LEASE_S)
            await settling.note_unconfirmed_call(tx, out.delivery.id, at=at)
            await settling.note_message(tx, out.delivery.id, number)
            await settling.settle(tx, out.delivery.id, Settlement(state=state, at=at, not_before=at))
