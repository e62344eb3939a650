"""Settles deliveries: what a result means for the chat, for the delivery, and for the circuit breaker."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.backoff import Backoff
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.metrics import DeliveryOutcome, Metrics
from bot.outbox.delivery_log import delay_s, log_settled
from bot.outbox.results import (
    ChatGone,
    LinkOnly,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
)
from bot.outbox.sender import Sender
from bot.outbox.variants import has_document_next
from bot.telemetry import Telemetry
from storage.errors import LeadershipLost
from storage.models import DeliveryKind, DeliveryState
from storage.outbox import BatchDelivery, ClaimedDelivery, LookupDelivery, Settlement, WatchDelivery
from storage.store import Store

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 240  # refusals that a person might lift; more than fifteen hours in total
_MAY_BE_LIFTED = {Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.NO_METHOD, Refusal.OTHER}
_BACKOFF = Backoff(first_s=2.0, limit_s=300.0)
_FLOOD_MARGIN_S = 0.5  # Telegram counts in whole seconds
CONFIRM_AFTER = timedelta(minutes=3)  # between the two "chat not found" that count
_MAX_DOUBTED = 10_000  # chats kept in memory


class Settler:
    """Settles deliveries with the results of their calls."""

    def __init__(
        self, store: Store, sender: Sender, *, clock: Callable[[], datetime], telemetry: Telemetry
    ) -> None:
        """sender: its circuit breaker and its callback for migrated groups are used."""
        self._store = store
        self._sender = sender
        self._route = sender.route
        self._clock = clock
        self._metrics = telemetry.metrics
        self._doubted = DoubtedChats()

    async def settle(
        self,
        out: ClaimedDelivery,
        result: SendResult,
        *,
        digest: str | None = None,
        together: Sequence[ClaimedDelivery] = (),
    ) -> None:
        """Apply a result.

        digest: of the card that was sent.
        together: companions that were sent in the same message and get the same settlement.
        """
        if isinstance(result, Transient) and result.is_unreachable:
            self._route.failed(out.delivery.id)
        result = await self._apply_to_chat(out.delivery.chat_id, result)
        for each in (out, *together):  # last: from here on it may be claimed again
            settlement = self._settlement(each, result, digest=digest)
            try:
                await self._store.settle(each.delivery.id, settlement)
            except LeadershipLost:
                # Not stored for certain, so the next leader sends it again. Any other failure leaves it open.
                if each is out and (message_id := to_be_repeated(out, result)):
                    await self._sender.withdraw(out.delivery.chat_id, message_id)
                raise
            record(self._metrics, each, result, settlement)
            log_settled(each, result, settlement)
        if not isinstance(result, Transient | Unknown):
            self._route.forget(out.delivery.id)
            if not isinstance(result, Sent) or result.is_response:
                await self.responded()

    async def responded(self) -> None:
        """Close the circuit breaker: Telegram responded."""
        if self._route.responded():
            waiting = (await self._store.stats()).deliveries[DeliveryState.PENDING]
            after_s = self._route.outage_s
            log.info(
                "Messages reach Telegram again after %s; %d waited.",
                spelled(after_s),
                waiting,
                extra=log_fields(None, "telegram_up", after_s=round(after_s, 1), waiting=waiting),
            )

    async def _apply_to_chat(self, chat_id: int, result: SendResult) -> SendResult:
        """Apply what a result means for the whole chat; the first "chat not found" becomes a retry."""
        now = self._clock()
        match result:
            case Sent(is_response=True):
                self._doubted.sent(chat_id)
            case Migrated(new_id=new_id):
                self._sender.migrated(chat_id, new_id)
                await self._store.migrate_chat(chat_id, new_id, at=now)
            case RetryAfter(seconds=seconds):
                await self._store.throttle_chat(chat_id, until=now + timedelta(seconds=seconds))
            case ChatGone(why=why, is_certain=False) if not self._doubted.not_found(chat_id, at=now):
                return Transient(why, retry_in_s=CONFIRM_AFTER.total_seconds())
            case ChatGone(why=why):
                log.info(
                    "Chat %d is gone, its messages wait until it is back: %s",
                    chat_id,
                    why,
                    extra=log_fields(None, "chat_lost", chat_id=chat_id, cause=why),
                )
                await self._store.chat_lost(chat_id, why, at=now)
        return result

    def _settlement(self, out: ClaimedDelivery, result: SendResult, *, digest: str | None) -> Settlement:
        """Translate the result into a settlement."""
        now = self._clock()
        delivery = out.delivery
        wait_s = retry_delay_s(delivery.attempts, result)
        match result:
            case Sent(message_id=message_id, file=file):
                return Settlement(
                    state=DeliveryState.SENT,
                    at=now,
                    message_id=message_id,
                    card_digest=digest,
                    file=file,
                    wants_document=has_document_next(out, result),
                )
            case Unknown():
                return Settlement(state=DeliveryState.UNKNOWN, at=now)
            case _ if wait_s is None or isinstance(result, LinkOnly):
                return Settlement(state=DeliveryState.DEAD, at=now)
            case Transient(is_unreachable=True):
                later = now + timedelta(seconds=self._route.retry_in_s(delivery.id))
                return Settlement(state=DeliveryState.PENDING, at=now, not_before=later, is_attempt=False)
            case _:
                return Settlement(
                    state=DeliveryState.PENDING, at=now, not_before=now + timedelta(seconds=wait_s)
                )


def retry_delay_s(attempts: int, result: SendResult) -> float | None:
    """Seconds until the next attempt; None: sent, unknown outcome, or permanent failure."""
    match result:
        case RetryAfter(seconds=seconds):
            return seconds + _FLOOD_MARGIN_S
        case Migrated() | ChatGone():
            return 0.0  # the store has rewritten or suspended the chat's rows
        case Transient(retry_in_s=retry_in_s):
            return 0.0 if retry_in_s is None else retry_in_s  # 0: TelegramRoute sets the delay
        case Refused(reason=reason) if reason in _MAY_BE_LIFTED and attempts < GIVE_UP_AFTER:
            return _BACKOFF.delay_s(attempts)
        case _:
            return None


def to_be_repeated(out: ClaimedDelivery, result: SendResult) -> int | None:
    """The message that this attempt has sent, if the next one sends it once more; None: there is none.

    A video is an edit of a message whose id is stored; reports, questions and greetings are never repeated.
    """
    known: int | None = None
    match out:
        case BatchDelivery():
            known = out.batch.card_message_id
        case LookupDelivery():
            known = out.lookup.question_message_id
        case WatchDelivery() if out.delivery.kind is DeliveryKind.CARD:
            known = out.watch.card_message_id
        case WatchDelivery() if not out.carries_file:
            pass
        case _:
            return None
    if not isinstance(result, Sent) or result.message_id in {0, known}:
        return None
    return result.message_id


class DoubtedChats:
    """Chats reported once as "chat not found"; servers sometimes report it for existing chats, too.

    A chat is gone after two reports at least three minutes apart, without a message sent in between.
    """

    def __init__(self) -> None:
        self._since: dict[int, datetime] = {}

    def not_found(self, chat_id: int, *, at: datetime) -> bool:
        """Record a report; returns whether the chat is gone for certain."""
        since = self._since.get(chat_id)
        if since is None:
            if len(self._since) >= _MAX_DOUBTED:
                del self._since[next(iter(self._since))]
            self._since[chat_id] = at
            return False
        if at - since < CONFIRM_AFTER:
            return False
        del self._since[chat_id]
        return True

    def sent(self, chat_id: int) -> None:
        """Record that a message was sent: drop the earlier report."""
        self._since.pop(chat_id, None)


def record(metrics: Metrics, out: ClaimedDelivery, result: SendResult, settlement: Settlement) -> None:
    """Count a settled attempt, and measure the delay of a video that was sent."""
    outcome = _outcome(result, settlement.state)
    metrics.delivery_attempts.labels(out.delivery.kind, outcome).inc()
    if isinstance(out, WatchDelivery) and out.is_video and outcome is DeliveryOutcome.SENT:
        metrics.video_delay.labels(metrics.label_of(out.task.ref.provider)).observe(
            delay_s(out, at=settlement.at)
        )


def _outcome(result: SendResult, state: DeliveryState) -> DeliveryOutcome:
    match result, state:
        case _, DeliveryState.SENT:
            return DeliveryOutcome.SENT
        case _, DeliveryState.UNKNOWN:
            return DeliveryOutcome.UNKNOWN
        case LinkOnly(), _:
            return DeliveryOutcome.LINK
        case _, DeliveryState.DEAD:
            return DeliveryOutcome.FAILED
        case RetryAfter(), _:
            return DeliveryOutcome.THROTTLED
        case Transient(is_unreachable=True), _:
            return DeliveryOutcome.UNREACHABLE
        case _:
            return DeliveryOutcome.RETRIED
