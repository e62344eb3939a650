"""Each way to be let in, with the real process: by an admin's tap, or by the one-time code."""

import json
import re

import pytest

from bot.sandbox.telegram.chats import Message
from tests.e2e.program import Program
from tests.e2e.scene import ADMIN, Scene

GROUP, CHANNEL = -1001000000041, -1001000000042
CODE = re.compile(r"/start (\S+)")


async def question_about(scene: Scene, chat_id: int, *, number: int = 1) -> Message:
    """The admin's newest message that asks about a chat, after so many."""

    def asked() -> list[Message]:
        found = [
            each
            for each in scene.telegram.messages(ADMIN)
            if each.from_bot and str(chat_id) in each.plain_text and len(each.buttons) == 2
        ]
        return found[number - 1 :]

    [*_, question] = await scene.wait_for(asked)
    return question


async def tap(scene: Scene, question: Message, label: str) -> None:
    """Press a button of the admin, and wait for the bubble."""
    [data] = [each["callback_data"] for each in question.buttons if label in each["text"]]
    query = scene.telegram.press(ADMIN, question.message_id, data)
    await scene.wait_for(lambda: scene.telegram.state.queries[query])


async def said(scene: Scene, chat_id: int, words: str) -> Message:
    """A message of the bot in a chat with these words."""
    [*_, found] = await scene.wait_for(
        lambda: [
            each for each in scene.telegram.messages(chat_id) if each.from_bot and words in each.plain_text
        ]
    )
    return found


def from_bot(scene: Scene, chat_id: int) -> list[Message]:
    return [each for each in scene.telegram.messages(chat_id) if each.from_bot]


async def settled(scene: Scene) -> None:
    """Wait until all updates so far are handled and nothing is pending."""
    await scene.until_all_is_sent()


async def test_a_stranger_adds_the_bot_to_a_group_and_gets_the_video_with_few_messages(scene: Scene):
    await scene.start_bot(ALLOWED_CHATS="")
    eve, group = scene.add_user(), scene.telegram.group(GROUP)
    scene.telegram.add_bot(group, user=eve)
    await said(scene, group, "asked its admin")

    await tap(scene, await question_about(scene, group), "Allow")
    hint = await said(scene, group, "You can use me here now.")
    assert "/watch alibailian 86ecf553" in hint.plain_text
    task = scene.task("newapi")
    command_id = await scene.watch(group, task, user=eve)
    scene.finish(task)
    scene.telegram.send(group, f"/status {task.task_id}", user=eve)
    await scene.until_video(group, command_id)

    people = [each for each in scene.telegram.messages(group) if not each.from_bot]
    assert len(people) <= 5


async def test_a_person_is_let_in_by_a_tap_also_after_a_restart(scene: Scene):
    bot = await scene.start_bot(ALLOWED_CHATS="")
    eve = scene.add_user()
    answer = await scene.command(eve, "/start")
    assert "asked its admin" in answer.plain_text
    question = await question_about(scene, eve)
    assert await bot.stop() == 0

    bot = await scene.start_bot(ALLOWED_CHATS="")
    await tap(scene, question, "Allow")
    await said(scene, eve, "You can use me here now.")
    edited = await said(scene, ADMIN, "Allowed by")
    assert edited.message_id == question.message_id
    assert edited.buttons == []
    await scene.watch(eve, scene.task("newapi"))

    assert await bot.stop() == 0
    await scene.start_bot(ALLOWED_CHATS="")
    await scene.watch(eve, scene.task("newapi"))


async def test_a_channel_is_let_in_by_a_tap(scene: Scene):
    await scene.start_bot(ALLOWED_CHATS="")
    eve, channel = scene.add_user(), scene.telegram.channel(CHANNEL)
    scene.telegram.add_bot(channel, user=eve)
    question = await question_about(scene, channel)
    assert from_bot(scene, channel) == []

    await tap(scene, question, "Allow")
    await said(scene, channel, "You can use me here now.")
    await scene.watch(channel, scene.task("newapi"))


async def test_a_refused_chat_stays_quiet_over_a_restart_until_chats_undoes_it(scene: Scene):
    bot = await scene.start_bot(ALLOWED_CHATS="")
    eve = scene.add_user()
    await scene.command(eve, "/start")
    await tap(scene, await question_about(scene, eve), "Refuse")
    await said(scene, ADMIN, "Refused by")
    await settled(scene)
    before = len(from_bot(scene, eve))
    assert await bot.stop() == 0

    await scene.start_bot(ALLOWED_CHATS="")
    for text in ("/start", "/watch newapi 1", "hello"):
        scene.telegram.send(eve, text)
    page = await scene.command(ADMIN, "/chats")
    assert "refused" in page.plain_text
    assert len(from_bot(scene, eve)) == before

    await tap(scene, page, "Allow")
    await said(scene, eve, "You can use me here now.")
    await scene.watch(eve, scene.task("newapi"))


