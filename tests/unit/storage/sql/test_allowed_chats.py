"""Rows made by a person, for which there is no method yet, are not removed by the settings."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.sql import allowed_chats
from storage.sqlite.connection import Database, Transaction
from storage.sqlite.migrate import bundled_migrations, migrate
from tests.contract.store.driver import NOON

BY_PERSON, GROUP, NEW = -1, -77, -1001


@pytest.fixture
async def tx(tmp_path: Path) -> AsyncIterator[Transaction]:
    database = await Database.open(tmp_path / "a.db")
    try:
        await migrate(database, bundled_migrations())
        async with database.transaction() as tx:
            await tx.run("INSERT INTO allowed_chats VALUES (?, NULL, 0)", (BY_PERSON,))
            yield tx
    finally:
        await database.close()


@pytest.mark.parametrize("ids", [[], [GROUP], [BY_PERSON], [BY_PERSON, GROUP]])
async def test_a_chat_allowed_by_a_person_stays_so_whatever_the_settings_name(
    tx: Transaction, ids: list[int]
):
    assert await allowed_chats.sync(tx, ids, at=NOON) == {BY_PERSON, *ids}
    assert await allowed_chats.sync(tx, [], at=NOON) == {BY_PERSON}


@pytest.mark.parametrize(("old", "new"), [(BY_PERSON, NEW), (GROUP, BY_PERSON)])
async def test_a_chat_allowed_by_a_person_stays_so_when_a_group_migrates(tx: Transaction, old: int, new: int):
    await allowed_chats.sync(tx, [GROUP], at=NOON)

    await allowed_chats.move(tx, old, new)

    assert await allowed_chats.sync(tx, [], at=NOON) == {new}
