"""/settings and /history with the real process, as users see them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BOB, WANG = 2001, 2002, 2003
GROUP, CHANNEL = -1001000000021, -1001000000022


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A bot for everyone; Anna is an admin of the group."""
    async with Scene.open(tmp_path_factory.mktemp("settings")) as scene:
        for person, name in ((ANNA, "Anna"), (BOB, "Bob")):
            scene.telegram.private_chat(person, first_name=name)
        scene.telegram.private_chat(WANG, first_name="<b>王</b>", language_code="zh-hans")
        scene.telegram.group(GROUP)
        scene.telegram.promote(GROUP, ANNA)
        scene.telegram.channel(CHANNEL)
        await scene.start_bot()
        yield scene


def current(scene: Scene, message: Message) -> Message:
    """The message as it is now."""
    return next(
        each for each in scene.telegram.messages(message.chat_id) if each.message_id == message.message_id
    )


def press(scene: Scene, message: Message, label: str, *, user: int | None = None) -> None:
    """Press the button with this label, apart from its icon."""
    [data] = [
        button["callback_data"]
        for button in current(scene, message).buttons
        if label in {button["text"], button["text"].partition(" ")[2]}
    ]
    scene.telegram.press(message.chat_id, message.message_id, data, user=user)


async def choose(scene: Scene, chat: int, label: str, *, user: int | None = None) -> None:
    """Send /settings, press this button, and wait until it is marked as chosen."""
    message = await scene.command(chat, "/settings", user=user)
    press(scene, message, label, user=user)
    await scene.wait_for(lambda: f"✓ {label}" in [each["text"] for each in current(scene, message).buttons])


async def result(scene: Scene, chat: int) -> Message:
    """Watch a task that has succeeded, and return the message with its file."""
    task = scene.task("newapi")
    scene.finish(task)
    command_id = scene.telegram.send(chat, f"/watch newapi {task.task_id}")
    [found] = await scene.wait_for(
        lambda: [each for each in scene.replies(chat, command_id) if each.attachment]
    )
    return found


async def watch_to_the_end(scene: Scene, chat: int, ids: list[str]) -> None:
    """Watch tasks that have failed, and wait until that was said of each."""
    command_id = scene.telegram.send(chat, f"/watch newapi {' '.join(ids)}")

    def are_all_told() -> bool:
        told = " ".join(each.plain_text for each in scene.replies(chat, command_id))
        return all(external_id in told for external_id in ids)

    await scene.wait_for(are_all_told)


def sounds(scene: Scene, chat: int, since: int) -> list[bool]:
    """Of the messages that the bot has sent there since then: whether they make a sound."""
    return [
        "disable_notification" not in request.params
        for request in scene.telegram.requests[since:]
        if request.method in {"sendMessage", "sendVideo", "sendDocument"}
        and request.params["chat_id"] == str(chat)
    ]


async def test_by_default_only_results_make_a_sound(scene: Scene):
    person, since = scene.add_user(), len(scene.telegram.requests)
    task = scene.task("newapi")
    command_id = await scene.watch(person, task)
    scene.finish(task)
    await scene.poll(person, task)
    await scene.until_video(person, command_id)

    assert sorted(sounds(scene, person, since)) == [False, False, True]  # card, answer to /status, result


@pytest.mark.parametrize(("choice", "sound"), [("Every message", True), ("Nothing", False)])
async def test_a_chat_chooses_what_makes_a_sound(scene: Scene, choice: str, sound: bool):
    person = scene.add_user()
    await choose(scene, person, choice)
    since = len(scene.telegram.requests)
    await result(scene, person)
    await scene.command(person, "/tasks")

    assert sounds(scene, person, since) == [sound, sound]


async def test_a_chat_chooses_files(scene: Scene):
    person = scene.add_user()
    await choose(scene, person, "File")

    assert (await result(scene, person)).document


async def test_a_chat_chooses_both(scene: Scene):
    person = scene.add_user()
    await choose(scene, person, "Video and file")

    video = await result(scene, person)
    [document] = await scene.wait_for(
        lambda: [each for each in scene.replies(person, video.message_id) if each.document]
    )
    await scene.until_all_is_sent()
    assert video.video
    assert [each for each in scene.telegram.messages(person) if each.attachment] == [video, document]


async def test_the_language_of_the_chat_is_that_of_the_cards_that_it_has(scene: Scene):
    task = scene.task("newapi")
    command_id = await scene.watch(GROUP, task, user=BOB)
    await choose(scene, GROUP, "中文", user=ANNA)

    scene.gateway.advance(task.task_id)
    status = await scene.command(GROUP, f"/status {task.task_id}", user=BOB)
    await scene.until_shown(GROUP, command_id, "生成中")
    assert "生成中" in status.plain_text
    await choose(scene, GROUP, "English", user=ANNA)
    scene.finish(task)


async def test_only_the_admins_of_a_group_and_those_of_the_bot_change_its_settings(scene: Scene):
    refusal = await scene.command(GROUP, "/settings", user=BOB)
    assert "Only this chat's admins" in refusal.plain_text
    assert refusal.buttons == []

    before = len(scene.telegram.requests)
    message = await scene.command(GROUP, "/settings", user=ANNA)
    press(scene, message, "Nothing", user=BOB)
    [answer] = await scene.wait_for(
        lambda: [each for each in scene.telegram.requests[before:] if each.method == "answerCallbackQuery"]
    )
    assert "Only this chat's admins" in answer.params["text"]
    assert current(scene, message).buttons == message.buttons

    assert (await scene.command(CHANNEL, "/settings")).buttons


async def test_history_lists_what_ended_in_pages_and_by_how_it_ended(scene: Scene):
    for _ in range(2):
        tasks = [scene.task("newapi", fails="no") for _ in range(3)]
        for task in tasks:
            scene.finish(task)
        await watch_to_the_end(scene, WANG, [task.task_id for task in tasks])
    await result(scene, WANG)
    await scene.until_all_is_sent()

    message = await scene.command(WANG, "/history")
    assert message.plain_text.splitlines()[2].startswith("已完成")
    assert "<b>王</b>" in message.plain_text
    assert message.plain_text.count("失败") == 4
    assert "date_time" in {entity["type"] for entity in message.entities}

    press(scene, message, "▶")
    await scene.wait_for(lambda: "第 2 页" in current(scene, message).plain_text)
    assert current(scene, message).plain_text.count("失败") == 2

    press(scene, message, "已完成")
    await scene.wait_for(lambda: "失败" not in current(scene, message).plain_text)
    assert tasks[0].task_id not in current(scene, message).plain_text


async def test_a_video_of_the_history_is_sent_again_from_telegrams_copy_once_for_a_double_press(scene: Scene):
    person = scene.add_user()
    first = await result(scene, person)
    await scene.until_all_is_sent()
    downloads = sum(task.served.downloads for task in scene.gateway.tasks.values())
    message = await scene.command(person, "/history")

    press(scene, message, "Send again · 1")
    await scene.wait_for(lambda: len(scene.telegram.videos(person)) == 2)
    await scene.until_all_is_sent()
    press(scene, message, "Send again · 1")
    await scene.command(person, "/tasks")  # after the press
    await scene.until_all_is_sent()

    assert [each.attachment for each in scene.telegram.videos(person)] == [first.attachment] * 2
    assert sum(task.served.downloads for task in scene.gateway.tasks.values()) == downloads
