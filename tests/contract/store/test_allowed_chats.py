"""Who is let in, as the database keeps it beside the settings."""

import pytest

from tests.contract.store.driver import Driver

GROUP, NEW, PERSON = -77, -1001, 42


async def let_in(driver: Driver, *ids: int) -> set[int]:
    """The bot starts with these ids in its settings."""
    return set(await driver.store.sync_allowed_chats(ids, at=driver.now))


async def test_those_whom_the_settings_name_are_let_in_and_no_longer_those_whom_they_named(driver: Driver):
    assert await let_in(driver) == set()
    assert await let_in(driver, GROUP, PERSON) == {GROUP, PERSON}
    assert await let_in(driver, GROUP, PERSON) == {GROUP, PERSON}
    assert await let_in(driver, PERSON, 5) == {PERSON, 5}
    assert await let_in(driver) == set()


async def test_a_group_that_became_a_supergroup_is_let_in_as_long_as_the_settings_name_the_group(
    driver: Driver,
):
    await let_in(driver, GROUP, PERSON)
    for _ in range(2):  # Telegram says it in both chats
        await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await let_in(driver, GROUP, PERSON)
    assert await let_in(driver, PERSON) == {PERSON}


async def test_a_supergroup_stays_let_in_while_its_new_id_takes_the_old_one_s_place_in_the_settings(
    driver: Driver,
):
    await let_in(driver, GROUP)
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await let_in(driver, GROUP, NEW)
    assert await let_in(driver, NEW) == {NEW}
    assert await let_in(driver) == set()


@pytest.mark.parametrize("left", [GROUP, NEW])
async def test_a_supergroup_that_was_named_under_both_ids_needs_one_of_them(driver: Driver, left: int):
    await let_in(driver, GROUP, NEW)
    await driver.store.migrate_chat(GROUP, NEW, at=driver.now)

    assert NEW in await let_in(driver, GROUP, NEW)
    assert NEW in await let_in(driver, left)


async def test_a_strange_group_is_not_let_in_by_becoming_a_supergroup(driver: Driver):
    await let_in(driver, GROUP)
    await driver.store.migrate_chat(-78, NEW, at=driver.now)

    assert await let_in(driver, GROUP) == {GROUP}
