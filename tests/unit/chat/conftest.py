"""A ChatHarness for each test, over a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telegram import Update
from telegram.ext import Application, TypeHandler

from bot.bot_api.request import BotApiRequest
from bot.chat.dispatcher import AnyApplication
from bot.sandbox.telegram import FakeTelegram
from storage.sqlite.store import SqliteStore
from tests.fakes.databases import new_database
from tests.unit.chat.chat_harness import ChatHarness, ChatHarnesses, named
from tests.unit.chat.update_harness import ANNA, BORIS, FlakyRequest, UpdateHarness


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await SqliteStore.open(await new_database(tmp_path / "test.db"))
    yield opened
    await opened.close()


@pytest.fixture
async def harnesses(store: SqliteStore) -> AsyncIterator[ChatHarnesses]:
    made = ChatHarnesses(store)
    yield made
    await made.end()


@pytest.fixture
async def harness(harnesses: ChatHarnesses) -> ChatHarness:
    """Two providers: one named after its kind, one with a custom name."""
    return await harnesses.make(
        named("alibailian", "alibailian"), named("mine", "videos", "mine.example:8443")
    )


@pytest.fixture
async def update_harness() -> AsyncIterator[UpdateHarness]:
    telegram = FakeTelegram()
    for person in (ANNA, BORIS):
        telegram.private_chat(person)
    await telegram.start()
    polls = FlakyRequest(httpx_kwargs={"verify": False})  # loading certificates takes its time
    application: AnyApplication = (
        Application.builder()
        .token(telegram.token)
        .base_url(f"{telegram.url}/bot")
        .request(BotApiRequest(httpx_kwargs={"verify": False}))
        .get_updates_request(polls)
        .updater(None)
        .job_queue(None)
        .build()
    )
    update_harness = UpdateHarness(telegram, polls, application)
    application.add_handler(TypeHandler(Update, update_harness.handle))
    async with application:
        yield update_harness
    await telegram.stop()
