"""The courier: claim deliveries, render, send, settle."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.outbox import retry
from bot.outbox.doubted_chats import CONFIRM_AFTER, DoubtedChats
from bot.outbox.results import (
    ChatGone,
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
from storage.models import (
    ClaimedDelivery,
    DeliveryKind,
    DeliveryState,
    Settlement,
    TaskStatus,
)
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 60.0
_RENEW_S = 20.0
_CONCURRENCY = 32  # deliveries at a time, those not counted that wait for their film
_MAX_IN_FLIGHT = 1000  # deliveries at a time, all counted
_LONGEST_SLEEP_S = 20.0
_STORE_PAUSE_S = 2.0
_TOGETHER_S = 0.5  # what goes back one by one is to be claimed together


class DeliveryWorker:
    """Carries deliveries from the archive to the chats."""

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
        """bell: set when there may be something to send."""
        self._store = store
        self._texts = texts
        self._video_delivery = video_delivery
        self._route = texts.route
        self._clock = clock
        self._telemetry = telemetry
        self._new_delivery = new_delivery
        self._doubted = DoubtedChats()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._companions: dict[int, list[int]] = {}  # of these what else their messages tell of
        self._announced: set[int] = set()  # of these those whose film is on its way
        self._renewed_at = clock()
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Turn until cancelled; what is in hand goes on until drain()."""
        await self._load_throttles()
        while True:
            self._new_delivery.clear()
            self._telemetry.beat("delivery")
            try:
                pause_s = await self._claim()
            except StoreError as error:
                self._report_outage(error)
                pause_s = _STORE_PAUSE_S
            else:
                if self._telemetry.set_problem("delivery", None):
                    log.info("Delivery is running again.")
            await self._sleep(pause_s)

    async def _load_throttles(self) -> None:
        """Keep to the waits that Telegram asked for before the start."""
        try:
            for chat_id, until in (await self._store.throttled_chats(at=self._clock())).items():
                self._texts.rate_limiter.pause(chat_id, (until - self._clock()).total_seconds())
        except StoreError as error:
            self._report_outage(error)

    async def drain(self, patience_s: float) -> None:
        """Let what is in hand finish, then cut it off; the archive knows how far each has come."""
        if self._probe is not None:
            self._probe.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _report_outage(self, error: StoreError) -> None:
        if self._telemetry.set_problem("delivery", str(error)):
            log.error("Delivery is paused: %s", error)

    async def _claim(self) -> float:
        """Take in hand what may be sent now; seconds until there may be more."""
        rate_limiter = self._texts.rate_limiter
        while True:
            now = self._clock()
            await self._renew(now)
            pause_s = self._pause_s()  # first: what opens from here on ends it
            room = min(self._free_slots(), rate_limiter.allowance())
            if self._route.is_down:
                return min(pause_s, self._begin_probe())
            if room <= 0:
                return pause_s
            # Asked first because it costs a third of a claim, and most often there is nothing to claim.
            due = await self._store.next_delivery_at(rate_limiter.throttled())
            if due is None or due > now:
                return pause_s if due is None else min(pause_s, (due - now).total_seconds())
            claimed = await self._store.claim_deliveries(
                room, rate_limiter.throttled(), at=now, lease_s=LEASE_S
            )
            rate_limiter.spend(out.watch.chat_id for out in claimed)
            for out in claimed:
                if _is_video(out):
                    rate_limiter.owe(out.watch.chat_id)
                self._companions[out.delivery.id] = [each.delivery.id for each in out.companions]
                self._running[out.delivery.id] = asyncio.create_task(self._process(out))

    async def _renew(self, now: datetime) -> None:
        if self._running and now - self._renewed_at >= timedelta(seconds=_RENEW_S):
            held = [*self._running, *(each for ids in self._companions.values() for each in ids)]
            await self._store.renew_deliveries(held, at=now, lease_s=LEASE_S)
            self._renewed_at = now

    @property
    def _busy(self) -> int:
        """How many are in hand, those not counted that wait for their film."""
        return len(self._running) - len(self._announced)

    def _free_slots(self) -> int:
        return min(_CONCURRENCY - self._busy, _MAX_IN_FLIGHT - len(self._running))

    def _pause_s(self) -> float:
        pause_s = _RENEW_S if self._running else _LONGEST_SLEEP_S
        opens_in_s = self._texts.rate_limiter.next_free_in_s() if self._free_slots() > 0 else None
        return pause_s if opens_in_s is None else min(pause_s, opens_in_s)

    async def _process(self, out: ClaimedDelivery) -> None:
        try:
            await self._deliver(out)
        # One delivery must not stop the courier; its lease runs out, and it is tried again.
        except StoreError as error:
            self._report_outage(error)
        except Exception:
            log.exception("Delivery %d failed", out.delivery.id)
        finally:
            self._announced.discard(out.delivery.id)
            if _is_video(out):
                self._texts.rate_limiter.owes_no_more(out.watch.chat_id)
            del self._running[out.delivery.id], self._companions[out.delivery.id]
            self._new_delivery.set()

    async def _deliver(self, out: ClaimedDelivery) -> None:
        if out.delivery.kind is DeliveryKind.CARD:
            result, digest = await self._texts.card(out)
            await self._settle(out, result, digest=digest)
        elif out.delivery.kind is DeliveryKind.NOTICE:
            await self._settle(out, await self._texts.notice(out))
        elif _is_video(out):
            await self._settle(out, await self._deliver_video(out))
        else:
            await self._fail(out)

    async def _fail(self, out: ClaimedDelivery) -> None:
        """Tell of a failure and of its companions; those without room in the message go back."""
        result, told = await self._texts.failure(out)
        now = self._clock()
        for companion in out.companions[told:]:
            at = now + timedelta(seconds=_TOGETHER_S)
            back = Settlement(state=DeliveryState.PENDING, at=now, not_before=at, is_attempt=False)
            await self._store.settle(companion.delivery.id, back)
        await self._settle(out, result, together=out.companions[:told])

    async def _deliver_video(self, out: ClaimedDelivery) -> SendResult:
        """The announcement takes a hand; the film that it becomes may take its time."""
        announced = await self._video_delivery.announce(out)
        takes_text = not (isinstance(announced, Refused) and announced.reason is Refusal.NO_RIGHTS)
        if takes_text and not isinstance(announced, Sent):
            return announced
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
        """together: what else the message told of."""
        if isinstance(result, Transient) and result.is_of_the_route:
            self._route.failed(out.delivery.id)
        result = self._doubt(out.watch.chat_id, result, at=self._clock())
        await self._apply_chat_effects(out.watch.chat_id, result, at=self._clock())
        for each in (out, *together):  # last: now it may be claimed again
            await self._write_end(each, result, digest=digest)
        if not isinstance(result, Transient | Unknown):
            self._route.forget(out.delivery.id)
            await self._on_result()

    async def _write_end(
        self, out: ClaimedDelivery, result: SendResult, *, digest: str | None = None
    ) -> None:
        """Write down what became of a delivery."""
        now = self._clock()
        delivery = out.delivery
        wait_s = retry.retry_delay_s(delivery.attempts, result)
        match result:
            case Sent(message_id=message_id, file=file):
                self._telemetry.count(f"sent_{delivery.kind}")
                settlement = Settlement(
                    state=DeliveryState.SENT, at=now, message_id=message_id, card_digest=digest, file=file
                )
            case Unknown(why=why):
                log.warning("Delivery %d may or may not have arrived: %s", delivery.id, why)
                settlement = Settlement(state=DeliveryState.UNKNOWN, at=now)
            case _ if wait_s is None:
                log.error("Delivery %d is given up: %s", delivery.id, result)
                settlement = Settlement(state=DeliveryState.DEAD, at=now)
            case Transient(is_of_the_route=True):
                log.debug("Delivery %d waits for Telegram: %s", delivery.id, result.why)
                settlement = Settlement(
                    state=DeliveryState.PENDING,
                    at=now,
                    not_before=now + timedelta(seconds=self._route.retry_in_s(delivery.id)),
                    is_attempt=False,
                )
            case _:
                log.info("Delivery %d waits %.1f s: %s", delivery.id, wait_s, result)
                settlement = Settlement(
                    state=DeliveryState.PENDING, at=now, not_before=now + timedelta(seconds=wait_s)
                )
        await self._store.settle(delivery.id, settlement)

    def _begin_probe(self) -> float:
        """Ask Telegram whether it answers, if it is time to; seconds until it may be."""
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
                        log.warning("Telegram can't be reached, what is to be sent waits: %s", why)
                case _:
                    await self._on_result()
        except StoreError as error:
            self._report_outage(error)
        finally:
            self._probe = None
            self._new_delivery.set()

    async def _on_result(self) -> None:
        """Telegram has answered."""
        if self._route.answered():
            waiting = (await self._store.stats()).deliveries[DeliveryState.PENDING]
            log.info("Telegram takes messages again; %d waited.", waiting)

    def _doubt(self, chat_id: int, result: SendResult, *, at: datetime) -> SendResult:
        """Have a chat that was not found tried again before it counts as lost."""
        match result:
            case ChatGone(why=why, is_certain=False) if not self._doubted.not_found(chat_id, at=at):
                return Transient(why, again_s=CONFIRM_AFTER.total_seconds())
            case Sent():
                self._doubted.answered(chat_id)
        return result

    async def _apply_chat_effects(self, chat_id: int, result: SendResult, *, at: datetime) -> None:
        """What a result says of the whole chat."""
        match result:
            case Migrated(new_id=new_id):
                self._texts.migrated(chat_id, new_id)
                await self._store.migrate_chat(chat_id, new_id, at=at)
            case RetryAfter(seconds=seconds):
                self._texts.rate_limiter.pause(chat_id, seconds)
                await self._store.throttle_chat(chat_id, until=at + timedelta(seconds=seconds))
            case ChatGone(why=why):
                log.warning("Chat %d is lost to the bot: %s", chat_id, why)
                await self._store.chat_lost(chat_id, why, at=at)

    async def _sleep(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._new_delivery.wait()
        except TimeoutError:
            pass


def _is_video(out: ClaimedDelivery) -> bool:
    return out.delivery.kind is DeliveryKind.RESULT and out.task.status is TaskStatus.SUCCEEDED
