"""Walks an archive through its days, so that a test says only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.models import (
    Cause,
    ClaimedDelivery,
    DeliveryKind,
    DeliveryState,
    EventKind,
    PollFailure,
    Settlement,
    Snapshot,
    Task,
    TaskEvent,
    TaskRef,
    TaskStatus,
    ThrottledChats,
    WatchedTask,
    WatchRequest,
)
from storage.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHAT = 100
LEASE_S = 60.0


class Driver:
    """A store, a clock that stands still, and the steps that bot and people take with them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON

    def later(self, seconds: float) -> datetime:
        """The moment so many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now = self.later(seconds)

    async def watch(
        self,
        external_id: str = "t1",
        *,
        provider: str = "wan",
        chat_id: int = CHAT,
        thread_id: int | None = None,
        message_id: int | None = 7,
        user_id: int | None = 42,
    ) -> WatchedTask:
        """A person says /watch."""
        request = WatchRequest(
            ref=TaskRef(provider=provider, external_id=external_id),
            chat_id=chat_id,
            thread_id=thread_id,
            message_id=message_id,
            user_id=user_id,
            language="en",
        )
        return await self.store.add_watch(request, at=self.now)

    async def claim_tasks(self, provider: str = "wan", *, limit: int = 100) -> list[Task]:
        """The clock claims what is due."""
        return await self.store.claim_due({provider: limit}, at=self.now, lease_s=LEASE_S)

    async def nothing_is_due(self, provider: str = "wan") -> bool:
        """Whether the clock never finds anything again, however long it waits."""
        return not await self.store.claim_due({provider: 1}, at=self.later(10**8), lease_s=0)

    async def look(self, task_id: int, status: TaskStatus, *kinds: EventKind, next_s: float = 30) -> bool:
        """The clock sees a task in a status; kinds: what happened, by default what fits the status."""
        return await self.store.apply(*self.seen(await self.take(task_id), status, *kinds, next_s=next_s))

    def seen(
        self, task: Task, status: TaskStatus, *kinds: EventKind, next_s: float = 30
    ) -> tuple[Task, list[TaskEvent]]:
        """What apply() is given after a claimed task was seen in a status."""
        kinds = kinds or (EventKind.FINISHED if status.is_final else EventKind.STATUS,)
        after = replace(
            task,
            status=status,
            snapshot=Snapshot(status=status, raw_status=status.upper()),
            snapshot_at=self.now,
            last_poll_at=self.now,
            next_poll_at=None if status.is_final else self.later(next_s),
        )
        return after, [TaskEvent(kind=kind, before=task.status, after=status, at=self.now) for kind in kinds]

    async def key_trouble(self, task_id: int, cause: Cause = Cause.KEY_INVALID) -> None:
        """The clock finds that the key of a task's provider is refused."""
        task = await self.take(task_id)
        after, events = self.seen(task, task.status, EventKind.KEY_TROUBLE)
        trouble = PollFailure(cause=cause, message="no", since=self.now)
        assert await self.store.apply(replace(after, poll_failure=trouble), events)

    async def claim(self, limit: int = 100) -> list[ClaimedDelivery]:
        """The courier claims what may be sent, in as many rounds as that takes."""
        claimed: list[ClaimedDelivery] = []
        while len(claimed) < limit and (
            found := await self.store.claim_deliveries(limit - len(claimed), at=self.now, lease_s=LEASE_S)
        ):
            claimed += [each for one in found for each in (one, *one.companions)]
        return claimed

    async def claim_one(self, kind: DeliveryKind) -> ClaimedDelivery:
        """The courier claims what may be sent, among which is one delivery of the kind."""
        (found,) = [outgoing for outgoing in await self.claim() if outgoing.delivery.kind is kind]
        return found

    async def settle(
        self,
        outgoing: ClaimedDelivery,
        state: DeliveryState = DeliveryState.SENT,
        *,
        retry_s: float | None = None,
        message_id: int | None = None,
        digest: str | None = None,
    ) -> None:
        """The courier writes how an attempt ended."""
        settlement = Settlement(
            state=state,
            at=self.now,
            not_before=None if retry_s is None else self.later(retry_s),
            message_id=message_id,
            card_digest=digest,
        )
        await self.store.settle(outgoing.delivery.id, settlement)

    async def send(self) -> list[tuple[DeliveryKind, int]]:
        """The courier sends all that may be sent; what, and for which watch."""
        sent = []
        while outgoing := await self.claim():
            for one in outgoing:
                await self.settle(one, message_id=1000 + one.delivery.id, digest="shown")
                sent.append((one.delivery.kind, one.watch.id))
        return sent

    async def send_to_closed_to_edits(self) -> list[tuple[DeliveryKind, int]]:
        """What the courier gets while the chat bears no edits."""
        closed = ThrottledChats(to_edits=[CHAT])
        found = await self.store.claim_deliveries(9, closed, at=self.now, lease_s=LEASE_S)
        return [(one.delivery.kind, one.watch.id) for one in found]

    async def take(self, task_id: int) -> Task:
        """Claim a task, due or not, with a lease so short that the others stay free."""
        await self.store.request_poll(task_id, at=self.now)
        known = await self.store.task(task_id)
        assert known is not None
        claimed = await self.store.claim_due({known.ref.provider: 100}, at=self.now, lease_s=0)
        return next(task for task in claimed if task.id == task_id)
