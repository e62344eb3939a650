import pytest

from bot.chat.router import menus
from bot.messages.translate import say
from storage.models import Chat
from tests.fakes import updates
from tests.unit.chat.world import ANN, BORIS, CHANNEL, EVE, FOREIGN_GROUP, GROUP, World, Worlds

WATCH = "/watch wan id-1"


async def watch_of(world: World, chat_id: int):
    (found,) = await world.service.active(chat_id)
    return found.watch


async def is_idle(world: World, chat_id: int) -> bool:
    return await world.service.active(chat_id) == []


async def test_a_private_chat_is_served(world):
    await world.tell(updates.private(ANN, WATCH))
    assert (await watch_of(world, ANN)).user_id == ANN


@pytest.mark.parametrize("text", [WATCH, "/watch@reelwatch_bot wan id-1", "/WATCH@Reelwatch_Bot wan id-1"])
async def test_a_group_is_served(world, text):
    await world.tell(updates.group(GROUP, EVE, text))
    watch = await watch_of(world, GROUP)
    assert (watch.user_id, watch.thread_id) == (EVE, None)


async def test_a_command_for_another_bot_is_left_alone(world):
    assert await world.tell(updates.group(GROUP, ANN, "/watch@other_bot wan id-1")) == []
    assert await world.tell(updates.group(FOREIGN_GROUP, EVE, "/watch@other_bot wan id-1")) == []
    assert await is_idle(world, GROUP)


@pytest.mark.parametrize("kind", ["edited_message", "edited_channel_post"])
async def test_an_edit_does_not_ask_again(world, kind):
    message = (
        updates.private(ANN, WATCH) if kind == "edited_message" else updates.channel_post(CHANNEL, WATCH)
    )
    assert await world.tell(message | {"edit_date": 2}, kind=kind) == []
    assert await is_idle(world, message["chat"]["id"])


async def test_a_channel_is_served_though_nobody_is_the_author(world):
    await world.tell(updates.channel_post(CHANNEL, WATCH), kind="channel_post")
    assert (await watch_of(world, CHANNEL)).user_id is None
    assert await world.tell(updates.channel_post(CHANNEL, "/unwatch"), kind="channel_post") == [
        "No longer watching id-1."
    ]


async def test_a_channels_post_does_not_count_again_in_its_group(world):
    assert await world.tell(updates.automatic_forward(GROUP, CHANNEL, WATCH)) == []
    assert await is_idle(world, GROUP)


async def test_a_topic_gets_its_answers_in_the_topic(world):
    await world.tell(updates.topic(GROUP, ANN, 11, WATCH))
    assert (await watch_of(world, GROUP)).thread_id == 11
    await world.tell(updates.topic(GROUP, ANN, 11, "/tasks"))
    assert world.last["message_thread_id"] == 11


async def test_a_chain_of_replies_is_no_topic(world):
    await world.tell(updates.group(GROUP, ANN, WATCH, message_thread_id=11))
    assert (await watch_of(world, GROUP)).thread_id is None
    await world.tell(updates.group(GROUP, ANN, "/tasks", message_thread_id=11))
    assert "message_thread_id" not in world.last


async def test_an_anonymous_admin_is_served_as_nobody_in_particular(world):
    await world.tell(updates.anonymous_admin(GROUP, WATCH))
    assert (await watch_of(world, GROUP)).user_id is None


async def test_nobody_becomes_an_admin_by_writing_as_a_group(worlds: Worlds):
    world = await worlds.make(admin_ids=frozenset({1087968824}))
    assert await world.tell(updates.anonymous_admin(GROUP, "/health")) == []


async def test_a_command_in_a_caption_is_left_alone(world):
    assert await world.tell(updates.captioned(ANN, WATCH)) == []
    assert await is_idle(world, ANN)


