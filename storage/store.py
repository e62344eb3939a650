"""The Store protocol: every database operation of the bot."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from storage.access_store import AccessStore
from storage.chat_store import ChatStore
from storage.delivery_store import DeliveryStore
from storage.figures import Figures, Stats, Workload
from storage.leadership import Leadership
from storage.lookups import LookupStore
from storage.models import Cause, Task, TaskEvent
from storage.notifications import Notifications
from storage.usage import Usage
from storage.watches import UNLIMITED, Ending, Registration, WatchedTask, WatchLimits, WatchRequest


class Store(AccessStore, ChatStore, DeliveryStore, LookupStore, Protocol):
    """The database. Each method is one transaction, and may raise StoreError."""

    leadership: Leadership  # whether this process may poll and deliver
    notifications: Notifications  # by which the processes that share the database wake each other

    def now(self) -> datetime:
        """The time by the database's clock, which all processes that share it have in common. No I/O."""
        ...

    # watches

    async def add_watch(
        self,
        request: WatchRequest,
        *,
        at: datetime,
        limits: WatchLimits = UNLIMITED,
        hold_card_s: float = 0.0,
    ) -> WatchedTask:
        """Register a watch, make its task due and enqueue its card.

        hold_card_s: how long the first card of a task that was never polled waits for the first poll.
        Raises WatchLimitReached, and writes nothing, if the watch would exceed the limits.

        1. Task, chat and topic identify a watch. One that is active, or whose result was delivered for a
           task that SUCCEEDED, FAILED or was CANCELLED, is returned unchanged with is_new False.
        2. A stopped watch, and one whose task ended as EXPIRED or NOT_FOUND, is restarted with a new card;
           in the latter case the task becomes UNKNOWN and is polled again.
        3. A new watch of a task that is already final gets a RESULT in the same transaction, and no card.
        4. A new watch of a task that SUCCEEDED, but was last polled more than a day ago, gets its result
           after a poll has confirmed it. Until then the task is UNKNOWN, with its snapshot and file; watches
           that have their result still see it as SUCCEEDED.
        5. Polling of a task that rests is resumed as by request_poll(), whether or not the watch is new.
        """
        ...

    async def add_watches(
        self,
        requests: Sequence[WatchRequest],
        *,
        at: datetime,
        limits: WatchLimits = UNLIMITED,
        hold_card_s: float = 0.0,
    ) -> Registration:
        """add_watch() for all requests of one message; those that a limit refuses are counted, not raised.

        1. Of four or more requests, those that are new become a batch, unless there is only one. Its card, a
           BATCH, replaces the CARDs of its watches wherever one would be enqueued.
        2. A watch that exists already keeps its card, which for one of a batch is the batch's. One that is
           restarted leaves its old batch.
        3. A batch's card is enqueued again at once when all its tasks have ended, and until then less often
           the older the batch is, so that a group's limit of calls is left to the results.
        """
        ...

    async def batch(self, batch_id: int, chat_id: int) -> list[WatchedTask]:
        """The watches of this chat's batch, in the order of their ids."""
        ...

    async def active_watches(self, chat_id: int) -> list[WatchedTask]:
        """The chat's active watches, oldest first."""
        ...

    async def watches_of(self, chat_id: int, external_id: str) -> list[WatchedTask]:
        """The chat's watches of this id in any provider, topic and state, newest first."""
        ...

    async def history(
        self, chat_id: int, *, ending: Ending | None, provider: str | None, offset: int, limit: int
    ) -> list[WatchedTask]:
        """The chat's watches that are over, newest first; ending and provider: only those, None: all.

        The task has the status that was reported to the chat.
        """
        ...

    async def stop_unchanged(self, *, since_before: datetime, limit: int, at: datetime) -> int:
        """Stop up to limit active watches made before then whose task has not ended, changed or been
        requested since; return how many."""
        ...

    async def watch(self, watch_id: int, chat_id: int) -> WatchedTask | None:
        """The watch by its id; None unless it is this chat's."""
        ...

    async def stop_watch(self, watch_id: int, *, at: datetime, by: str | None = None) -> bool:
        """Stop an active watch and enqueue its last card; False if it was not active.

        by: the name of who stops it, for the card.

        Its unsent deliveries are superseded. A task without an active watch has no next poll.
        """
        ...

    async def request_poll(self, task_id: int, *, at: datetime) -> None:
        """Make a task that is not final due at once, and mark its row for the worker that leases it.

        A resting task becomes MOVING, unchanged since now, and its cards are enqueued. An UNCHANGED one stays
        so, and its time until it rests starts again.
        """
        ...

    async def resume(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        """request_poll() for the task of this chat's active watch; False if there is none."""
        ...

    async def task(self, task_id: int) -> Task | None:
        """The task by its id, or None."""
        ...

    async def tasks(self, task_ids: Collection[int]) -> list[Task]:
        """Those of these tasks that exist."""
        ...

    # polling

    async def claim_due(
        self, quota: Mapping[str, int], *, at: datetime, lease_s: float, ahead_s: float = 0.0
    ) -> list[Task]:
        """Lease tasks whose next poll is due and that are not leased, longest overdue first.

        quota: the maximum for each provider; tasks of other providers are not leased.
        ahead_s: tasks due within so many seconds count as due.
        """
        ...

    async def providers_with_due_tasks(self) -> set[str]:
        """The names of the providers with tasks that have a next poll."""
        ...

    async def make_due_again(self, causes: Collection[Cause], *, at: datetime) -> None:
        """Make tasks due at once that have a next poll and whose polls fail for one of these causes."""
        ...

    async def take_poll_requests(self) -> list[Task]:
        """Return and clear the poll requests for the tasks that this store leases.

        next_poll_at is what was requested: a time in the past (poll now), or None (stop polling).
        """
        ...

    async def renew_tasks(self, tasks: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        """Extend leases and write these tasks' last and next poll times.

        Returns chat_active_watches by task id, of those that this store still leases.
        """
        ...

    async def apply(self, task: Task, events: Sequence[TaskEvent]) -> bool:
        """Write a polled task, its events and one delivery of each kind per active watch.

        1. Compare-and-set: if the row's version is no longer task.version, nothing is written but the lease
           is released, the task is due again, and the result is False.
        2. A pending CARD is replaced by the newer one; a pending first CARD is deleted if the task has ended,
           as the RESULT contains all of it.
        3. A NOTICE is sent once per chat, topic, provider and cause (UNCHANGED has its own), as long as the
           watch that it was sent for is active, and until a task of the provider has RECOVERED, which
           deletes the pending ones.
        4. A task without an active watch is written without a next poll. One whose polling was resumed after
           task.unchanged_since does not rest: its stall and due time stay.
        5. The lease becomes task.lease_until, and is released if there is no next poll.
        """
        ...

    # maintenance

    async def load_estimates(self) -> str | None:
        """The text last saved by save_estimates(), or None."""
        ...

    async def save_estimates(self, estimates: str) -> None:
        """Save the estimates of task durations, an opaque text."""
        ...

    async def load_leader_state(self) -> str | None:
        """The text last saved by save_leader_state(), or None; with SQLite always None."""
        ...

    async def save_leader_state(self, state: str) -> None:
        """Save what the leader tells the processes that stand by, an opaque text."""
        ...

    async def stats(self) -> Stats:
        """Counts by status and state."""
        ...

    async def figures(self) -> Figures:
        """What /metrics shows of the database."""
        ...

    async def usage(self, starts: Sequence[datetime], *, end: datetime) -> Usage:
        """Count the tasks that ended on each day, which lasts until the next one starts, the last until end.

        Each start is a multiple of 15 minutes; of more than 200,000 ends the newest are counted.
        """
        ...

    async def workload(self, *, at: datetime) -> Workload:
        """What there is to do at that time."""
        ...

    async def check(self) -> None:
        """Raise StoreError unless the database can be written."""
        ...

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        """Delete what is older than that: settled deliveries, ended watches, lookups, and batches, tasks and
        chats without watches; and of access, unsent questions and greetings, and open requests.

        A watch suspended before then counts as ended; older pending deliveries of ended watches, and all of
        lookups, are deleted with them. Allowed chats and refusals are kept.

        Deletes at most limit rows per table, to keep the transaction short, and returns how many; 0: none are
        left. Free pages are returned to the file system.
        """
        ...

    async def close(self) -> None:
        """Release this process's leases, checkpoint and close."""
        ...
