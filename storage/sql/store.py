"""SqlStore: the verbs of a Store, each one transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from storage.figures import Stats
from storage.models import Cause, Task, TaskEvent
from storage.outbox import (
    NONE_THROTTLED,
    AdminReport,
    ClaimedDelivery,
    CopyRequest,
    Settlement,
    ThrottledChats,
)
from storage.sql import (
    claiming,
    copies,
    deliveries,
    history,
    lookups,
    maintenance,
    registering,
    resending,
    resuming,
    settling,
    stopping,
    tasks,
    watches,
)
from storage.sql.access_store import SqlAccessStore
from storage.sql.chat_store import SqlChatStore
from storage.sql.lookup_store import SqlLookupStore
from storage.sql.transaction import Database, Transaction
from storage.store import Store
from storage.watches import UNLIMITED, Ending, Registration, WatchedTask, WatchLimits, WatchRequest


class SqlStore(SqlAccessStore, SqlChatStore, SqlLookupStore, Store):
    """The verbs of a Store whose statements are the same for all engines; the engine adds the others."""

    def __init__(self, database: Database) -> None:
        """Use an open database with the current schema."""
        super().__init__(database)
        self._owner = uuid4().hex  # the lease_owner of this store's leases

    # watches

    async def add_watch(
        self,
        request: WatchRequest,
        *,
        at: datetime,
        limits: WatchLimits = UNLIMITED,
        hold_card_s: float = 0.0,
    ) -> WatchedTask:
        async with self._database.transaction() as tx:
            return await registering.add(tx, request, at=at, limits=limits, hold_card_s=hold_card_s)

    async def add_watches(
        self,
        requests: Sequence[WatchRequest],
        *,
        at: datetime,
        limits: WatchLimits = UNLIMITED,
        hold_card_s: float = 0.0,
    ) -> Registration:
        async with self._database.transaction() as tx:
            return await registering.add_all(tx, requests, at=at, limits=limits, hold_card_s=hold_card_s)

    async def batch(self, batch_id: int, chat_id: int) -> list[WatchedTask]:
        async with self._database.reading() as tx:
            return [w for w in await watches.of_batch(tx, batch_id) if w.watch.chat_id == chat_id]

    async def active_watches(self, chat_id: int) -> list[WatchedTask]:
        async with self._database.reading() as tx:
            return await watches.active_in(tx, chat_id)

    async def watches_of(self, chat_id: int, external_id: str) -> list[WatchedTask]:
        async with self._database.reading() as tx:
            return await watches.of_task_in(tx, chat_id, external_id)

    async def watch(self, watch_id: int, chat_id: int) -> WatchedTask | None:
        async with self._database.reading() as tx:
            return await watches.of_chat(tx, watch_id, chat_id)

    async def stop_watch(self, watch_id: int, *, at: datetime, by: str | None = None) -> bool:
        async with self._database.transaction() as tx:
            return await stopping.stop(tx, watch_id, at=at, by=by)

    async def request_poll(self, task_id: int, *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await resuming.resume_stalled(tx, [task_id], at=at)
            await tasks.make_due(tx, [task_id], at=at, is_awaited=True)

    async def resume(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            return await watches.resume(tx, watch_id, chat_id, at=at)

    async def task(self, task_id: int) -> Task | None:
        async with self._database.reading() as tx:
            return (await tasks.by_ids(tx, [task_id])).get(task_id)

    async def tasks(self, task_ids: Collection[int]) -> list[Task]:
        async with self._database.reading() as tx:
            return list((await tasks.by_ids(tx, task_ids)).values())

    # polling

    async def claim_due(
        self, quota: Mapping[str, int], *, at: datetime, lease_s: float, ahead_s: float = 0.0
    ) -> list[Task]:
        async with self._database.transaction() as tx:
            return await tasks.claim_due(
                tx, quota, owner=self._owner, at=at, lease_s=lease_s, ahead_s=ahead_s
            )

    async def providers_with_due_tasks(self) -> set[str]:
        async with self._database.reading() as tx:
            return await tasks.providers_with_due_tasks(tx)

    async def make_due_again(self, causes: Collection[Cause], *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await tasks.make_due_again(tx, causes, at=at)

    async def take_poll_requests(self) -> list[Task]:
        async with self._database.transaction() as tx:
            return await tasks.take_poll_requests(tx, owner=self._owner)

    async def apply(self, task: Task, events: Sequence[TaskEvent]) -> bool:
        async with self._database.transaction() as tx:
            written = await tasks.apply_poll(tx, task)
            if written is None:
                await tasks.release_stale_poll(tx, task, owner=self._owner)
                return False
            if events:
                await tasks.record(tx, task.id, events)
                await deliveries.enqueue_for_events(tx, task, events, await watches.active_of(tx, task.id))
            if written["is_looked_up"]:
                await lookups.on_polled(tx, task, at=task.last_poll_at or task.registered_at)
            return True

    # deliveries

    async def claim_deliveries(
        self, limit: int, throttled: ThrottledChats = NONE_THROTTLED, *, at: datetime, lease_s: float
    ) -> list[ClaimedDelivery]:
        async with self._database.transaction() as tx:
            return await claiming.claim(tx, limit, throttled, owner=self._owner, at=at, lease_s=lease_s)

    async def renew_deliveries(self, delivery_ids: Sequence[int], *, at: datetime, lease_s: float) -> None:
        async with self._database.transaction() as tx:
            await claiming.renew(tx, delivery_ids, at=at, lease_s=lease_s)

    async def next_delivery_at(self, throttled: ThrottledChats = NONE_THROTTLED) -> datetime | None:
        async with self._database.reading() as tx:
            return await claiming.next_ready(tx, throttled)

    async def note_message(self, delivery_id: int, message_id: int) -> None:
        async with self._database.transaction() as tx:
            await settling.note_message(tx, delivery_id, message_id)

    async def note_unconfirmed_call(self, delivery_id: int, *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await settling.note_unconfirmed_call(tx, delivery_id, at=at)

    async def settle(self, delivery_id: int, settlement: Settlement) -> None:
        async with self._database.transaction() as tx:
            await settling.settle(tx, delivery_id, settlement)

    async def send_again(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            return await resending.send_again(tx, watch_id, chat_id, at=at)

    async def send_batch_again(
        self, batch_id: int, chat_id: int, *, at: datetime, limits: WatchLimits = UNLIMITED
    ) -> int:
        async with self._database.transaction() as tx:
            return await resending.send_batch_again(tx, batch_id, chat_id, at=at, limits=limits)

    async def send_copy(self, request: CopyRequest, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            if await resending.send_again(tx, request.watch_id, request.chat_id, at=at):
                return True
            return await copies.send(tx, request, at=at)

    async def history(
        self, chat_id: int, *, ending: Ending | None, provider: str | None, offset: int, limit: int
    ) -> list[WatchedTask]:
        async with self._database.reading() as tx:
            return await history.page(
                tx, chat_id, ending=ending, provider=provider, offset=offset, limit=limit
            )

    async def stop_unchanged(self, *, since_before: datetime, limit: int, at: datetime) -> int:
        async with self._database.transaction() as tx:
            return await stopping.stop_unchanged(tx, since_before=since_before, limit=limit, at=at)

    async def enqueue_report(self, chat_id: int, report: AdminReport, *, at: datetime) -> bool:
        async with self._database.transaction() as tx:
            return await deliveries.enqueue_report(tx, chat_id, report, at=at)

    async def supersede_reports_to_all_but(self, admin_ids: Collection[int], *, at: datetime) -> None:
        async with self._database.transaction() as tx:
            await deliveries.supersede_reports_to_all_but(tx, admin_ids, at=at)

    async def refresh_cards(self, *, older_than: datetime, limit: int, at: datetime) -> int:
        async with self._database.transaction() as tx:
            return await watches.refresh_cards(tx, older_than=older_than, limit=limit, at=at)

    async def refresh_cards_of(
        self, providers: Collection[str], *, sent_before: datetime, limit: int, at: datetime
    ) -> bool:
        async with self._database.transaction() as tx:
            return await watches.refresh_cards_of(tx, providers, sent_before=sent_before, limit=limit, at=at)

    # maintenance

    async def load_estimates(self) -> str | None:
        async with self._database.reading() as tx:
            return await maintenance.load_estimates(tx)

    async def save_estimates(self, estimates: str) -> None:
        async with self._database.transaction() as tx:
            await maintenance.save_estimates(tx, estimates)

    async def stats(self) -> Stats:
        async with self._database.reading() as tx:
            return await maintenance.stats(tx)

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        async with self._database.transaction() as tx:
            return await maintenance.prune(tx, older_than=older_than, limit=limit)

    async def _free_leases(self) -> None:
        """Release this store's leases."""
        async with self._database.transaction() as tx:
            await free_leases(tx, owner=self._owner)


async def free_leases(tx: Transaction, *, owner: str | None) -> None:
    """Release an owner's leases of tasks and deliveries; None: all."""
    await tasks.free_leases(tx, owner=owner)
    await settling.release(tx, owner=owner)
