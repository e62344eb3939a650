import asyncio

import pytest
from telegram import Update

from bot.chat.dispatcher import UpdateKind
from bot.chat.message_limit import MESSAGES_PER_MINUTE
from bot.chat.router import kind_of
from storage.models import Chat, TaskStatus
from storage.watches import WatchRequest, WatchState
from tests.fakes import updates
from tests.fakes.requests import watch_request
from tests.unit.chat.chat_harness import (
    ANN,
    BORIS,
    CHANNEL,
    EVE,
    FOREIGN_GROUP,
    GROUP,
    ChatHarness,
    ChatHarnesses,
)

WATCH = "/watch wan id-1"


async def watch_of(harness: ChatHarness, chat_id: int):
    (found,) = await harness.service.active(chat_id)
    return found.watch


def request_of(chat_id: int) -> WatchRequest:
    return watch_request("id-1", chat_id=chat_id, message_id=1, user_id=chat_id)


async def is_idle(harness: ChatHarness, chat_id: int) -> bool:
    return await harness.service.active(chat_id) == []


async def test_a_command_in_a_private_chat_is_answered(harness):
    await harness.receive(updates.private(ANN, WATCH))
    assert (await watch_of(harness, ANN)).user_id == ANN


@pytest.mark.parametrize("text", [WATCH, "/watch@reelwatch_bot wan id-1", "/WATCH@Reelwatch_Bot wan id-1"])
async def test_a_command_in_a_group_is_answered(harness, text):
    await harness.receive(updates.group(GROUP, EVE, text))
    watch = await watch_of(harness, GROUP)
    assert (watch.user_id, watch.thread_id) == (EVE, None)


async def test_a_command_for_another_bot_is_ignored(harness):
    assert await harness.receive(updates.group(GROUP, ANN, "/watch@other_bot wan id-1")) == []
    assert await harness.receive(updates.group(FOREIGN_GROUP, EVE, "/watch@other_bot wan id-1")) == []
    assert await is_idle(harness, GROUP)


@pytest.mark.parametrize("kind", ["edited_message", "edited_channel_post"])
async def test_an_edited_command_is_not_executed_again(harness, kind):
    message = (
        updates.private(ANN, WATCH) if kind == "edited_message" else updates.channel_post(CHANNEL, WATCH)
    )
    assert await harness.receive(message | {"edit_date": 2}, kind=kind) == []
    assert await is_idle(harness, message["chat"]["id"])


async def test_a_command_in_a_channel_is_answered_without_a_sender(harness):
    await harness.receive(updates.channel_post(CHANNEL, WATCH), kind="channel_post")
    assert (await watch_of(harness, CHANNEL)).user_id is None
    assert await harness.receive(updates.channel_post(CHANNEL, "/unwatch"), kind="channel_post") == [
        "Stopped watching id-1."
    ]


async def test_a_channel_post_is_ignored_in_its_discussion_group(harness):
    assert await harness.receive(updates.automatic_forward(GROUP, CHANNEL, WATCH)) == []
    assert await is_idle(harness, GROUP)


async def test_replies_to_a_topic_are_sent_to_the_topic(harness):
    await harness.receive(updates.topic(GROUP, ANN, 11, WATCH))
    assert (await watch_of(harness, GROUP)).thread_id == 11
    await harness.receive(updates.topic(GROUP, ANN, 11, "/tasks"))
    assert harness.last["message_thread_id"] == 11


async def test_a_reply_thread_is_no_topic(harness):
    await harness.receive(updates.group(GROUP, ANN, WATCH, message_thread_id=11))
    assert (await watch_of(harness, GROUP)).thread_id is None
    await harness.receive(updates.group(GROUP, ANN, "/tasks", message_thread_id=11))
    assert "message_thread_id" not in harness.last


async def test_a_command_of_an_anonymous_admin_has_no_user(harness):
    await harness.receive(updates.anonymous_admin(GROUP, WATCH))
    assert (await watch_of(harness, GROUP)).user_id is None


async def test_writing_as_a_group_grants_no_admin_rights(harnesses: ChatHarnesses):
    harness = await harnesses.make(admin_ids=frozenset({1087968824}))
    assert await harness.receive(updates.anonymous_admin(GROUP, "/health")) == []


