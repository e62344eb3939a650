"""Enqueues again what could not be delivered."""

from contextlib import suppress
from datetime import datetime

from storage.errors import WatchLimitReached
from storage.models import DeliveryState
from storage.sql import batches, deliveries, registering, watches
from storage.sql.transaction import Transaction
from storage.watches import WatchLimits, WatchRequest, WatchState

_UNDELIVERED = [state for state in DeliveryState if state.is_undelivered]


async def send_again(tx: Transaction, watch_id: int, chat_id: int, *, at: datetime) -> bool:
    """Enqueue the result again if its delivery ended as UNKNOWN or DEAD; False if it did not."""
    found = await tx.one(
        """
        UPDATE watches SET result = NULL
        WHERE id = $1 AND chat_id = $2 AND state = 'finished' AND result = ANY($3)
            AND EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = task_id AND t.is_final)
        RETURNING id
        """,
        (watch_id, chat_id, _UNDELIVERED),
    )
    if found is None:
        return False
    await deliveries.enqueue_results(tx, [watch_id], at=at)
    await deliveries.enqueue_cards(tx, [watch_id], at=at)
    return True


async def send_batch_again(
    tx: Transaction, batch_id: int, chat_id: int, *, at: datetime, limits: WatchLimits
) -> int:
    """Enqueue undelivered results again, and restart tasks that were not found; returns how many."""
    batch = (await batches.by_ids(tx, [batch_id])).get(batch_id)
    if batch is None or batch.chat_id != chat_id:
        return 0
    sent, restarted = 0, []
    for each in await watches.of_batch(tx, batch_id):
        watch, status = each.watch, each.task.status
        if watch.state is not WatchState.FINISHED:
            continue
        if status.is_permanent or not status.is_final:
            sent += await send_again(tx, watch.id, chat_id, at=at)
            continue
        request = WatchRequest(
            ref=each.task.ref,
            chat_id=chat_id,
            thread_id=watch.thread_id,
            message_id=watch.request_message_id,
            user_id=watch.user_id,
            user_name=watch.user_name,
            language=batch.language,  # of who asked; watch.language may be the chat's
        )
        with suppress(WatchLimitReached):
            added = await registering.add(tx, request, at=at, limits=limits, hold_card_s=0.0, is_restart=True)
            restarted.append(added.watch.id)
    if restarted:
        await batches.join(tx, batch_id, restarted, at=at)
    return sent + len(restarted)
