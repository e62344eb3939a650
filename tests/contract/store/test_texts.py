"""Characters that not every engine can store are replaced; all others are kept."""

import pytest

from storage.access import Admin, ChatProfile, RequestOutcome
from storage.models import Chat
from tests.contract.store.driver import Driver

ODD = "a\0b\ud83dc"  # gateways cut texts within a surrogate pair
STORED = "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    "text", ["", "中文 😀", "e\u0301", "'; DROP TABLE tasks; --", "{}", "\\u0000", "x" * 4096]
)
async def test_a_text_is_kept(driver: Driver, text: str):
    await driver.store.save_chat(Chat(id=1, title=text, language="en"), at=driver.now)
    await driver.store.save_estimates(text)

    chat = await driver.store.chat(1)
    assert chat is not None
    assert (chat.title, await driver.store.load_estimates()) == (text, text)


async def test_nul_and_half_a_surrogate_pair_are_replaced(driver: Driver):
    await driver.store.save_chat(Chat(id=1, title=ODD, language="en"), at=driver.now)
    await driver.store.save_estimates(ODD)
    await driver.watch(ODD, chat_id=1)
    await driver.watch(ODD, chat_id=1)
    await driver.store.chat_lost(1, ODD, at=driver.now)

    chat = await driver.store.chat(1)
    assert chat is not None
    assert (chat.title, chat.disabled_reason, await driver.store.load_estimates()) == (STORED, STORED, STORED)
    assert [one.task.ref.external_id for one in await driver.store.watches_of(1, ODD)] == [STORED]


async def test_they_are_replaced_in_what_admins_read(driver: Driver):
    profile = ChatProfile(chat_id=1, chat_type="private", title=ODD, user_name=ODD, language="en")
    assert await driver.store.request_access(profile, {7: "en"}, at=driver.now) is RequestOutcome.ASKED

    decided = await driver.store.decide_request(1, Admin(id=7, name=ODD), is_allowed=True, at=driver.now)

    assert decided is not None
    assert decided.admin is not None
    assert decided.chat.title == STORED
    ([entry], _) = await driver.store.access_entries(offset=0, limit=9)
    assert entry.title == STORED