async def test_a_command_in_a_caption_is_executed(harness):
    assert await harness.receive(updates.captioned(ANN, WATCH)) == []
    assert (await watch_of(harness, ANN)).user_id == ANN


async def test_a_picture_without_a_caption_is_ignored(harness):
    picture = updates.captioned(ANN, "")
    del picture["caption"]
    assert await harness.receive(picture) == []


async def test_each_command_of_a_message_is_executed(harness):
    answers = await harness.receive(
        updates.private(ANN, "/watch wan id-1\n/watch mine id-2\n/nonsense\n/tasks")
    )
    assert [answer.split(" ")[0:2] for answer in answers] == [["I", "don't"], ["Watching", "2"]]
    found = [each.task.ref for each in await harness.service.active(ANN)]
    assert [(ref.provider, ref.external_id) for ref in found] == [("alibailian", "id-1"), ("mine", "id-2")]


async def test_of_many_commands_in_a_message_only_the_first_are_executed(harness):
    answers = await harness.receive(updates.private(ANN, "/help\n" * 200))
    assert len(answers) == 11
    assert answers[-1] == "A message can have up to 10 commands, so I ran the first 10."


@pytest.mark.parametrize("text", ["hello", "/nonsense"])
async def test_text_not_meant_for_the_bot_gets_no_reply_in_a_group(harness, text):
    assert await harness.receive(updates.group(GROUP, ANN, text)) == []
    assert await harness.receive(updates.group(FOREIGN_GROUP, EVE, text)) == []


def kind(harness: ChatHarness, message: updates.Json, name: str = "message") -> UpdateKind:
    update = Update.de_json({"update_id": 1, name: dict(message)}, harness.application.bot)
    return kind_of(update, harness.deps.allowed, "reelwatch_bot", harness.deps.catalog.id_formats)


@pytest.mark.parametrize("text", [WATCH, "/unwatch", "/tasks\n/watch wan id-1"])
async def test_writing_updates_are_confirmed_after_their_handlers(harness, text):
    assert kind(harness, updates.private(ANN, text)) is UpdateKind.WRITE
    assert kind(harness, updates.channel_post(CHANNEL, text), "channel_post") is UpdateKind.WRITE
    assert kind(harness, updates.captioned(ANN, text)) is UpdateKind.WRITE
    assert kind(harness, updates.private(EVE, text)) is UpdateKind.READ


@pytest.mark.parametrize(
    "text",
    ["/status a", "/tasks", "/help", "/start", "/providers", "/health", "/stats", "/nonsense", "hello"],
)
async def test_reading_updates_are_confirmed_at_once(harness, text):
    assert kind(harness, updates.private(ANN, text)) is UpdateKind.READ


async def test_updates_not_meant_for_the_bot_are_ignored(harness):
    assert kind(harness, updates.group(GROUP, ANN, "hello")) is UpdateKind.IGNORED
    assert kind(harness, updates.private(ANN, WATCH), "edited_message") is UpdateKind.IGNORED


async def test_buttons_membership_and_migration_are_writes(harness):
    chat = {"id": ANN, "type": "private", "first_name": "Ann"}
    assert kind(harness, updates.press(chat, ANN, "again1|1"), "callback_query") is UpdateKind.WRITE
    change = updates.membership(chat, ANN, before="left", after={"status": "member"})
    assert kind(harness, change, "my_chat_member") is UpdateKind.WRITE
    assert kind(harness, updates.group(-77, ANN, "", migrate_to_chat_id=GROUP)) is UpdateKind.WRITE


async def test_a_read_after_a_write_makes_the_message_a_write(harness):
    released = harness.deps.held.hold(1)
    harness.poll_result = None  # no poll comes, so /status waits
    handling = asyncio.create_task(harness.receive(updates.private(ANN, "/watch wan id-1\n/status id-1")))
    async with asyncio.timeout(30):
        await released.wait()
    assert not handling.done()
    handling.cancel()
    await asyncio.wait([handling])


@pytest.mark.parametrize("text", ["/start", "/tasks", "/status id-1", "hello"])
async def test_any_message_in_a_lost_chat_resumes_its_watches(harness, text):
    await harness.receive(updates.private(ANN, WATCH))
    await harness.service.chat_lost(ANN, "chat not found")
    harness.poll_result = TaskStatus.RUNNING

    await harness.receive(updates.private(ANN, text))

    assert (await watch_of(harness, ANN)).state is WatchState.ACTIVE


