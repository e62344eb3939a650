"""The courier: claim deliveries, render, send, settle."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.outbox import retry
from bot.outbox.doubted_chats import CONFIRM_AFTER, DoubtedChats
from bot.outbox.results import (
    Gone,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
)
from bot.outbox.texts import Texts
from bot.outbox.video import Ladder
from bot.telemetry import Telemetry
from storage.errors import StoreError
from storage.models import (
    DeliveryKind,
    DeliveryState,
    Outgoing,
    Settlement,
    TaskStatus,
)
from storage.store import Store

log = logging.getLogger(__name__)

LEASE_S = 60.0
_RENEW_S = 20.0
_HANDS = 32  # deliveries at a time, those not counted that wait for their film
_MOST = 1000  # deliveries at a time, all counted
_LONGEST_SLEEP_S = 20.0
_STORE_PAUSE_S = 2.0
_TOGETHER_S = 0.5  # what goes back one by one is to be claimed together


class Courier:
    """Carries deliveries from the archive to the chats."""

    def __init__(
        self,
        store: Store,
        texts: Texts,
        ladder: Ladder,
        *,
        bell: asyncio.Event,
        clock: Callable[[], datetime],
        telemetry: Telemetry,
    ) -> None:
        """bell: set when there may be something to send."""
        self._store = store
        self._texts = texts
        self._ladder = ladder
        self._route = texts.route
        self._clock = clock
        self._telemetry = telemetry
        self._bell = bell
        self._doubted = DoubtedChats()
        self._in_hand: dict[int, asyncio.Task[None]] = {}
        self._companions: dict[int, list[int]] = {}  # of these what else their messages tell of
        self._announced: set[int] = set()  # of these those whose film is on its way
        self._renewed_at = clock()
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Turn until cancelled; what is in hand goes on until drain()."""
        await self._take_over_floods()
        while True:
            self._bell.clear()
            self._telemetry.beat("courier")
            try:
                pause_s = await self._take()
            except StoreError as error:
                self._stand_still(error)
                pause_s = _STORE_PAUSE_S
            else:
                if self._telemetry.trouble("courier", None):
                    log.info("The courier goes on.")
            await self._sleep(pause_s)

    async def _take_over_floods(self) -> None:
        """Keep to the waits that Telegram asked for before the start."""
        try:
            for chat_id, until in (await self._store.throttled_chats(at=self._clock())).items():
                self._texts.pacer.stop(chat_id, (until - self._clock()).total_seconds())
        except StoreError as error:
            self._stand_still(error)

    async def drain(self, patience_s: float) -> None:
        """Let what is in hand finish, then cut it off; the archive knows how far each has come."""
        if self._probe is not None:
            self._probe.cancel()
        if self._in_hand:
            _, late = await asyncio.wait(self._in_hand.values(), timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _stand_still(self, error: StoreError) -> None:
        if self._telemetry.trouble("courier", str(error)):
            log.error("The courier stands still: %s", error)

    async def _take(self) -> float:
        """Take in hand what may be sent now; seconds until there may be more."""
        pacer = self._texts.pacer
        while True:
            now = self._clock()
            await self._renew(now)
            pause_s = self._pause_s()  # first: what opens from here on ends it
            room = min(self._free_hands(), pacer.allowance())
            if self._route.is_down:
                return min(pause_s, self._begin_probe())
            if room <= 0:
                return pause_s
            # Asked first because it costs a third of a claim, and most often there is nothing to claim.
            due = await self._store.next_delivery_at(pacer.closed())
            if due is None or due > now:
                return pause_s if due is None else min(pause_s, (due - now).total_seconds())
            claimed = await self._store.claim_deliveries(room, pacer.closed(), at=now, lease_s=LEASE_S)
            pacer.spend(out.watch.chat_id for out in claimed)
            for out in claimed:
                if _is_video(out):
                    pacer.owe(out.watch.chat_id)
                self._companions[out.delivery.id] = [each.delivery.id for each in out.companions]
                self._in_hand[out.delivery.id] = asyncio.create_task(self._carry(out))

    async def _renew(self, now: datetime) -> None:
        if self._in_hand and now - self._renewed_at >= timedelta(seconds=_RENEW_S):
            held = [*self._in_hand, *(each for ids in self._companions.values() for each in ids)]
            await self._store.renew_deliveries(held, at=now, lease_s=LEASE_S)
            self._renewed_at = now

    @property
    def _busy(self) -> int:
        """How many are in hand, those not counted that wait for their film."""
        return len(self._in_hand) - len(self._announced)

    def _free_hands(self) -> int:
        return min(_HANDS - self._busy, _MOST - len(self._in_hand))

    def _pause_s(self) -> float:
        pause_s = _RENEW_S if self._in_hand else _LONGEST_SLEEP_S
        opens_in_s = self._texts.pacer.opens_in_s() if self._free_hands() > 0 else None
        return pause_s if opens_in_s is None else min(pause_s, opens_in_s)

    async def _carry(self, out: Outgoing) -> None:
        try:
            await self._deliver(out)
        # One delivery must not stop the courier; its lease runs out, and it is tried again.
        except StoreError as error:
            self._stand_still(error)
        except Exception:
            log.exception("Delivery %d failed", out.delivery.id)
        finally:
            self._announced.discard(out.delivery.id)
            if _is_video(out):
                self._texts.pacer.owes_no_more(out.watch.chat_id)
            del self._in_hand[out.delivery.id], self._companions[out.delivery.id]
            self._bell.set()

    async def _deliver(self, out: Outgoing) -> None:
        if out.delivery.kind is DeliveryKind.CARD:
            result, digest = await self._texts.card(out)
            await self._settle(out, result, digest=digest)
        elif out.delivery.kind is DeliveryKind.NOTICE:
            await self._settle(out, await self._texts.notice(out))
        elif _is_video(out):
            await self._settle(out, await self._bring(out))
        else:
            await self._fail(out)

    async def _fail(self, out: Outgoing) -> None:
        """Tell of a failure and of its companions; those without room in the message go back."""
        result, told = await self._texts.failure(out)
        now = self._clock()
        for companion in out.companions[told:]:
            at = now + timedelta(seconds=_TOGETHER_S)
            back = Settlement(state=DeliveryState.PENDING, at=now, not_before=at, is_attempt=False)
            await self._store.settle(companion.delivery.id, back)
        await self._settle(out, result, together=out.companions[:told])

    async def _bring(self, out: Outgoing) -> SendResult:
        """The announcement takes a hand; the film that it becomes may take its time."""
        announced = await self._ladder.announce(out)
        takes_text = not (isinstance(announced, Refused) and announced.reason is Refusal.NO_RIGHTS)
        if takes_text and not isinstance(announced, Sent):
            return announced
        self._announced.add(out.delivery.id)
        self._bell.set()
        return await self._ladder.bring(out, announced.message_id if isinstance(announced, Sent) else None)

    async def _settle(
        self,
        out: Outgoing,
        result: SendResult,
        *,
        digest: str | None = None,
        together: Sequence[Outgoing] = (),
    ) -> None:
        """together: what else the message told of."""
        if isinstance(result, Transient) and result.is_of_the_route:
            self._route.failed(out.delivery.id)
        result = self._doubt(out.watch.chat_id, result, at=self._clock())
        await self._heed(out.watch.chat_id, result, at=self._clock())
        for each in (out, *together):  # last: now it may be claimed again
            await self._write_end(each, result, digest=digest)
        if not isinstance(result, Transient | Unknown):
            self._route.forget(out.delivery.id)
            await self._note_answer()

    async def _write_end(self, out: Outgoing, result: SendResult, *, digest: str | None = None) -> None:
        """Write down what became of a delivery."""
        now = self._clock()
        delivery = out.delivery
        wait_s = retry.try_again_s(delivery.attempts, result)
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
        self._probe = asyncio.create_task(self._ask_whether_telegram_answers())
        return _RENEW_S

    async def _ask_whether_telegram_answers(self) -> None:
        try:
            match await self._texts.ping():
                case Transient(why=why):
                    if self._route.probe_failed():
                        log.warning("Telegram can't be reached, what is to be sent waits: %s", why)
                case _:
                    await self._note_answer()
        except StoreError as error:
            self._stand_still(error)
        finally:
            self._probe = None
            self._bell.set()

    async def _note_answer(self) -> None:
        """Telegram has answered."""
        if self._route.answered():
            waiting = (await self._store.stats()).deliveries[DeliveryState.PENDING]
            log.info("Telegram takes messages again; %d waited.", waiting)

    def _doubt(self, chat_id: int, result: SendResult, *, at: datetime) -> SendResult:
        """Have a chat that was not found tried again before it counts as lost."""
        match result:
            case Gone(why=why, is_certain=False) if not self._doubted.not_found(chat_id, at=at):
                return Transient(why, again_s=CONFIRM_AFTER.total_seconds())
            case Sent():
                self._doubted.answered(chat_id)
        return result

    async def _heed(self, chat_id: int, result: SendResult, *, at: datetime) -> None:
        """What a result says of the whole chat."""
        match result:
            case Migrated(new_id=new_id):
                self._texts.migrated(chat_id, new_id)
                await self._store.migrate_chat(chat_id, new_id, at=at)
            case RetryAfter(seconds=seconds):
                self._texts.pacer.stop(chat_id, seconds)
                await self._store.throttle_chat(chat_id, until=at + timedelta(seconds=seconds))
            case Gone(why=why):
                log.warning("Chat %d is lost to the bot: %s", chat_id, why)
                await self._store.chat_lost(chat_id, why, at=at)

    async def _sleep(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._bell.wait()
        except TimeoutError:
            pass


def _is_video(out: Outgoing) -> bool:
    return out.delivery.kind is DeliveryKind.RESULT and out.task.status is TaskStatus.SUCCEEDED
