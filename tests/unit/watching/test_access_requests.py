"""What updates are checked against follows each decision, and each is logged."""

from collections.abc import Callable

import pytest

from bot.watching.access import Access
from bot.watching.access_requests import AccessRequests
from storage.access import AccessState, Admin, ChatProfile, RequestOutcome
from storage.models import Chat
from storage.outbox import AccessDelivery
from storage.store import Store
from storage.watches import WatchState
from tests.contract.store.driver import Driver
from tests.fakes.log_lines import json_lines

BORIS = Admin(id=7, name="Boris")
GROUP, NEW, EVE = -77, -1001, 66
FILMS = ChatProfile(chat_id=GROUP, chat_type="group", title="Films", language="en")


class Scene:
    """The requests of a bot with one admin; `notified` counts how often the loops were woken."""

    def __init__(self, store: Store, driver: Driver) -> None:
        self.store = store
        self.notified = 0
        self.access = Access(store, everyone=False, ids=(), admin_ids=(BORIS.id,), clock=lambda: driver.now)
        self.requests = AccessRequests(
            store, self.access, language="auto", clock=lambda: driver.now, notify=self._notify
        )

    def _notify(self) -> None:
        self.notified += 1


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)


@pytest.fixture
def scene(store: Store, driver: Driver) -> Scene:
    return Scene(store, driver)


@pytest.fixture
def actions(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level("INFO")
    return lambda: [each.get("status", each["event"]) for each in json_lines(caplog.records)]


async def test_admins_are_asked_in_the_language_of_their_chat(scene: Scene, driver: Driver):
    await scene.store.save_chat(Chat(id=BORIS.id, title="", language="zh"), at=driver.now)
    assert await scene.requests.ask(FILMS, EVE) is RequestOutcome.ASKED
    (claimed,) = await scene.store.claim_deliveries(9, at=driver.now, lease_s=60)
    assert isinstance(claimed, AccessDelivery)
    assert claimed.content.language == "zh"
    assert scene.notified == 1


async def test_a_chat_is_allowed_from_the_decision_on(scene: Scene, actions):
    await scene.requests.ask(FILMS, EVE)
    decision = await scene.requests.answer(1, BORIS, is_allowed=True)
    assert decision is not None
    assert decision.state is AccessState.ALLOWED
    assert scene.access.allows(GROUP, None)

    assert await scene.requests.answer(1, BORIS, is_allowed=False) is not None
    assert scene.access.allows(GROUP, None)
    assert not scene.access.is_refused(GROUP)
    assert actions() == ["access_requested", "allowed"]


async def test_a_refused_chat_can_be_allowed_later(scene: Scene, actions):
    await scene.requests.ask(FILMS, EVE)
    await scene.requests.answer(1, BORIS, is_allowed=False)
    assert scene.access.is_refused(GROUP)
    assert not scene.access.allows(GROUP, None)
    assert await scene.requests.ask(FILMS, EVE) is RequestOutcome.REFUSED

    assert await scene.requests.allow(GROUP, BORIS)
    assert not scene.access.is_refused(GROUP)
    assert scene.access.allows(GROUP, None)
    assert not await scene.requests.allow(GROUP, BORIS)
    assert actions() == ["access_requested", "refused", "allowed"]


async def test_removing_a_chat_stops_its_watches_but_not_those_of_admins(
    scene: Scene, driver: Driver, actions
):
    await scene.requests.ask(FILMS, EVE)
    await scene.requests.answer(1, BORIS, is_allowed=True)
    await driver.watch("a", chat_id=GROUP, user_id=EVE)
    await driver.watch("b", chat_id=GROUP, user_id=BORIS.id)

    assert await scene.requests.remove(GROUP, BORIS)
    assert not await scene.requests.remove(GROUP, BORIS)

    assert not scene.access.allows(GROUP, None)
    states = {
        external_id: (await scene.store.watches_of(GROUP, external_id))[0].watch.state
        for external_id in ("a", "b")
    }
    assert states == {"a": WatchState.STOPPED, "b": WatchState.ACTIVE}
    assert actions()[2:] == ["removed", "access_revoked"]


async def test_decisions_hold_after_a_restart_and_a_migration(scene: Scene, driver: Driver):
    await scene.requests.ask(FILMS, EVE)
    await scene.requests.answer(1, BORIS, is_allowed=False)
    await scene.store.migrate_chat(GROUP, NEW, at=driver.now)
    scene.access.migrated(GROUP, NEW)
    assert scene.access.is_refused(NEW)

    restarted = Scene(scene.store, driver)
    await restarted.access.load()
    assert restarted.access.is_refused(NEW)
    assert not restarted.access.is_refused(GROUP)
