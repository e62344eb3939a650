"""Which cards are refreshed when, and how many at a time."""

from datetime import datetime

import pytest

from bot.telemetry import Telemetry
from bot.watching.card_refresher import CardRefresher
from bot.watching.gateway_state import GatewayState, GatewayStates
from storage.errors import LeadershipLost, StoreUnavailable
from storage.models import DeliveryKind
from storage.sqlite.store import SqliteStore
from storage.store import Store
from tests.contract.store.batch_driver import FOUR, send
from tests.contract.store.driver import Driver
from tests.unit.watching.tasks import AWAY


class Scene(Driver):
    """Watched tasks, their gateways and the refresher of their cards."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.states = GatewayStates(clock=lambda: self.now)
        self.wan, self.veo = self.states.add(["wan"], "a.example"), self.states.add(["veo"], "b.example")
        self.notified = 0
        self.refresher = CardRefresher(
            store, self.states.reports, clock=lambda: self.now, notify=self._notify
        )

    def _notify(self) -> None:
        self.notified += 1

    async def cards(self, count: int, *, provider: str = "wan") -> None:
        """So many chats, each with a task and its card."""
        for number in range(count):
            await self.watch(f"{provider}{number}", provider=provider, chat_id=1000 + number)
        await self.send()
        self.advance(1)

    def go_away(self, *states: GatewayState) -> None:
        """Polls of these gateways fail for half a minute."""
        for wait_s in (30, 1):
            for state in states:
                for task_id in (1, 2):
                    state.on_poll(task_id, AWAY, at=self.now)
            self.advance(wait_s)

    async def refreshed(self) -> list[str]:
        """Refresh once, and send what was enqueued; the providers of the tasks."""
        await self.refresher.refresh()
        claimed = await self.claim()
        for out in claimed:
            await self.settle(out, message_id=1, digest="shown")
        return [out.task.ref.provider for out in claimed]


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


async def test_a_card_is_refreshed_each_minute(scene: Scene):
    await scene.cards(1)
    scene.advance(50)
    assert (await scene.refreshed(), scene.notified) == ([], 0)

    scene.advance(10)
    assert (await scene.refreshed(), scene.notified) == (["wan"], 1)


async def test_many_due_cards_are_refreshed_in_batches(scene: Scene):
    await scene.cards(10)
    scene.advance(60)

    assert [len(await scene.refreshed()) for _ in range(3)] == [8, 2, 0]


async def test_every_card_of_a_gateway_is_refreshed_once_when_it_goes_away_and_when_it_is_back(scene: Scene):
    await scene.cards(3)
    await scene.cards(3, provider="veo")
    scene.go_away(scene.wan)
    assert await scene.refreshed() == ["wan"] * 3
    assert await scene.refreshed() == []

    scene.advance(1)
    scene.wan.on_poll(1, None, at=scene.now)
    assert await scene.refreshed() == ["wan"] * 3
    assert await scene.refreshed() == []


async def test_many_cards_of_a_gateway_are_refreshed_a_few_at_a_time(scene: Scene):
    await scene.cards(40)
    scene.go_away(scene.wan)

    assert [len(await scene.refreshed()) for _ in range(4)] == [16, 16, 8, 0]


async def test_gateways_that_go_away_together_share_the_same_bound(scene: Scene):
    await scene.cards(20)
    await scene.cards(20, provider="veo")
    scene.go_away(scene.wan, scene.veo)

    assert sorted(await scene.refreshed()) == ["veo"] * 8 + ["wan"] * 8


async def test_the_card_of_a_batch_tells_of_its_gateway_s_outage(scene: Scene):
    await scene.watch_batch(*FOUR)
    await send(scene)
    scene.go_away(scene.wan)

    await scene.refresher.refresh()

    assert await send(scene) == [DeliveryKind.BATCH]


class BrokenStore(SqliteStore):
    """A store whose refreshes fail with these errors in turn."""

    def __init__(self, *errors: Exception) -> None:
        """Open no database."""
        self._errors = list(errors)

    async def refresh_cards(self, *, older_than: datetime, limit: int, at: datetime) -> int:
        raise self._errors.pop(0)


async def test_a_refresh_that_failed_is_repeated_until_the_term_ends(scene: Scene):
    store = BrokenStore(StoreUnavailable("full"), StoreUnavailable("full"), LeadershipLost("over"))
    waits_s: list[float] = []

    async def sleep(seconds: float) -> None:
        waits_s.append(seconds)

    refresher = CardRefresher(store, lambda: (), clock=lambda: scene.now, notify=lambda: None)
    with pytest.raises(LeadershipLost):
        await refresher.run(Telemetry(sleep=sleep))

    assert waits_s == [2.0] * 3
