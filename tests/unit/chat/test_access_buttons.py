"""Admins decide in their private chats; all others, and stale buttons, get a bubble."""

import pytest

from bot.messages.callback_data import AnswerRequest, CallbackData, ChangeAccess, ChatsPage
from bot.messages.views.access import PAGE
from storage.access import Admin
from storage.chat_settings import ChatSettings
from storage.sqlite.store import SqliteStore
from tests.fakes import updates
from tests.unit.chat.chat_harness import ANN, BORIS, EVE, FOREIGN_GROUP, GROUP, ChatHarness
from tests.unit.messages.reading import visible

ADMINS_ONLY = "Only the bot's admins can do this."


async def press(harness: ChatHarness, data: CallbackData, user_id: int = BORIS) -> str:
    """The text of the bubble after a press in a private chat."""
    chat = {"id": user_id, "type": "private", "first_name": "Ann"}
    query = updates.press(chat, user_id, data.pack())
    assert await harness.receive(query, kind="callback_query") == []
    return str(harness.request.callback_answers[-1].get("text", ""))


def shown(harness: ChatHarness) -> str:
    return visible(str(harness.request.edits[-1]["text"]))


async def ask(harness: ChatHarness, user_id: int = EVE) -> None:
    """A stranger says /start; the first one's request has the id 1."""
    await harness.receive(updates.private(user_id, "/start"))


async def test_an_admin_allows_a_chat_with_one_tap(harness: ChatHarness):
    await ask(harness)
    assert await press(harness, AnswerRequest(request_id=1, is_allowed=True)) == "Allowed."
    assert shown(harness).startswith("✅ Allowed by Ann\n")
    assert "reply_markup" not in harness.request.edits[-1]
    (answer,) = await harness.receive(updates.private(EVE, "/help"))
    assert answer.startswith("I watch AI video tasks")


async def test_the_buttons_edit_in_the_language_that_the_admin_chose_in_settings(
    harness: ChatHarness, store: SqliteStore
):
    await store.save_chat_settings(BORIS, ChatSettings(language="zh"))
    await ask(harness)
    for data, words in (
        (AnswerRequest(request_id=1, is_allowed=True), "✅ Ann 已允许"),
        (ChatsPage(page=0), "个聊天"),
        (ChangeAccess(chat_id=EVE, is_allowed=False, page=0), "个聊天"),
    ):
        await press(harness, data)
        assert words in shown(harness)


async def test_a_question_too_old_to_be_edited_is_still_answered(harness: ChatHarness):
    await ask(harness)
    chat = {"id": BORIS, "type": "private", "first_name": "Ann"}
    query = updates.press(chat, BORIS, AnswerRequest(request_id=1, is_allowed=True).pack())
    query["message"] |= {"date": 0}
    await harness.receive(query, kind="callback_query")

    assert harness.request.callback_answers[-1]["text"] == "Allowed."
    assert harness.request.edits == []


async def test_a_name_with_half_of_a_surrogate_pair_is_shown_with_a_question_mark(harness: ChatHarness):
    name = {"first_name": "Eve\ud800"}
    message = updates.private(EVE, "/start")
    assert await harness.receive(message | {"chat": message["chat"] | name, "from": message["from"] | name})

    query = updates.press(
        {"id": BORIS, "type": "private"}, BORIS, AnswerRequest(request_id=1, is_allowed=True).pack()
    )
    await harness.receive(query | {"from": query["from"] | name}, kind="callback_query")
    assert shown(harness).startswith("✅ Allowed by Eve?\nEve?")


async def test_a_second_admin_sees_what_the_first_one_decided(harness: ChatHarness):
    await ask(harness)
    await harness.deps.requests.answer(1, Admin(id=99, name="Carol"), is_allowed=False)
    bubble = await press(harness, AnswerRequest(request_id=1, is_allowed=True))
    assert bubble == "Already refused; /chats can undo it."
    assert shown(harness).startswith("🚫 Refused by Carol")
    assert not harness.access.allows(EVE, None)


async def test_a_button_of_a_request_that_is_gone_is_stale(harness: ChatHarness):
    assert (
        await press(harness, AnswerRequest(request_id=9, is_allowed=True)) == "This button no longer works."
    )


@pytest.mark.parametrize(
    "data",
    [
        AnswerRequest(request_id=1, is_allowed=True),
        ChatsPage(page=0),
        ChangeAccess(chat_id=EVE, is_allowed=True, page=0),
        ChangeAccess(chat_id=GROUP, is_allowed=False, page=0),
    ],
)
async def test_who_is_no_admin_changes_and_sees_nothing(harness: ChatHarness, data: CallbackData):
    await ask(harness)
    assert await press(harness, data, ANN) == ADMINS_ONLY
    assert harness.request.edits == []
    assert not harness.access.allows(EVE, None)
    assert harness.access.allows(GROUP, None)


async def test_chats_lists_who_is_allowed_and_who_waits(harness: ChatHarness):
    await ask(harness)
    (listed,) = await harness.receive(updates.private(BORIS, "/chats"))
    assert listed.split("\n")[0] == "4 chats:"  # those of the settings, and the one that waits
    assert "in ALLOWED_CHATS" in listed
    assert "❓ Ann · private chat · 66 · waiting" in listed


async def test_chats_is_for_admins_and_answers_in_private_only(harness: ChatHarness):
    (refused,) = await harness.receive(updates.private(ANN, "/chats"))
    assert refused.startswith("I don't know that command.")
    (hint,) = await harness.receive(updates.group(FOREIGN_GROUP, BORIS, "/chats"))
    assert hint == "Send /chats in our private chat."


async def test_a_refused_chat_is_allowed_and_removed_in_the_list(harness: ChatHarness):
    await ask(harness)
    await press(harness, AnswerRequest(request_id=1, is_allowed=False))

    assert await press(harness, ChangeAccess(chat_id=EVE, is_allowed=True, page=0)) == "Allowed."
    assert "66 · allowed" in shown(harness)
    assert harness.access.allows(EVE, None)

    assert await press(harness, ChangeAccess(chat_id=EVE, is_allowed=False, page=0)) == "Removed."
    assert "66" not in shown(harness)
    assert not harness.access.allows(EVE, None)

    bubble = await press(harness, ChangeAccess(chat_id=EVE, is_allowed=False, page=0))
    assert bubble == "There's nothing left to change here."


async def test_a_chat_of_the_settings_is_not_removed(harness: ChatHarness):
    bubble = await press(harness, ChangeAccess(chat_id=GROUP, is_allowed=False, page=0))
    assert bubble == "There's nothing left to change here."
    assert harness.access.allows(GROUP, None)


@pytest.mark.parametrize(("page", "said"), [(1, "2/2"), (10**15, "2/2"), (-5, "1/2")])
async def test_pages_are_turned_within_what_there_is(harness: ChatHarness, page: int, said: str):
    for user_id in range(100, 100 + PAGE):
        await ask(harness, user_id)
    assert await press(harness, ChatsPage(page=page)) == ""
    assert f"'text': '{said}'" in str(harness.request.edits[-1]["reply_markup"])
