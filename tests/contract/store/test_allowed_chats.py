"""The allowed chats and users in the database, and their sync with the settings."""

import pytest

from storage.models import DeliveryKind, DeliveryState, TaskStatus
from tests.contract.store.driver import LEASE_S, Driver

GROUP, NEW, PERSON = -77, -1001, 42


async def allowed(driver: Driver, *ids: int) -> set[int]:
    """The bot starts with these ids in its settings."""
    return set(await driver.store.sync_allowed_chats(ids, at=driver.now))


async def test_ids_in_the_settings_are_allowed_and_removed_ones_are_not(driver: Driver):
    assert await allowed(driver) == set()
    assert await allowed(driver, GROUP, PERSON) == {GROUP, PERSON}
    assert await allowed(driver, GROUP, PERSON) == {GROUP, PERSON}
    assert await allowed(driver, PERSON, 5) == {PERSON, 5}
    assert await allowed(driver) == set()


async def test_a_group_that_became_a_supergroup_is_allowed_as_long_as_the_settings_name_the_group(
    driver: Driver,
):
    await allowed(driver, GROUP, PERSON)
    for _ in range(2):  # Telegram sends the update in both chats
        await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await allowed(driver, GROUP, PERSON)
    assert await allowed(driver, PERSON) == {PERSON}


async def test_a_supergroup_stays_allowed_when_its_new_id_replaces_the_old_one_in_the_settings(
    driver: Driver,
):
    await allowed(driver, GROUP)
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await allowed(driver, GROUP, NEW)
    assert await allowed(driver, NEW) == {NEW}
    assert await allowed(driver) == set()


@pytest.mark.parametrize("left", [GROUP, NEW])
async def test_a_supergroup_that_was_named_under_both_ids_needs_one_of_them(driver: Driver, left: int):
    await allowed(driver, GROUP, NEW)
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await allowed(driver, GROUP, NEW)
    assert NEW in await allowed(driver, left)


async def test_a_group_that_is_not_allowed_stays_so_as_a_supergroup(driver: Driver):
    await allowed(driver, GROUP)
    await driver.store.migrate_chat(-78, NEW, at=driver.now)

    assert await allowed(driver, GROUP) == {GROUP}


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_chat_that_is_no_longer_allowed_gets_nothing_more(driver: Driver, is_lost: bool):
    waiting = await driver.watch("waiting", chat_id=GROUP)
    ended = await driver.watch("ended", chat_id=GROUP)
    await driver.poll(ended.task.id, TaskStatus.SUCCEEDED)
    if is_lost:
        await driver.store.chat_lost(GROUP, "kicked", at=driver.now)

    assert await driver.store.stop_all_but([NEW], at=driver.now) == 2

    await driver.store.chat_found(GROUP, at=driver.now)
    assert await driver.send() == []
    assert await driver.store.next_delivery_at() is None
    assert await driver.nothing_is_due()
    assert [watched.watch.state for watched in await driver.store.watches_of(GROUP, "waiting")] == ["stopped"]
    assert await driver.store.task(waiting.task.id) is not None
    assert await driver.store.stop_all_but([NEW], at=driver.now) == 0


async def test_deliveries_being_sent_to_a_chat_that_is_no_longer_allowed_are_superseded(driver: Driver):
    watched = await driver.watch(chat_id=GROUP)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    result = await driver.claim_one(DeliveryKind.RESULT)

    await driver.store.stop_all_but([], at=driver.now)
    await driver.settle(result, DeliveryState.PENDING)
    driver.advance(LEASE_S)

    assert await driver.send() == []


async def test_a_result_that_was_to_be_sent_again_is_not_sent_to_a_chat_that_is_no_longer_allowed(
    driver: Driver,
):
    watched = await driver.watch(chat_id=GROUP)
    await driver.poll(watched.task.id, TaskStatus.SUCCEEDED)
    await driver.settle(await driver.claim_one(DeliveryKind.RESULT), DeliveryState.UNKNOWN)
    await driver.send()
    assert await driver.store.send_again(watched.watch.id, GROUP, at=driver.now)

    assert await driver.store.stop_all_but([], at=driver.now) == 1

    assert await driver.send() == []
    assert (await driver.watch(chat_id=GROUP)).is_new  # once it is allowed again


async def test_chats_that_are_still_allowed_lose_nothing(driver: Driver):
    by_chat = await driver.watch(chat_id=GROUP)
    by_person = await driver.watch(chat_id=-5)  # requested by the driver's user
    by_nobody = await driver.watch(chat_id=-6, user_id=None)

    assert await driver.store.stop_all_but([GROUP, PERSON], at=driver.now) == 1

    assert {watch_id for _, watch_id in await driver.send()} == {by_chat.watch.id, by_person.watch.id}
    assert len(await driver.claim_tasks()) == 1
    assert by_nobody.watch.id not in {each.watch.id for each in await driver.store.active_watches(-6)}
