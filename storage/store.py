"""Every question that the bot may ask the archive."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from storage.models import (
    NONE_THROTTLED,
    UNLIMITED,
    Cause,
    Chat,
    ClaimedDelivery,
    Settlement,
    Stats,
    Task,
    TaskEvent,
    ThrottledChats,
    WatchedTask,
    WatchLimits,
    WatchRequest,
)


class Store(Protocol):
    """The archive. Every verb is one transaction; every verb may raise StoreError."""

    # people

    async def add_watch(
        self,
        request: WatchRequest,
        *,
        at: datetime,
        limits: WatchLimits = UNLIMITED,
        hold_card_s: float = 0.0,
    ) -> WatchedTask:
        """Register a watch; the task is due at once, and the card is a delivery from here on.

        hold_card_s: how long the card of a task that was never polled waits for the first poll to bring news.

        WatchLimitReached, and nothing written, if it would be one active watch more than the limits allow.

        The same task in the same chat and topic is the same watch: if it is active or its result
        was delivered for a task that SUCCEEDED, FAILED or was CANCELLED, it comes back unchanged with
        is_new False. A stopped watch, and one whose task ended as EXPIRED or NOT_FOUND, starts anew: a
        fresh card, and in the latter case a task of status UNKNOWN that is looked at again. A new watch
        of a task that is final already gets its result as a delivery in the same transaction, and no card;
        of one that SUCCEEDED and was last polled more than a day ago, once a poll has said so again: it is
        UNKNOWN until then, with its snapshot and file, but not for those who have their result.
        A task that rests is taken up as by request_poll(), whether or not the watch is new.
        """
        ...

    async def active_watches(self, chat_id: int) -> list[WatchedTask]:
        """The chat's active watches, oldest first."""
        ...

    async def watches_of(self, chat_id: int, external_id: str) -> list[WatchedTask]:
        """The chat's watches of this id, whatever their provider, topic and state, newest first."""
        ...

    async def stop_unchanged(self, *, since_before: datetime, limit: int, at: datetime) -> int:
        """stop_watch() for as many as limit active watches older than that whose task has not ended, and has
        neither changed nor been asked for since; how many."""
        ...

    async def stop_watch(self, watch_id: int, *, at: datetime) -> bool:
        """Stop an active watch and have its card say so; False if it was not active.

        Its deliveries that were not sent are overtaken. A task that nobody watches any more has no next look.
        """
        ...

    async def request_poll(self, task_id: int, *, at: datetime) -> None:
        """Make a task that is not final due at once, and have whoever leases it told that somebody waits.

        One that rests is taken up: MOVING, unchanged since now, and its cards are shown again. One that is
        UNCHANGED stays so, and its days until it rests are counted anew.
        """
        ...

    async def take_up(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        """request_poll() for the task of this chat's active watch; False if there is none."""
        ...

    async def task(self, task_id: int) -> Task | None:
        """The task, or None."""
        ...

    async def tasks(self, task_ids: Collection[int]) -> list[Task]:
        """Those of these tasks that there are."""
        ...

    # the clock

    async def claim_due(
        self, quota: Mapping[str, int], *, at: datetime, lease_s: float, ahead_s: float = 0.0
    ) -> list[Task]:
        """Lease tasks whose next look is due and whose lease is free, longest overdue first.

        quota: for each provider, how many at the most; tasks of providers not named are left alone.
        ahead_s: tasks that will be due within so many seconds count as due.
        """
        ...

    async def providers_with_due_tasks(self) -> set[str]:
        """The names of the providers that have tasks to be looked at."""
        ...

    async def make_due_again(self, causes: Collection[Cause], *, at: datetime) -> None:
        """Make tasks that have a next look due at once if they are in trouble for one of these causes."""
        ...

    async def take_poll_requests(self) -> list[Task]:
        """The tasks leased here that people wait for or have left, each told once.

        Their next look says what people want: a moment that is past, or None.
        """
        ...

    async def renew_tasks(self, tasks: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        """Lengthen leases, write when these tasks were and will be looked at.

        The crowds, by id, of those that are still leased here.
        """
        ...

    async def apply(self, task: Task, events: Sequence[TaskEvent]) -> bool:
        """Write a looked-at task, its events and one delivery of each kind per active watch.

        One transaction, only if the row's version is still task.version; otherwise nothing is written
        but the lease is freed, the task is due again, and the answer is False. A CARD delivery that has
        not been sent yet is replaced by the newer one; a first one is taken back if the task has ended, as
        the result says all of it. A NOTICE goes to each chat and topic once per provider and cause, as long
        as the watch that it was told through is active, and until a task of that provider has RECOVERED,
        which takes back those that were not sent;
        that of UNCHANGED has a cause of its own. A task without an active watch is written with no next look.
        One that was taken up after task.unchanged_since does not rest: its stall and due time stay.
        The lease becomes task.lease_until, and ends with the last look.
        """
        ...

    # the courier

    async def claim_deliveries(
        self, limit: int, closed: ThrottledChats = NONE_THROTTLED, *, at: datetime, lease_s: float
    ) -> list[ClaimedDelivery]:
        """Lease what may be sent now, one to a chat.

        In this order: videos, failures, notices, last states, first cards, news, refreshes. Of each of
        these the oldest first. A failure brings along, leased as well, those of the same request.

        Never two at a time for the same watch and kind. Those of a crashed courier come back when
        their lease runs out.
        """
        ...

    async def renew_deliveries(self, delivery_ids: Sequence[int], *, at: datetime, lease_s: float) -> None:
        """Lengthen the leases of deliveries in hand."""
        ...

    async def next_delivery_at(self, closed: ThrottledChats = NONE_THROTTLED) -> datetime | None:
        """When the next delivery can be claimed, which may be past; None: none waits outside closed chats."""
        ...

    async def note_message(self, delivery_id: int, message_id: int | None) -> None:
        """Remember the message that a delivery has made so far; None: it is gone."""
        ...

    async def note_unconfirmed_call(self, delivery_id: int, *, at: datetime) -> None:
        """Remember, before the call, that a call is begun which must not be repeated."""
        ...

    async def settle(self, delivery_id: int, settlement: Settlement) -> None:
        """Write how an attempt ended and free the lease.

        A CARD that was sent names the watch's card and digest, and is forgotten. A RESULT that is SENT,
        UNKNOWN or DEAD finishes its watch and, unless SENT, has the card shown again.
        """
        ...

    async def send_again(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        """Deliver anew a result of this chat's that ended as UNKNOWN or DEAD; False if there is none."""
        ...

    async def refresh_cards(self, *, older_than: datetime, limit: int, at: datetime) -> int:
        """Enqueue a CARD for as many as limit active watches whose card is older than that; how many.

        The oldest first, one to a chat, none of tasks that rest, none where one waits or is on its way. News
        goes before them.
        """
        ...

    # chats

    async def chat(self, chat_id: int) -> Chat | None:
        """The chat, or None if it was never met."""
        ...

    async def save_chat(self, chat: Chat, *, at: datetime) -> None:
        """Write a chat as it is now."""
        ...

    async def chat_lost(self, chat_id: int, reason: str, *, at: datetime) -> None:
        """Park the chat's active watches; what was to be sent there waits with them; no next look for tasks
        that nobody else watches. A chat that was not met and has no watches is not remembered."""
        ...

    async def chat_found(self, chat_id: int, *, at: datetime) -> None:
        """Take up the parked watches of a chat that came back: cards are shown again, tasks are due and rest
        no more."""
        ...

    async def throttle_chat(self, chat_id: int, *, until: datetime) -> None:
        """Remember that Telegram wants a chat left alone until then, if it has watches."""
        ...

    async def throttled_chats(self, *, at: datetime) -> Mapping[int, datetime]:
        """Which chats are to be left alone after that moment, and until when."""
        ...

    async def migrate_chat(self, old_id: int, new_id: int, *, at: datetime) -> None:
        """Rewrite a group's rows to its supergroup's id, which is let in if the group was.

        Its messages stay behind, so cards are sent anew.
        """
        ...

    async def sync_allowed_chats(self, ids: Collection[int], *, at: datetime) -> frozenset[int]:
        """Let in the chats and people that the settings name, and no longer those that they named before.

        All that are let in: a group that was named and has become a supergroup under its new id, too.
        """
        ...

    async def stop_all_but(self, allowed_ids: Collection[int], *, at: datetime) -> int:
        """Stop the watches of all but these chats and people, whoever asked and wherever; how many.

        Nothing more is sent there, not even that: what waits for those chats is given up.
        """
        ...

    # the house

    async def load_estimates(self) -> str | None:
        """What save_estimates() wrote last; None: nothing yet."""
        ...

    async def save_estimates(self, estimates: str) -> None:
        """Keep what was learned of how long tasks take; a text that only its writer reads."""
        ...

    async def admin_reports(self) -> str | None:
        """What save_admin_reports() wrote last; None: nothing yet."""
        ...

    async def save_admin_reports(self, data: str) -> None:
        """Keep what the admins were told of gateways; a text that only its writer reads."""
        ...

    async def stats(self) -> Stats:
        """Counts by status and state."""
        ...

    async def check(self) -> None:
        """Raise StoreError unless the archive can be written to."""
        ...

    async def prune(self, *, older_than: datetime, limit: int) -> int:
        """Forget settled deliveries, ended watches, and tasks and chats without watches, from before then.

        A watch that was parked before then, and not taken up since, counts as ended, and what still waits
        to be sent to ended ones since before then goes with them. A chat that is let in by itself stays.

        At most limit rows of each, so that nothing else waits for long; how many rows: 0 means that no more
        are left. The space of what is forgotten goes back to the disk.
        """
        ...

    async def close(self) -> None:
        """Free this process's leases, checkpoint and close."""
        ...
