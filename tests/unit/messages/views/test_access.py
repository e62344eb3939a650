"""The question to admins, the list of chats, and greetings."""

from dataclasses import replace

import pytest

from bot.messages.callback_data import AnswerRequest, ChangeAccess, ChatsPage
from bot.messages.limits import utf16_len
from bot.messages.views import access
from storage.access import (
    AccessDecision,
    AccessEntry,
    AccessQuestion,
    AccessState,
    Admin,
    ChatProfile,
    Greeting,
)
from tests.unit.messages.reading import utf16_units, visible

EVIL = "<b>&" * 100
FILMS = ChatProfile(chat_id=-77, chat_type="supergroup", title="Films", user_name="Eve", language="en")
ENTRY = AccessEntry(
    chat_id=-77, title="Films", chat_type="group", state=AccessState.ALLOWED, is_in_settings=False
)
EXAMPLE_IDS = {"wan": "86ecf553", "mine": "video_1"}


def test_the_question_names_the_chat_who_asks_and_two_buttons():
    view = access.question(AccessQuestion(request_id=5, chat=FILMS, language="en"))
    assert visible(view.text).split("\n") == [
        "Let this chat use the bot?",
        "Films · group · -77",
        "Asked by Eve",
    ]
    ((allow, refuse),) = view.buttons
    assert [AnswerRequest.parse(each.action or "") for each in (allow, refuse)] == [
        AnswerRequest(request_id=5, is_allowed=True),
        AnswerRequest(request_id=5, is_allowed=False),
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_names_of_strangers_are_escaped_and_bounded(language: str):
    chat = replace(FILMS, title=EVIL, user_name=EVIL)
    decision = AccessDecision(chat=chat, state=AccessState.REFUSED, admin=Admin(id=1, name=EVIL), is_new=True)
    entries = [replace(ENTRY, title=EVIL)] * access.PAGE
    for view in (
        access.question(AccessQuestion(request_id=5, chat=chat, language=language)),
        access.decided(decision, language=language),
        access.chats(entries, total=1000, page=2, language=language),
    ):
        assert utf16_units(view.text) < 1500
        assert all(utf16_len(button.label) <= 40 for row in view.buttons for button in row)


@pytest.mark.parametrize("state", [AccessState.ALLOWED, AccessState.REFUSED, AccessState.REMOVED])
def test_a_decision_names_the_admin(state: AccessState):
    decision = AccessDecision(chat=FILMS, state=state, admin=Admin(id=1, name="Boris"), is_new=False)
    assert "Boris" in access.decided(decision, language="en").text


def test_each_chat_has_the_button_that_changes_it_but_those_of_the_settings():
    entries = [
        replace(ENTRY, is_in_settings=True, chat_type="", title=""),
        ENTRY,
        replace(ENTRY, chat_id=-78, state=AccessState.REQUESTED),
        replace(ENTRY, chat_id=-79, state=AccessState.REFUSED),
    ]
    view = access.chats(entries, total=4, page=0, language="en")
    assert visible(view.text).split("\n") == [
        "4 chats:",
        "✅ -77 · in ALLOWED_CHATS",
        "✅ Films · group · -77 · allowed",
        "❓ Films · group · -78 · waiting",
        "🚫 Films · group · -79 · refused",
    ]
    assert [row[0].label for row in view.buttons] == ["Remove: Films", "Allow: Films", "Allow: Films"]
    first = ChangeAccess.parse(view.buttons[0][0].action or "")
    assert first == ChangeAccess(chat_id=-77, is_allowed=False, page=0)


@pytest.mark.parametrize(("page", "turns"), [(0, [0, 1]), (1, [0, 1, 2]), (2, [1, 2])])
def test_pages_can_be_turned(page: int, turns: list[int]):
    view = access.chats([ENTRY], total=2 * access.PAGE + 1, page=page, language="en")
    assert f"{page + 1}/3" in [button.label for button in view.buttons[-1]]
    found = [ChatsPage.parse(button.action or "") for button in view.buttons[-1]]
    assert found == [ChatsPage(page=number) for number in turns]


def test_without_entries_the_list_says_so():
    assert access.chats([], total=0, page=0, language="en").buttons == ()


@pytest.mark.parametrize("is_now_allowed", [True, False])
def test_a_greeting_shows_what_to_type(is_now_allowed: bool):
    greeting = Greeting(is_now_allowed=is_now_allowed, language="en")
    assert "/watch wan 86ecf553" in visible(access.greeting(greeting, EXAMPLE_IDS).text)
    assert "GATEWAY_BASE_URL" in access.greeting(greeting, {}).text


def test_the_shapes_of_ids_are_listed_for_the_first_providers_only():
    many = {f"p{number}": f"id-{number}" for number in range(100)}
    assert len(access.id_shapes(many, "en")) == 8
    english, chinese = (access.id_shapes(EXAMPLE_IDS, language) for language in ("en", "zh"))
    assert [visible(each) for each in english] == ["wan: 86ecf553", "mine: video_1"]
    assert [visible(each) for each in chinese] == ["wan：86ecf553", "mine：video_1"]
