"""The delivery worker: claims deliveries from the database, sends them to Telegram and settles them.

Each iteration of the loop:

1. Renew the leases of the deliveries in progress, every 20 seconds.
2. Circuit breaker open (Telegram is unreachable): claim nothing; call getMe when the next probe is due.
3. No free slot, or the overall rate limit is reached: sleep.
4. Read the due time of the next delivery of an unthrottled chat; sleep until then if it is in the future.
5. Claim as many deliveries as slots and rate limit allow, hold a permit for the calls of each, start an
   asyncio task for each, and repeat from 1.
6. Sleep until the next due time or free call, at most 20 seconds; `new_delivery` ends the sleep early.

Each task sends its delivery and then, in this order: applies what the result means for the whole chat
(flood wait, migration, chat gone), settles the delivery, closes the circuit breaker if Telegram responded.
After a crash before the settlement the lease expires, or the next start releases it: it is claimed again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.backoff import STORE_BACKOFF
from bot.logs import log_fields
from bot.outbox import delivery_metrics, retry
from bot.outbox.doubted_chats import CONFIRM_AFTER, DoubtedChats
from bot.outbox.rate_limiter import Permit, current_permit
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
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.telemetry import Telemetry
from storage.errors import StoreError
from storage.models import DeliveryKind, DeliveryState
from storage.outbox import ClaimedDelivery, ReportDelivery, Settlement, WatchDelivery
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 60.0
_RENEW_S = 20.0
_CONCURRENCY = 32  # deliveries in progress, video transfers not counted
_MAX_IN_FLIGHT = 1000  # deliveries in progress, video transfers included
_LONGEST_SLEEP_S = 20.0
_REGROUP_S = 0.5  # delay of companions that are released one by one, so that one claim gets all of them


class DeliveryWorker:
    """Claims due deliveries and sends them, at most 32 concurrently plus the video transfers."""

    def __init__(
        self,
        store: Store,
        texts: TextDelivery,
        video_delivery: VideoDelivery,
        *,
        new_delivery: asyncio.Event,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """new_delivery: set by other loops when they have written a delivery; ends the sleep."""
        self._store = store
        self._texts = texts
        self._video_delivery = video_delivery
        self._route = texts.route
        self._clock = clock
        self._telemetry = telemetry
        self._new_delivery = new_delivery
        self._doubted = DoubtedChats()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._companions: dict[int, list[int]] = {}  # delivery id → ids sent in the same message
        self._announced: set[int] = set()  # deliveries that transfer a video; they hold no slot
        self._renewed_at = clock()
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the loop until cancelled; deliveries in progress continue until drain()."""
        await self._load_throttles()
        failures = 0
        while True:
            self._new_delivery.clear()
            self._telemetry.beat("delivery")
            try:
                pause_s = await self._claim()
            except StoreError as error:
                self._report_outage(error)
                failures += 1
                pause_s = STORE_BACKOFF.delay_s(failures)
            else:
                failures = 0
                if self._telemetry.set_problem("delivery", None):
                    log.info("Delivery is running again.")
            await self._sleep(pause_s)

    async def _load_throttles(self) -> None:
        """Restore the flood waits that Telegram imposed before the last shutdown."""
        try:
            for chat_id, until in (await self._store.throttled_chats(at=self._clock())).items():
                self._texts.rate_limiter.pause(chat_id, (until - self._clock()).total_seconds())
        except StoreError as error:
            self._report_outage(error)

    async def drain(self, timeout_s: float) -> None:
        """Wait up to timeout_s for deliveries in progress, then cancel them; their leases expire."""
        if self._probe is not None:
            self._probe.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _report_outage(self, error: StoreError) -> None:
        if self._telemetry.set_problem("delivery", str(error)):
            log.error("Delivery is paused: %s", error)

    async def _claim(self) -> float:
        """Claim and start all deliveries that may be sent now; returns the seconds to sleep."""
        rate_limiter = self._texts.rate_limiter
        while True:
            now = self._clock()
            await self._renew(now)
            pause_s = (
                self._pause_s()
            )  # before throttled(): a limit that frees up in between still ends the sleep
            slots = min(self._free_slots(), rate_limiter.available())
            if self._route.is_down:
                return min(pause_s, self._start_probe())
            if slots <= 0:
                return pause_s
            # This query costs a third of a claim, and most often nothing is due.
            due = await self._store.next_delivery_at(rate_limiter.throttled())
            if due is None or due > now:
                return pause_s if due is None else min(pause_s, (due - now).total_seconds())
            claimed = await self._store.claim_deliveries(
                slots, rate_limiter.throttled(), at=now, lease_s=LEASE_S
            )
            for out in claimed:
                is_video = isinstance(out, WatchDelivery) and out.is_video
                permit = rate_limiter.hold(out.delivery.chat_id, is_video=is_video)
                if isinstance(out, WatchDelivery):
                    self._companions[out.delivery.id] = [each.delivery.id for each in out.companions]
                self._running[out.delivery.id] = asyncio.create_task(self._process(out, permit))

    async def _renew(self, now: datetime) -> None:
        if self._running and now - self._renewed_at >= timedelta(seconds=_RENEW_S):
            held = [*self._running, *(each for ids in self._companions.values() for each in ids)]
            await self._store.renew_deliveries(held, at=now, lease_s=LEASE_S)
            self._renewed_at = now

    @property
    def _busy_slots(self) -> int:
        """Number of deliveries in progress, without the video transfers."""
        return len(self._running) - len(self._announced)

    def _free_slots(self) -> int:
        return min(_CONCURRENCY - self._busy_slots, _MAX_IN_FLIGHT - len(self._running))

    def _pause_s(self) -> float:
        pause_s = _RENEW_S if self._running else _LONGEST_SLEEP_S
        free_in_s = self._texts.rate_limiter.next_free_in_s() if self._free_slots() > 0 else None
        return pause_s if free_in_s is None else min(pause_s, free_in_s)

    async def _process(self, out: ClaimedDelivery, permit: Permit) -> None:
        current_permit.set(permit)  # of this asyncio task and those that it starts
        try:
            await self._deliver(out, permit)
        # An error in one delivery must not stop the worker; the lease expires and the delivery is retried.
        except StoreError as error:
            self._report_outage(error)
        except Exception:
            log.exception("Delivery %d failed", out.delivery.id, extra=log_fields(out, "delivery_error"))
        finally:
            self._announced.discard(out.delivery.id)
            self._texts.rate_limiter.release(permit)
            self._companions.pop(out.delivery.id, None)
            del self._running[out.delivery.id]
            self._new_delivery.set()

    async def _deliver(self, out: ClaimedDelivery, permit: Permit) -> None:
        if isinstance(out, ReportDelivery):
            await self._settle(out, await self._deliver_report(out))
        elif out.delivery.kind is DeliveryKind.CARD:
            result, digest = await self._texts.card(out)
            await self._settle(out, result, digest=digest)
        elif out.delivery.kind is DeliveryKind.NOTICE:
            await self._settle(out, await self._texts.notice(out))
        elif out.is_video:
            await self._settle(out, await self._deliver_video(out, permit))
        else:
            await self._deliver_failures(out)

    async def _deliver_report(self, out: ReportDelivery) -> SendResult:
        """Send a report; the call is recorded first, as it is not idempotent, and not repeated."""
        if out.delivery.unconfirmed_call_at is not None:
            return Unknown("the response to an earlier call was lost")
        await self._store.note_unconfirmed_call(out.delivery.id, at=self._clock())
        return await self._texts.report(out)

    async def _deliver_failures(self, out: WatchDelivery) -> None:
        """Send one message for a failure and its companions; release those that do not fit into it."""
        result, included = await self._texts.failure(out)
        await self._settle(out, result, together=out.companions[:included])
        now = self._clock()
        for companion in out.companions[included:]:
            at = now + timedelta(seconds=_REGROUP_S)
            back = Settlement(state=DeliveryState.PENDING, at=now, not_before=at, is_attempt=False)
            await self._store.settle(companion.delivery.id, back)

    async def _deliver_video(self, out: WatchDelivery, permit: Permit) -> SendResult:
        """Send the announcement in a slot, then free the slot and turn the announcement into the video."""
        announced = await self._video_delivery.announce(out)
        takes_text = not (isinstance(announced, Refused) and announced.reason is Refusal.NO_RIGHTS)
        if takes_text and not isinstance(announced, Sent):
            return announced
        self._texts.rate_limiter.release_first(permit)
        self._announced.add(out.delivery.id)
        self._new_delivery.set()
        return await self._video_delivery.deliver(
            out, announced.message_id if isinstance(announced, Sent) else None
        )

    async def _settle(
        self,
        out: ClaimedDelivery,
        result: SendResult,
        *,
        digest: str | None = None,
        together: Sequence[ClaimedDelivery] = (),
    ) -> None:
        """together: companions that were sent in the same message and get the same settlement."""
        if isinstance(result, Transient) and result.is_unreachable:
            self._route.failed(out.delivery.id)
        chat_id, now = out.delivery.chat_id, self._clock()
        result = self._confirm_gone(chat_id, result, at=now)
        await self._apply_chat_effects(chat_id, result, at=now)
        for each in (out, *together):  # last: from here on it may be claimed again
            settlement = self._settlement(each, result, digest=digest)
            await self._store.settle(each.delivery.id, settlement)
            delivery_metrics.record(self._telemetry.metrics, each, result, settlement)
        if not isinstance(result, Transient | Unknown):
            self._route.forget(out.delivery.id)
            if not isinstance(result, Sent) or result.is_response:
                await self._on_result()

    def _settlement(
        self, out: ClaimedDelivery, result: SendResult, *, digest: str | None = None
    ) -> Settlement:
        """Translate the result into a settlement."""
        now = self._clock()
        delivery = out.delivery
        wait_s = retry.retry_delay_s(delivery.attempts, result)
        match result:
            case Sent(message_id=message_id, file=file):
                return Settlement(
                    state=DeliveryState.SENT, at=now, message_id=message_id, card_digest=digest, file=file
                )
            case Unknown(why=why):
                log.warning(
                    "Delivery %d: the response was lost, the outcome is unknown: %s",
                    delivery.id,
                    why,
                    extra=log_fields(out, "delivery_unconfirmed"),
                )
                return Settlement(state=DeliveryState.UNKNOWN, at=now)
            case LinkOnly(why=why):
                log.warning(
                    "Delivery %d: the link was sent instead of the video: %s",
                    delivery.id,
                    why,
                    extra=log_fields(out, "link_sent", cause=why),
                )
                return Settlement(state=DeliveryState.DEAD, at=now)
            case _ if wait_s is None:
                log.error(
                    "Delivery %d failed permanently: %s",
                    delivery.id,
                    result,
                    extra=log_fields(out, "delivery_failed"),
                )
                return Settlement(state=DeliveryState.DEAD, at=now)
            case Transient(is_unreachable=True):
                log.debug(
                    "Delivery %d: Telegram is unreachable, retrying after the outage: %s",
                    delivery.id,
                    result.why,
                )
                return Settlement(
                    state=DeliveryState.PENDING,
                    at=now,
                    not_before=now + timedelta(seconds=self._route.retry_in_s(delivery.id)),
                    is_attempt=False,
                )
            case _:
                log.info(
                    "Delivery %d: retrying in %.1f s: %s",
                    delivery.id,
                    wait_s,
                    result,
                    extra=log_fields(out, "delivery_retry"),
                )
                return Settlement(
                    state=DeliveryState.PENDING, at=now, not_before=now + timedelta(seconds=wait_s)
                )

    def _start_probe(self) -> float:
        """Start a probe (getMe) if one is due; returns the seconds to sleep."""
        wait_s = self._route.next_probe_in_s()
        if wait_s > 0 or self._probe is not None:
            return wait_s or _RENEW_S
        self._probe = asyncio.create_task(self._probe_telegram())
        return _RENEW_S

    async def _probe_telegram(self) -> None:
        try:
            match await self._texts.ping():
                case Transient(why=why):
                    if self._route.probe_failed():
                        log.warning("Telegram is unreachable, deliveries are paused: %s", why)
                case _:
                    await self._on_result()
        except StoreError as error:
            self._report_outage(error)
        finally:
            self._probe = None
            self._new_delivery.set()

    async def _on_result(self) -> None:
        """Close the circuit breaker: Telegram responded."""
        if self._route.answered():
            waiting = (await self._store.stats()).deliveries[DeliveryState.PENDING]
            log.info("Telegram is reachable again; %d deliveries are pending.", waiting)

    def _confirm_gone(self, chat_id: int, result: SendResult, *, at: datetime) -> SendResult:
        """Turn the first "chat not found" into a retry; only a second one disables the chat."""
        match result:
            case ChatGone(why=why, is_certain=False) if not self._doubted.not_found(chat_id, at=at):
                return Transient(why, retry_in_s=CONFIRM_AFTER.total_seconds())
            case Sent(is_response=True):
                self._doubted.answered(chat_id)
        return result

    async def _apply_chat_effects(self, chat_id: int, result: SendResult, *, at: datetime) -> None:
        """Apply what a result means for the whole chat: migration, flood wait, chat gone."""
        match result:
            case Migrated(new_id=new_id):
                self._texts.migrated(chat_id, new_id)
                await self._store.migrate_chat(chat_id, new_id, at=at)
            case RetryAfter(seconds=seconds):
                await self._store.throttle_chat(chat_id, until=at + timedelta(seconds=seconds))
            case ChatGone(why=why):
                log.warning("Chat %d is gone, its deliveries are suspended: %s", chat_id, why)
                await self._store.chat_lost(chat_id, why, at=at)

    async def _sleep(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._new_delivery.wait()
        except TimeoutError:
            pass
