"""Short forms of the calls that bot and users make on a store."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.models import (
    Cause,
    DeliveryKind,
    DeliveryState,
    EventKind,
    PollFailure,
    Snapshot,
    Task,
    TaskEvent,
    TaskStatus,
)
from storage.outbox import (
    NONE_THROTTLED,
    ClaimedDelivery,
    ReportDelivery,
    Settlement,
    ThrottledChats,
    WatchDelivery,
)
from storage.store import Store
from storage.watches import UNLIMITED, WatchedTask, WatchLimits
from tests.fakes.requests import watch_request

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHAT = 100
LEASE_S = 60.0


def of_watches(claimed: Iterable[ClaimedDelivery]) -> list[WatchDelivery]:
    """The deliveries, all of which belong to a watch."""
    found = [one for one in claimed if isinstance(one, WatchDelivery)]
    assert found == list(claimed)
    return found


class Driver:
    """A store, a fixed time, and the calls that bot and users make."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON
        self._times_watched: Counter[tuple[str, str, int, int | None]] = Counter()

    def later(self, seconds: float) -> datetime:
        """The time that many seconds from now."""
        return self.now + timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Advance the time."""
        self.now = self.later(seconds)

    async def watch(
        self,
        external_id: str = "t1",
        *,
        provider: str = "wan",
        chat_id: int = CHAT,
        thread_id: int | None = None,
        message_id: int | None = 0,
        user_id: int | None = 42,
        limits: WatchLimits = UNLIMITED,
    ) -> WatchedTask:
        """A user sends /watch. message_id: 0: 7, and another one with each call for the same task."""
        watched = (provider, external_id, chat_id, thread_id)
        if message_id == 0:
            message_id = 7 + self._times_watched[watched]
        self._times_watched[watched] += 1
        request = watch_request(
            external_id,
            provider=provider,
            chat_id=chat_id,
            thread_id=thread_id,
            message_id=message_id,
            user_id=user_id,
        )
        return await self.store.add_watch(request, at=self.now, limits=limits)

    async def watch_batch(
        self, *ids: str, chat_id: int = CHAT, user_id: int | None = 42, hold_s: float = 0.0
    ) -> list[int]:
        """A user names tasks in one message; returns their ids."""
        requests = [watch_request(each, chat_id=chat_id, user_id=user_id) for each in ids]
        found = await self.store.add_watches(requests, at=self.now, hold_card_s=hold_s)
        return [each.task.id for each in found.watched]

    async def claim_tasks(self, provider: str = "wan", *, limit: int = 100) -> list[Task]:
        """The polling worker claims due tasks."""
        return await self.store.claim_due({provider: limit}, at=self.now, lease_s=LEASE_S)

    async def nothing_is_due(self, provider: str = "wan") -> bool:
        """Whether no task will ever be due again."""
        return not await self.store.claim_due({provider: 1}, at=self.later(10**8), lease_s=0)

    async def poll(self, task_id: int, status: TaskStatus, *kinds: EventKind, next_s: float = 30) -> bool:
        """Apply a poll that finds a task in a status; kinds: the events, by default those of the status."""
        return await self.store.apply(
            *self.polled(await self.claim_task(task_id), status, *kinds, next_s=next_s)
        )

    def polled(
        self, task: Task, status: TaskStatus, *kinds: EventKind, next_s: float = 30
    ) -> tuple[Task, list[TaskEvent]]:
        """The task for apply() after a claimed task was polled in a status."""
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

    async def fail_key(self, task_id: int, cause: Cause = Cause.KEY_INVALID) -> None:
        """Apply a poll of a task whose provider rejects the key."""
        task = await self.claim_task(task_id)
        after, events = self.polled(task, task.status, EventKind.KEY_FAILURE)
        trouble = PollFailure(cause=cause, message="no", since=self.now)
        assert await self.store.apply(replace(after, poll_failure=trouble), events)

    async def claim(self, limit: int = 100) -> list[WatchDelivery]:
        """Claim all deliveries that can be sent, in as many claims as needed."""
        claimed: list[WatchDelivery] = []
        while len(claimed) < limit and (found := await self.claim_round(limit - len(claimed))):
            claimed += [each for one in found for each in (one, *one.companions)]
        return claimed

    async def claim_round(
        self, limit: int = 100, throttled: ThrottledChats = NONE_THROTTLED
    ) -> list[WatchDelivery]:
        """Claim once: one delivery a chat."""
        return of_watches(await self.store.claim_deliveries(limit, throttled, at=self.now, lease_s=LEASE_S))

    async def claim_reports(self) -> list[ReportDelivery]:
        """Claim once, when only reports can be sent."""
        found = await self.store.claim_deliveries(100, at=self.now, lease_s=LEASE_S)
        reports = [one for one in found if isinstance(one, ReportDelivery)]
        assert reports == found
        return reports

    async def claim_one(self, kind: DeliveryKind) -> WatchDelivery:
        """Claim all deliveries that can be sent, and return the only one of the kind."""
        (found,) = [outgoing for outgoing in await self.claim() if outgoing.delivery.kind is kind]
        return found

    async def claim_video(self, *, watched_s: float) -> WatchDelivery:
        """The result of a task that a poll finds succeeded now, watched so many seconds before."""
        self.advance(-watched_s)
        watched = await self.watch()
        self.advance(watched_s)
        await self.poll(watched.task.id, TaskStatus.SUCCEEDED)
        return await self.claim_one(DeliveryKind.RESULT)

    async def settle(
        self,
        outgoing: ClaimedDelivery,
        state: DeliveryState = DeliveryState.SENT,
        *,
        retry_s: float | None = None,
        message_id: int | None = None,
        digest: str | None = None,
    ) -> None:
        """Settle an attempt."""
        settlement = Settlement(
            state=state,
            at=self.now,
            not_before=None if retry_s is None else self.later(retry_s),
            message_id=message_id,
            card_digest=digest,
        )
        await self.store.settle(outgoing.delivery.id, settlement)

    async def send(self) -> list[tuple[DeliveryKind, int]]:
        """Send all deliveries that can be sent; return their kinds and watches."""
        sent = []
        while outgoing := await self.claim():
            for one in outgoing:
                await self.settle(one, message_id=1000 + one.delivery.id, digest="shown")
                sent.append((one.delivery.kind, one.watch.id))
        return sent

    async def claim_while_edits_are_throttled(self) -> list[tuple[DeliveryKind, int]]:
        """Claim deliveries while the chat is throttled for edits."""
        found = await self.claim_round(9, ThrottledChats(to_edits=[CHAT]))
        return [(one.delivery.kind, one.watch.id) for one in found]

    async def claim_task(self, task_id: int) -> Task:
        """Claim a task, due or not, without leasing the others for long."""
        await self.store.request_poll(task_id, at=self.now)
        known = await self.store.task(task_id)
        assert known is not None
        claimed = await self.store.claim_due({known.ref.provider: 100}, at=self.now, lease_s=0)
        return next(task for task in claimed if task.id == task_id)