async def test_removing_a_chat_stops_its_watches(scene: Scene):
    await scene.start_bot(ALLOWED_CHATS="")
    eve = scene.add_user()
    await scene.command(eve, "/start")
    await tap(scene, await question_about(scene, eve), "Allow")
    await said(scene, eve, "You can use me here now.")
    task = scene.task("newapi")
    await scene.watch(eve, task)

    page = await scene.command(ADMIN, "/chats")
    await tap(scene, page, "Remove")
    await said(scene, ADMIN, "Nobody has been let in")
    scene.finish(task)
    await settled(scene)
    assert scene.telegram.videos(eve) == []
    assert "private" in (await scene.command(eve, "/watch newapi 1")).plain_text


async def test_strangers_ask_at_most_once_an_hour_and_each_admin_hears_it_once(scene: Scene):
    other = scene.add_user()
    await scene.start_bot(ALLOWED_CHATS="", ADMINS=f"{ADMIN},{other}")
    eve = scene.add_user()
    await scene.command(eve, "/start")
    await question_about(scene, eve)
    await said(scene, other, str(eve))
    scene.telegram.send(eve, "/start")
    await settled(scene)
    assert [str(eve) in each.plain_text for each in from_bot(scene, other)] == [True]

    await tap(scene, await question_about(scene, eve), "Refuse")
    [question] = from_bot(scene, other)
    allow = question.buttons[0]["callback_data"]
    query = scene.telegram.press(other, question.message_id, allow)
    await scene.wait_for(lambda: scene.telegram.state.queries[query])
    await said(scene, other, "Refused by Anna")


async def test_an_admin_who_unblocks_the_bot_later_gets_the_questions_and_the_menu(scene: Scene):
    late = scene.add_user()
    scene.telegram.block(late)
    bot = await scene.start_bot(ALLOWED_CHATS="", ADMINS=f"{ADMIN},{late}")
    eve = scene.add_user()
    await scene.command(eve, "/start")
    await question_about(scene, eve)
    await scene.wait_for(lambda: f"Chat {late} is gone" in bot.log)

    scene.telegram.unblock(late)
    scene.telegram.send(late, "/start")
    await said(scene, late, "Let this chat use the bot?")
    await scene.wait_for(
        lambda: [
            scope
            for scope, language in scene.telegram.state.commands
            if str(late) in scope and language == "zh"
        ]
    )


async def test_an_allowed_group_is_greeted_each_time_and_a_channel_is_not(scene: Scene):
    eve, group, channel = scene.add_user(), scene.telegram.group(GROUP), scene.telegram.channel(CHANNEL)
    await scene.start_bot(ALLOWED_CHATS=f"{group},{channel}")
    scene.telegram.add_bot(channel, user=eve)
    scene.telegram.add_bot(group, user=eve)
    greeting = await said(scene, group, "I watch AI video tasks")
    assert "/watch alibailian 86ecf553" in greeting.plain_text
    await settled(scene)
    assert len(from_bot(scene, group)) == 1
    assert from_bot(scene, channel) == []


async def code_of(scene: Scene, bot: Program) -> str:
    [code, *_] = await scene.wait_for(lambda: CODE.findall(bot.log))
    return str(code)


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_the_code_in_the_log_makes_one_person_the_first_admin(scene: Scene, log_format: str):
    unset = {"ALLOWED_CHATS": "", "ADMINS": "", "LOG_FORMAT": log_format, "LOG_LEVEL": "DEBUG"}
    bot = await scene.start_bot(**unset)
    code = re.sub(r'["}].*', "", await code_of(scene, bot))
    assert len(code) >= 11  # characters of 64 bits or more
    eve, mallory = scene.add_user(), scene.add_user()
    assert "Nobody may use this bot yet" in (await scene.command(eve, "/start")).plain_text
    for guess in ("x", code[:-1], code.upper(), "1" * 24):
        scene.telegram.send(mallory, f"/start {guess}")
    answer = await scene.command(eve, f"/start {code}")
    assert "admin now" in answer.plain_text
    scene.telegram.send(mallory, f"/start {code}")
    assert "Deliveries" in (await scene.command(eve, "/stats")).plain_text
    assert bot.log.count(code) == 1
    assert await bot.stop() == 0

    bot = await scene.start_bot(**unset)
    await scene.watch(eve, scene.task("newapi"))
    assert CODE.search(bot.log) is None
    assert len(from_bot(scene, mallory)) == 1  # that the bot is private


@pytest.mark.parametrize("setting", ["ALLOWED_CHATS", "ADMINS"])
async def test_with_somebody_in_the_settings_there_is_no_code(scene: Scene, setting: str):
    eve = scene.add_user()
    bot = await scene.start_bot(**({"ALLOWED_CHATS": "", "ADMINS": ""} | {setting: str(eve)}))
    await scene.watch(eve, scene.task("newapi"))
    assert CODE.search(bot.log) is None


async def test_menus_differ_by_kind_of_chat(scene: Scene):
    await scene.start_bot()
    scopes = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators", "chat")
    menus = scene.telegram.state.commands
    await scene.wait_for(lambda: len(menus) == 2 * len(scopes))
    assert {json.loads(scope)["type"] for scope, _ in menus} == set(scopes)
    [admin] = [menu for (scope, language), menu in menus.items() if str(ADMIN) in scope and language == ""]
    assert {"health", "stats", "chats"} <= {each["command"] for each in admin}
    for (scope, _), menu in menus.items():
        if str(ADMIN) not in scope:
            assert not {"health", "stats", "chats"} & {each["command"] for each in menu}
