"""Videos that a chat has already, sent once more: as a COPY of the video, or as a DOCUMENT."""

from datetime import datetime, timedelta

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from storage.outbox import CopyRequest, DeliveryPriority
from storage.sql.transaction import Transaction
from storage.watches import WatchState

_REPEATED = timedelta(seconds=10)  # a second press within this time is a double press


async def send(tx: Transaction, request: CopyRequest, *, at: datetime) -> bool:
    """Enqueue a COPY or DOCUMENT of a delivered video; False if there is none."""
    found = await tx.one(
        """
        SELECT w.id FROM watches AS w JOIN tasks AS t ON t.id = w.task_id
        WHERE w.id = :id AND w.chat_id = :chat_id AND w.state = :finished AND w.result = :sent
            AND w.reported_status = :succeeded AND t.status IN (:succeeded, :unknown)
        """,
        {
            "id": request.watch_id,
            "chat_id": request.chat_id,
            "finished": WatchState.FINISHED,
            "sent": DeliveryState.SENT,
            "succeeded": TaskStatus.SUCCEEDED,
            "unknown": TaskStatus.UNKNOWN,  # it is being confirmed
        },
    )
    if found is not None:
        await enqueue(tx, request, at=at)
    return found is not None


async def enqueue(tx: Transaction, request: CopyRequest, *, at: datetime) -> None:
    """Enqueue a COPY or DOCUMENT, unless one is unsent or was just sent, or this press has enqueued one."""
    await tx.run(
        """
        INSERT INTO deliveries
            (chat_id, thread_id, kind, subject, watch_id, priority, created_at, reply_to, press)
        SELECT chat_id, thread_id, :kind, id, id, :priority, :at, :reply_to, :press FROM watches
        WHERE id = :watch_id AND NOT EXISTS (
            SELECT 1 FROM deliveries AS d
            WHERE d.watch_id = :watch_id AND d.kind = :kind AND (
                d.is_unsent OR d.press = :press OR (d.state = :sent AND d.settled_at > :since)
            )
        )
        """,
        {
            "watch_id": request.watch_id,
            "kind": request.kind,
            # Results of others are sent before a file that comes in addition to a video.
            "priority": DeliveryPriority.NOTICE
            if request.kind is DeliveryKind.DOCUMENT
            else DeliveryPriority.VIDEO,
            "reply_to": request.reply_to,
            "press": request.press,
            "sent": DeliveryState.SENT,
            "since": at - _REPEATED,
            "at": at,
        },
    )