@pytest.mark.parametrize("text", ["hello", "/nonsense"])
async def test_a_group_hears_nothing_of_what_is_not_meant_for_the_bot(world, text):
    assert await world.tell(updates.group(GROUP, ANN, text)) == []
    assert await world.tell(updates.group(FOREIGN_GROUP, EVE, text)) == []


@pytest.mark.parametrize("text", [WATCH, "/help", "/health", "/nonsense", "hello"])
async def test_a_stranger_is_told_the_id_that_lets_in(world, text):
    (answer,) = await world.tell(updates.private(EVE, text))
    assert answer.startswith("This bot is private.")
    assert "whoever runs it adds your id 66 to ALLOWED_CHATS and restarts it" in answer
    assert await is_idle(world, EVE)


async def test_a_strange_group_is_told_its_own_id(world):
    (answer,) = await world.tell(updates.group(FOREIGN_GROUP, EVE, WATCH))
    assert "adds the id -1002 to ALLOWED_CHATS" in answer
    assert await is_idle(world, FOREIGN_GROUP)


async def test_a_stranger_is_answered_in_chinese_as_well(world):
    (answer,) = await world.tell(updates.private(EVE, WATCH, language="zh-hans"))
    assert (
        answer
        == "这是一个私人机器人。要使用它，请机器人的部署者把你的 ID 66 加入 ALLOWED_CHATS，并重新启动机器人。"
    )


async def test_people_who_are_let_in_may_ask_anywhere(world):
    await world.tell(updates.group(FOREIGN_GROUP, ANN, WATCH))
    assert (await watch_of(world, FOREIGN_GROUP)).user_id == ANN


async def test_admins_may_ask_anywhere(world):
    await world.tell(updates.private(BORIS, WATCH))
    assert (await watch_of(world, BORIS)).user_id == BORIS


async def test_everyone_may_ask_where_the_bot_is_open(worlds: Worlds):
    world = await worlds.make(allows_everyone=True, allowed_ids=frozenset())
    (answer,) = await world.tell(updates.private(EVE, "/help"))
    assert answer.startswith("I watch AI video tasks")


async def test_an_open_bot_keeps_its_admins_commands_to_admins(worlds: Worlds):
    world = await worlds.make(allows_everyone=True, admin_ids=frozenset())
    (answer,) = await world.tell(updates.private(EVE, "/health"))
    assert answer.startswith("I do not know that command.")


async def test_the_setting_of_the_language_wins_over_the_persons(worlds: Worlds):
    world = await worlds.make(language="zh")
    (answer,) = await world.tell(updates.private(ANN, "/nonsense", language="en"))
    assert answer.startswith("我不认识这个命令")


async def test_who_has_no_language_is_answered_in_the_chats(world):
    await world.service.remember_chat(Chat(id=CHANNEL, title="News", language="zh"))
    (answer,) = await world.tell(updates.channel_post(CHANNEL, "/watch"), kind="channel_post")
    assert answer.startswith("请输入服务商和任务 ID")


async def test_cards_will_speak_the_language_of_the_one_who_asked(world):
    await world.tell(updates.private(ANN, WATCH, language="zh-hant"))
    assert (await watch_of(world, ANN)).language == "zh"


def test_the_menus_describe_every_command_but_those_of_admins():
    for menu in menus("auto").values():
        shown = ["watch", "tasks", "status", "unwatch", "providers", "help", "start"]
        assert [command.command for command in menu] == shown
        assert len({command.description for command in menu}) == len(shown)


@pytest.mark.parametrize(
    ("setting", "english", "chinese"), [("auto", "en", "zh"), ("en", "en", "en"), ("zh", "zh", "zh")]
)
def test_menus_are_in_the_language_of_the_setting_else_of_the_client(setting, english, chinese):
    found = menus(setting)
    assert list(found) == [None, "zh"]
    assert found[None][0].description == say(english, "menu.watch")
    assert found["zh"][0].description == say(chinese, "menu.watch")