async def test_a_user_without_access_resumes_no_watches(harness):
    await harness.service.watch_all([request_of(EVE)])
    await harness.service.chat_lost(EVE, "chat not found")

    await harness.receive(updates.private(EVE, "/start"))

    assert await is_idle(harness, EVE)


async def test_allowed_users_may_send_commands_anywhere(harness):
    await harness.receive(updates.group(FOREIGN_GROUP, ANN, WATCH))
    assert (await watch_of(harness, FOREIGN_GROUP)).user_id == ANN


async def test_admins_may_send_commands_anywhere(harness):
    await harness.receive(updates.private(BORIS, WATCH))
    assert (await watch_of(harness, BORIS)).user_id == BORIS


async def test_every_user_may_send_commands_to_an_open_bot(harnesses: ChatHarnesses):
    harness = await harnesses.make(everyone=True, allowed_ids=())
    (answer,) = await harness.receive(updates.private(EVE, "/help"))
    assert answer.startswith("I watch AI video tasks")


async def test_an_open_bot_reserves_admin_commands_for_admins(harnesses: ChatHarnesses):
    harness = await harnesses.make(everyone=True, admin_ids=())
    (answer,) = await harness.receive(updates.private(EVE, "/health"))
    assert answer.startswith("I don't know that command.")


async def test_the_language_setting_overrides_the_users_language(harnesses: ChatHarnesses):
    harness = await harnesses.make(language="zh")
    (answer,) = await harness.receive(updates.private(ANN, "/nonsense", language="en"))
    assert answer.startswith("我不认识这个命令")


async def test_users_without_a_language_get_the_chats(harness):
    await harness.service.remember_chat(Chat(id=CHANNEL, title="News", language="zh"))
    (answer,) = await harness.receive(updates.channel_post(CHANNEL, "/watch"), kind="channel_post")
    assert answer.startswith("请输入服务商和任务 ID")


async def test_cards_use_the_language_of_the_user_who_asked(harness):
    await harness.receive(updates.private(ANN, WATCH, language="zh-hant"))
    assert (await watch_of(harness, ANN)).language == "zh"


async def test_a_person_who_sends_too_much_to_a_group_is_told_once(harness):
    answers = [
        await harness.receive(updates.group(GROUP, EVE, "/help")) for _ in range(MESSAGES_PER_MINUTE + 2)
    ]
    assert [len(each) for each in answers] == [1] * (MESSAGES_PER_MINUTE + 1) + [0]
    assert answers[-2][0].startswith("You've sent me a lot of messages here")
    assert len(await harness.receive(updates.group(GROUP, ANN, "/help"))) == 1
    assert len(await harness.receive(updates.private(ANN, "/help"))) == 1


async def test_who_writes_in_a_group_as_a_channel_is_limited_like_a_person(harness):
    channel = {"id": CHANNEL, "type": "channel", "title": "News"}
    answers = [
        await harness.receive(updates.group(GROUP, EVE, "/help", sender_chat=channel))
        for _ in range(MESSAGES_PER_MINUTE + 2)
    ]
    assert [len(each) for each in answers] == [1] * (MESSAGES_PER_MINUTE + 1) + [0]


async def test_posts_and_anonymous_admins_have_no_limit_of_a_person(harness):
    for _ in range(MESSAGES_PER_MINUTE + 1):
        assert len(await harness.receive(updates.anonymous_admin(GROUP, "/help"))) == 1
        post = updates.channel_post(CHANNEL, "/help")
        assert len(await harness.receive(post, kind="channel_post")) == 1


async def test_an_admin_who_starts_gets_the_admins_menu(harness):
    await harness.receive(updates.private(ANN, "/start"))
    await harness.receive(updates.group(GROUP, BORIS, "/start"))
    assert harness.request.menus == []
    await harness.receive(updates.private(BORIS, "/start"))
    assert [each["scope"] for each in harness.request.menus] == [{"type": "chat", "chat_id": BORIS}] * 2


async def test_the_language_of_an_admin_is_known_to_what_answers_no_message(harness):
    await harness.receive(updates.private(BORIS, "/help", language="zh-hans"))

    assert await harness.service.language_of(BORIS) == "zh"
