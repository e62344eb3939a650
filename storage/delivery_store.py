"""The part of the Store about deliveries, the durable queue of messages and edits."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from storage.outbox import (
    NONE_THROTTLED,
    AdminReport,
    ClaimedDelivery,
    CopyRequest,
    Settlement,
    ThrottledChats,
)
from storage.watches import UNLIMITED, WatchLimits


class DeliveryStore(Protocol):
    """Each method is one transaction, and may raise StoreError."""

    async def claim_deliveries(
        self, limit: int, throttled: ThrottledChats = NONE_THROTTLED, *, at: datetime, lease_s: float
    ) -> list[ClaimedDelivery]:
        """Lease up to limit deliveries that can be sent now, one per chat.

        In the order of DeliveryPriority, the oldest of each first. A failure is returned with the other
        failures of the same request, leased as well.

        Never two at a time of the same address, kind and subject. After a crash, deliveries can be claimed
        again when their lease expires.
        """
        ...

    async def renew_deliveries(self, delivery_ids: Sequence[int], *, at: datetime, lease_s: float) -> None:
        """Extend the leases of deliveries that are being processed."""
        ...

    async def next_delivery_at(self, throttled: ThrottledChats = NONE_THROTTLED) -> datetime | None:
        """When the next delivery outside these chats can be claimed, which may be past, or None."""
        ...

    async def note_message(self, delivery_id: int, message_id: int) -> None:
        """Store the message that a delivery has sent so far."""
        ...

    async def note_unconfirmed_call(self, delivery_id: int, *, at: datetime) -> None:
        """Record a call that is not idempotent before it is made."""
        ...

    async def settle(self, delivery_id: int, settlement: Settlement) -> None:
        """Write the outcome of an attempt and release the lease.

        A CARD or BATCH that was SENT updates the card and digest of its watch or batch, and is deleted. A
        RESULT that is SENT, UNKNOWN or DEAD finishes its watch and, unless SENT, enqueues the card. With
        wants_document, the DOCUMENT is enqueued as a reply to the message.
        """
        ...

    async def enqueue_report(self, chat_id: int, report: AdminReport, *, at: datetime) -> bool:
        """Enqueue a REPORT to an admin if it is news to them; may be repeated.

        1. A failure is news unless one of this gateway was reported and its recovery was not.
        2. A recovery is news if a failure was reported.
        3. An unsent report of the opposite is superseded, and what was reported before it counts.
        4. An unsent report of the same gets the new content.

        False: nothing is written, as a report of this gateway is being sent to this admin just now.
        """
        ...

    async def supersede_reports_to_all_but(self, admin_ids: Collection[int], *, at: datetime) -> None:
        """Supersede unsent reports and questions to all others, and forget what was reported to them."""
        ...

    async def send_again(self, watch_id: int, chat_id: int, *, at: datetime) -> bool:
        """Enqueue a result of this chat again that ended as UNKNOWN or DEAD; False if there is none."""
        ...

    async def send_batch_again(
        self, batch_id: int, chat_id: int, *, at: datetime, limits: WatchLimits = UNLIMITED
    ) -> int:
        """Take up again what this chat's batch did not deliver; returns how many of its tasks.

        Results that ended as UNKNOWN or DEAD are enqueued as by send_again(). Tasks that ended as EXPIRED or
        NOT_FOUND are restarted as by add_watch() in the same batch, which counts as made now; not those
        beyond the limits.
        """
        ...

    async def send_copy(self, request: CopyRequest, *, at: datetime) -> bool:
        """Enqueue a COPY or DOCUMENT of a video that this chat has; False if it has none.

        Nothing is enqueued while one of the kind is unsent, and once per press, however often it is repeated.
        A result that ended as UNKNOWN or DEAD is enqueued as by send_again().
        """
        ...

    async def refresh_cards(self, *, older_than: datetime, limit: int, at: datetime) -> int:
        """Enqueue a CARD for up to limit active watches whose card was sent before then; return how many.

        The oldest first, one per chat, none of resting tasks, none in chats with a CARD that is pending or
        being sent. Cards with news are claimed before them.
        """
        ...

    async def refresh_cards_of(
        self, providers: Collection[str], *, sent_before: datetime, limit: int, at: datetime
    ) -> bool:
        """Enqueue up to limit cards of these providers' unfinished tasks that were sent before then, as news.

        Those of batches, too. Two per chat, one of each chat first, none in chats with a CARD with news that
        is pending or being sent. Returns whether there was any, enqueued or not.
        """
        ...
