import logging
import math
from collections.abc import Collection

import pytest

from bot.watching.access import Access
from storage.store import Store
from storage.watches import WatchState
from tests.contract.store.driver import Driver
from tests.contract.store.test_reports import failure

ANN, BORIS, EVE = 42, 43, 66
GROUP, NEW = -77, -1001


@pytest.fixture
def driver(store: Store) -> Driver:
    return Driver(store)


def access_of(
    driver: Driver, *, ids: Collection[int] = (), everyone: bool = False, admin_ids: Collection[int] = ()
) -> Access:
    return Access(driver.store, everyone=everyone, ids=ids, admin_ids=admin_ids, clock=lambda: driver.now)


def test_a_chat_a_person_and_an_admin_are_let_in(driver: Driver):
    access = access_of(driver, ids=[GROUP, ANN], admin_ids=[BORIS])
    asking = [(GROUP, EVE), (GROUP, None), (-5, ANN), (-5, BORIS), (-5, EVE), (-5, None), (None, None)]
    assert [access.allows(*each) for each in asking] == [True] * 4 + [False] * 3
    assert [access.is_admin(each) for each in (BORIS, ANN, None)] == [True, False, False]


def test_everyone_is_let_in_if_the_settings_say_so(driver: Driver):
    access = access_of(driver, everyone=True)
    assert access.allows(-5, EVE)
    assert access.allows(-5, None)
    assert not access.is_admin(EVE)


async def test_watches_of_those_who_are_no_longer_let_in_are_stopped_with_one_warning(
    driver: Driver, caplog: pytest.LogCaptureFixture
):
    for external_id in ("a", "b"):
        await driver.watch(external_id, chat_id=EVE, user_id=EVE)
    kept = {
        (await driver.watch(chat_id=chat, user_id=user)).watch.id
        for chat, user in ((GROUP, EVE), (-5, ANN), (BORIS, BORIS))
    }

    await access_of(driver, ids=[GROUP, ANN], admin_ids=[BORIS]).enforce()

    assert [each.watch.state for each in await driver.store.watches_of(EVE, "a")] == [WatchState.STOPPED]
    assert {watch_id for _, watch_id in await driver.send()} == kept
    (line,) = caplog.records
    assert (line.levelno, "Stopped 2 watches" in line.getMessage()) == (logging.WARNING, True)


async def test_the_watches_of_a_group_that_moved_go_on(driver: Driver, caplog: pytest.LogCaptureFixture):
    watched = await driver.watch(chat_id=GROUP, user_id=EVE)
    await access_of(driver, ids=[GROUP]).enforce()
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    await access_of(driver, ids=[GROUP]).enforce()

    assert [each.watch.id for each in await driver.store.active_watches(NEW)] == [watched.watch.id]
    assert caplog.records == []


async def test_nothing_is_stopped_where_everyone_is_let_in(driver: Driver, caplog: pytest.LogCaptureFixture):
    watched = await driver.watch(chat_id=EVE, user_id=EVE)
    await access_of(driver, everyone=True).enforce()
    assert [each.watch.id for each in await driver.store.active_watches(EVE)] == [watched.watch.id]
    assert caplog.records == []


@pytest.mark.parametrize("everyone", [False, True])
async def test_who_is_no_longer_an_admin_gets_no_report(driver: Driver, everyone: bool):
    for admin in (BORIS, EVE):
        await driver.store.enqueue_report(admin, failure(), at=driver.now)

    await access_of(driver, everyone=everyone, admin_ids=[BORIS]).enforce()

    assert [one.delivery.chat_id for one in await driver.claim_reports()] == [BORIS]


def test_those_who_are_let_in_are_counted_once(driver: Driver):
    assert access_of(driver).count() == 0
    assert access_of(driver, ids=[GROUP, ANN], admin_ids=[ANN, BORIS]).count() == 3
    assert access_of(driver, everyone=True).count() == math.inf
