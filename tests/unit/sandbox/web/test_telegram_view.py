"""Chats and messages as the page shows them."""

from bot.sandbox.environment import ANNA, CHANNEL, GROUP, LIN, Sandbox
from bot.sandbox.web.telegram_view import chat_view, commands_in, message_view


def test_the_menu_is_that_of_the_narrowest_scope_in_the_persons_language(sandbox: Sandbox) -> None:
    state = sandbox.telegram.state
    menu = {
        name: [{"command": name, "description": name}] for name in ("all", "own", "private", "zh", "group")
    }
    state.commands = {
        ('{"type": "default"}', ""): menu["all"],
        ('{"type": "all_private_chats"}', ""): menu["private"],
        ('{"type": "all_private_chats"}', "zh"): menu["zh"],
        ('{"type": "all_group_chats"}', ""): menu["group"],
        (f'{{"chat_id": {ANNA}, "type": "chat"}}', ""): menu["own"],
    }

    shown = [
        commands_in(state, state.chats[each], code)
        for each, code in ((ANNA, "en"), (LIN, "zh-hans"), (GROUP, "en"), (CHANNEL, "en"))
    ]

    assert shown == [menu["own"], menu["zh"], menu["group"], menu["all"]]


def test_a_chat_has_its_people_topics_and_pinned_message(sandbox: Sandbox) -> None:
    state = sandbox.telegram.state
    state.chats[GROUP].pinned = [4, 5]

    view = chat_view(state, state.chats[GROUP], people=(LIN, ANNA))

    assert [each["name"] for each in view["people"]] == ["小林", "Anna"]
    assert [each["name"] for each in view["topics"]] == ["Renders", "闲聊"]
    assert view["pinned"] == 5
    assert view["language"] == "zh-hans"  # of the first who writes there


def test_a_message_has_buttons_of_three_kinds_and_a_short_quotation(sandbox: Sandbox) -> None:
    state = sandbox.telegram.state
    first = sandbox.telegram.send(ANNA, "word " * 100)
    buttons = [
        {"text": "a", "callback_data": "1"},
        {"text": "b", "copy_text": {"text": "2"}},
        {"text": "c", "url": "https://x.y"},
    ]
    message = state.post(
        state.chats[ANNA],
        sender=state.bot,
        from_bot=True,
        text="hi",
        reply_to=first,
        reply_markup={"inline_keyboard": [buttons]},
    )

    view = message_view(state, message)

    assert view["keyboard"] == [
        [{"text": "a", "data": "1"}, {"text": "b", "copy": "2"}, {"text": "c", "url": "https://x.y"}]
    ]
    assert view["reply"]["from"] == "Anna"
    assert len(view["reply"]["text"]) <= 120


def test_a_deleted_message_is_not_quoted(sandbox: Sandbox) -> None:
    state = sandbox.telegram.state
    first = sandbox.telegram.send(ANNA, "hi")
    message = state.post(state.chats[ANNA], sender=state.bot, from_bot=True, text="hi", reply_to=first)
    sandbox.telegram.delete_message(ANNA, first)

    assert message_view(state, message)["reply"] is None
