"""How the clock polls a task again whose video another chat asks for long after it was seen."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from bot.providers.base import ProviderError
from storage.models import DeliveryKind, DeliveryState, Snapshot, TaskStatus
from storage.outbox import Settlement
from tests.contract.store.driver import of_watches
from tests.fakes.clock import FrozenClock
from tests.fakes.provider import ScriptedProvider
from tests.fakes.requests import watch_request
from tests.fakes.store import BrittleStore
from tests.flow.polling_harness import PollingHarness, gateway, key, watch
from tests.unit.watching.tasks import AWAY, MISSING, snapshot

DONE = snapshot(TaskStatus.SUCCEEDED)
DAY_S = 86_400
OTHER = 200


class Scene:
    """A chat had its video more than a day ago, and another has just sent /watch for it."""

    def __init__(self, work: PollingHarness, wan: ScriptedProvider) -> None:
        self.work = work
        self.wan = wan

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, store: BrittleStore, clock: FrozenClock, *answers: Snapshot | ProviderError
    ) -> AsyncIterator["Scene"]:
        """answers: what the gateway says from then on."""
        await watch(store, "t1")
        wan = gateway(t1=(DONE, *answers))
        scene = cls(PollingHarness(store, [key(wan)], clock=clock), wan)
        async with scene.work.running():
            assert (DeliveryKind.RESULT, 100) in await scene.deliver()
            await scene.work.advance(DAY_S + 1)
            await store.add_watch(watch_request("t1", provider="wan", chat_id=OTHER), at=clock())
            await scene.work.notify()
            yield scene

    async def deliver(self) -> list[tuple[DeliveryKind, int]]:
        """What is sent, and to which chat."""
        store, now = self.work.store, self.work.clock()
        sent = []
        while found := of_watches(await store.claim_deliveries(9, at=now, lease_s=60)):
            for each in found:
                await store.settle(
                    each.delivery.id, Settlement(state=DeliveryState.SENT, at=now, message_id=5)
                )
                sent.append((each.delivery.kind, each.watch.chat_id))
        return sent


async def test_one_poll_confirms_a_video(store: BrittleStore, clock: FrozenClock):
    async with Scene.open(store, clock, DONE) as scene:
        assert (DeliveryKind.RESULT, OTHER) in await scene.deliver()
        await scene.work.advance_in_steps(600, step_s=60)
        assert len(scene.wan.polled) == 2


async def test_an_unreachable_gateway_is_polled_until_it_confirms_the_video(
    store: BrittleStore, clock: FrozenClock
):
    async with Scene.open(store, clock, *[AWAY] * 30, DONE) as scene:
        sent: Sequence[tuple[DeliveryKind, int]] = await scene.deliver()
        while len(scene.wan.polled) <= 31:
            assert not [each for each in sent if each[0] is DeliveryKind.RESULT]
            await scene.work.advance(30)
            sent = await scene.deliver()
        assert (DeliveryKind.RESULT, OTHER) in sent
        assert {chat_id for _, chat_id in sent} == {OTHER}


async def test_a_task_that_the_gateway_has_deleted_ends_as_expired_within_two_minutes(
    store: BrittleStore, clock: FrozenClock
):
    async with Scene.open(store, clock, MISSING) as scene:
        sent = await scene.deliver()
        await scene.work.advance_in_steps(120, step_s=5)
        sent += await scene.deliver()
        assert (await scene.work.task()).status is TaskStatus.EXPIRED
        assert (DeliveryKind.RESULT, OTHER) in sent
        assert {chat_id for _, chat_id in sent} == {OTHER}
