"""The delivery worker: claims deliveries from the database, sends them to Telegram and settles them.

Each iteration of the loop:

1. Renew the leases of the deliveries in progress, every 20 seconds.
2. Circuit breaker open (Telegram is unreachable): claim nothing; call getMe when the next probe is due.
3. No free slot, or the overall rate limit is reached: sleep.
4. Read the due time of the next delivery of an unthrottled chat; sleep until then if it is in the future.
5. Claim as many deliveries as slots and rate limit allow, hold a permit for the calls of each, start an
   asyncio task for each, and repeat from 1.
6. Sleep until the next due time or free call, at most 20 seconds; `new_delivery` ends the sleep early.

Each task sends its delivery and then, in this order (settlement.py): applies what the result means for the
whole chat (flood wait, migration, chat gone), settles the delivery, closes the circuit breaker if Telegram
responded.
After a crash before the settlement the lease expires, or the next start releases it: it is claimed again.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from bot.backoff import STORE_BACKOFF
from bot.logs import log_fields
from bot.outbox.delivery_log import what
from bot.outbox.rate_limiter import Permit, current_permit
from bot.outbox.results import Refusal, Refused, SendResult, Sent, Transient, Unknown
from bot.outbox.settlement import Settler
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.telemetry import Telemetry
from storage.errors import LeadershipLost, StoreError
from storage.models import DeliveryKind, DeliveryState
from storage.outbox import (
    AccessDelivery,
    BatchDelivery,
    ClaimedDelivery,
    LookupDelivery,
    ReportDelivery,
    Settlement,
    WatchDelivery,
)
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 60.0
_RENEW_S = 20.0  # two renewals may fail before a lease expires; the longest sleep, too
_CONCURRENCY = 32  # deliveries in progress, video transfers not counted
_MAX_IN_FLIGHT = 1000  # deliveries in progress, video transfers included
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
        self._sender = texts.sender
        self._rate_limiter = texts.sender.rate_limiter
        self._route = texts.sender.route
        self._settler = Settler(store, texts.sender, clock=clock, telemetry=telemetry)
        self._clock = clock
        self._telemetry = telemetry
        self._new_delivery = new_delivery
        self._running: dict[int, asyncio.Task[None]] = {}
        self._companions: dict[int, list[int]] = {}  # delivery id → ids sent in the same message
        self._announced: set[int] = set()  # deliveries that transfer a video; they hold no slot
        self._renewed_at = clock()
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run the loop until cancelled, or LeadershipLost; deliveries in progress continue until drain()."""
        await self._load_throttles()
        failures = 0
        while True:
            self._new_delivery.clear()
            self._telemetry.beat("delivery")
            try:
                pause_s = await self._claim()
                if "delivery" in self._telemetry.problems:
                    await self._store.check()  # a claim that finds nothing writes nothing
            except LeadershipLost:
                raise
            except StoreError as error:
                self._report_outage(error)
                failures += 1
                pause_s = STORE_BACKOFF.delay_s(failures)
            else:
                failures = 0
                if self._telemetry.set_problem("delivery", None):
                    log.info(
                        "The database works again; messages are sent.",
                        extra=log_fields(None, "delivery_resumed"),
                    )
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._new_delivery.wait()

    async def _load_throttles(self) -> None:
        """Restore the flood waits that Telegram imposed before the last shutdown."""
        try:
            for chat_id, until in (await self._store.throttled_chats(at=self._clock())).items():
                self._rate_limiter.pause(chat_id, (until - self._clock()).total_seconds())
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
            log.error(
                "Messages wait because of the database: %s",
                error,
                extra=log_fields(None, "delivery_paused", cause=str(error)),
            )

    async def _claim(self) -> float:
        """Claim and start all deliveries that may be sent now; returns the seconds to sleep."""
        while True:
            now = self._clock()
            if self._running and now - self._renewed_at >= timedelta(seconds=_RENEW_S):
                held = [*self._running, *(each for ids in self._companions.values() for each in ids)]
                await self._store.renew_deliveries(held, at=now, lease_s=LEASE_S)
                self._renewed_at = now
            in_slots = len(self._running) - len(self._announced)
            free_slots = min(_CONCURRENCY - in_slots, _MAX_IN_FLIGHT - len(self._running))
            # Before throttled(): a limit that frees up in between still ends the sleep.
            free_in_s = self._rate_limiter.next_free_in_s() if free_slots > 0 else None
            pause_s = _RENEW_S if free_in_s is None else min(_RENEW_S, free_in_s)
            if self._route.is_down:
                return min(pause_s, self._start_probe())
            limit = min(free_slots, self._rate_limiter.available())
            if limit <= 0:
                return pause_s
            # This query costs a third of a claim, and most often nothing is due.
            due = await self._store.next_delivery_at(self._rate_limiter.throttled())
            if due is None or due > now:
                return pause_s if due is None else min(pause_s, (due - now).total_seconds())
            throttled = self._rate_limiter.throttled()
            for out in await self._store.claim_deliveries(limit, throttled, at=now, lease_s=LEASE_S):
                is_video = isinstance(out, WatchDelivery) and out.carries_file
                permit = self._rate_limiter.hold(out.delivery.chat_id, is_video=is_video)
                if isinstance(out, WatchDelivery):
                    self._companions[out.delivery.id] = [each.delivery.id for each in out.companions]
                self._running[out.delivery.id] = asyncio.create_task(self._process(out, permit))

    async def _process(self, out: ClaimedDelivery, permit: Permit) -> None:
        current_permit.set(permit)  # of this asyncio task and those that it starts
        try:
            await self._deliver(out, permit)
        # An error in one delivery must not stop the worker; the lease expires and the delivery is retried.
        except LeadershipLost:
            pass  # the whole term ends
        except StoreError as error:
            self._report_outage(error)
        except Exception:
            log.exception(
                "A bug kept %s from chat %d; it is tried again.",
                what(out),
                out.delivery.chat_id,
                extra=log_fields(out, "delivery_error"),
            )
        finally:
            self._announced.discard(out.delivery.id)
            self._rate_limiter.release(permit)
            self._companions.pop(out.delivery.id, None)
            del self._running[out.delivery.id]
            self._new_delivery.set()

    async def _deliver(self, out: ClaimedDelivery, permit: Permit) -> None:
        digest = None
        match out:
            case ReportDelivery() | AccessDelivery():
                result = await self._deliver_once(out)
            case BatchDelivery():
                result, digest = await self._texts.batch(out)
            case LookupDelivery():
                result = await self._texts.lookup(out)
            case WatchDelivery() if out.delivery.kind is DeliveryKind.CARD:
                result, digest = await self._texts.card(out)
            case WatchDelivery() if out.delivery.kind is DeliveryKind.NOTICE:
                result = await self._texts.notice(out)
            case WatchDelivery() if out.carries_file:
                result = await self._deliver_video(out, permit)
            case WatchDelivery():
                await self._deliver_failures(out)
                return
        await self._settler.settle(out, result, digest=digest)

    async def _deliver_once(self, out: ReportDelivery | AccessDelivery) -> SendResult:
        """Send a message; the call is recorded first, as it is not idempotent, and not repeated."""
        if out.delivery.unconfirmed_call_at is not None:
            return Unknown("the response to an earlier call was lost")
        await self._store.note_unconfirmed_call(out.delivery.id, at=self._clock())
        return await self._texts.once(out)

    async def _deliver_failures(self, out: WatchDelivery) -> None:
        """Send one message for a failure and its companions; release those that do not fit into it."""
        result, included = await self._texts.failure(out)
        await self._settler.settle(out, result, together=out.companions[:included])
        now = self._clock()
        for companion in out.companions[included:]:
            at = now + timedelta(seconds=_REGROUP_S)
            back = Settlement(state=DeliveryState.PENDING, at=now, not_before=at, is_attempt=False)
            await self._store.settle(companion.delivery.id, back)

    async def _deliver_video(self, out: WatchDelivery, permit: Permit) -> SendResult:
        """Send the announcement in a slot, then free the slot and turn the announcement into the video."""
        announced = await self._video_delivery.announce(out)
        allows_no_text = isinstance(announced, Refused) and announced.reason is Refusal.NO_RIGHTS
        if not isinstance(announced, Sent) and not allows_no_text:
            return announced
        self._rate_limiter.release_first(permit)
        self._announced.add(out.delivery.id)
        self._new_delivery.set()
        return await self._video_delivery.deliver(
            out, announced.message_id if isinstance(announced, Sent) else None
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
            match await self._sender.ping():
                case Transient(why=why):
                    if self._route.probe_failed():
                        log.warning(
                            "Telegram is unreachable: messages wait until it is back: %s",
                            why,
                            extra=log_fields(None, "telegram_down", cause=why),
                        )
                case _:
                    await self._settler.responded()
        except LeadershipLost:
            pass  # the whole term ends
        except StoreError as error:
            self._report_outage(error)
        finally:
            self._probe = None
            self._new_delivery.set()
