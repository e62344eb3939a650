"""Chats, topics and messages that end or move before the video is there, through the real process."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bot.sandbox.faults import LOST_RESPONSE, held
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.api_errors import error_response
from bot.sandbox.telegram.chats import Message
from bot.sandbox.telegram.users import Users
from tests.e2e.scene import ADMIN, Scene, announces

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP, FETCHING_GROUP = -31, -32
SUPERGROUP, FETCHING_SUPERGROUP = -1001000000031, -1001000000032
FORUMS = (-1001000000033, -1001000000034)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("endings"), LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        yield scene


async def test_a_user_who_blocks_and_unblocks_the_bot_gets_the_video_once(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    await scene.watch(anna, task)
    scene.telegram.block(anna)
    await _suspended(scene)
    scene.finish(task)

    scene.telegram.unblock(anna)
    await _one_video(scene, anna, task)


async def test_a_chat_found_blocked_when_the_video_is_sent_gets_it_after_unblocking(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    await scene.watch(anna, task)
    scene.telegram.fail(
        "sendMessage",
        error_response(403, "Forbidden: bot was blocked by the user"),
        when=lambda request: announces(request, anna),
    )
    scene.finish(task)
    await scene.poll(anna, task)
    await _suspended(scene)

    scene.telegram.unblock(anna)
    await _one_video(scene, anna, task)


async def test_a_group_that_becomes_a_supergroup_gets_a_card_and_the_video_there(scene: Scene):
    group, task = scene.telegram.group(GROUP, supergroup=False), scene.task("alibailian")
    await scene.watch(group, task, user=scene.add_user())
    scene.finish(task)

    scene.telegram.migrate(group, SUPERGROUP)  # the migration makes the bot poll
    await _one_video(scene, SUPERGROUP, task)
    assert [card.plain_text.count("Done") for card in _texts(scene, SUPERGROUP)] == [1]


async def test_a_group_that_becomes_a_supergroup_during_the_download_gets_the_video_there(scene: Scene):
    group, task = scene.telegram.group(FETCHING_GROUP, supergroup=False), scene.task("alibailian")
    anna = scene.add_user()
    await scene.watch(group, task, user=anna)
    async with _fetching(scene, group, task, user=anna):
        scene.telegram.migrate(group, FETCHING_SUPERGROUP)

    await _one_video(scene, FETCHING_SUPERGROUP, task)
    assert scene.telegram.videos(group) == []


@pytest.mark.parametrize(
    ("forum_id", "ends"),
    [(FORUMS[0], Users.close_topic), (FORUMS[1], Users.delete_topic)],
    ids=["closed", "deleted"],
)
async def test_the_video_of_a_closed_topic_is_sent_to_the_chat(
    scene: Scene, forum_id: int, ends: Callable[[Users, int, int], None]
):
    forum = scene.telegram.forum(forum_id)
    topic, anna, task = scene.telegram.topic(forum, "Films"), scene.add_user(), scene.task("newapi")
    command_id = scene.telegram.send(forum, f"/watch newapi {task.task_id}", user=anna, thread=topic)
    await scene.first_reply(forum, command_id)

    ends(scene.telegram, forum, topic)
    scene.finish(task)
    await scene.command(forum, f"/status {task.task_id}", user=anna)
    video = await _one_video(scene, forum, task)
    assert video.thread_id is None


async def test_a_deleted_command_still_gets_its_video(scene: Scene):
    anna, task = scene.add_user(), scene.task("videos")
    command_id = await scene.watch(anna, task)
    scene.telegram.delete_message(anna, command_id)

    scene.finish(task)
    await scene.poll(anna, task)
    video = await _one_video(scene, anna, task)
    assert video.reply_to is None


async def test_an_announcement_deleted_during_the_download_costs_no_video(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    command_id = await scene.watch(anna, task)
    async with _fetching(scene, anna, task) as announcement:
        scene.telegram.delete_message(anna, announcement.message_id)

    video = await _one_video(scene, anna, task)
    assert video.reply_to == command_id
    assert _calls(scene, "sendVideo", anna) == 1


async def test_a_video_whose_response_was_lost_is_sent_again_only_on_request(tmp_path: Path):
    async with Scene.open(tmp_path) as scene:
        await scene.start_bot()
        anna, task = scene.add_user(), scene.task("jimeng")
        command_id = await scene.watch(anna, task)
        scene.telegram.fail("sendVideo", LOST_RESPONSE)
        async with _fetching(scene, anna, task) as announcement:
            scene.telegram.delete_message(anna, announcement.message_id)

        card = await scene.until_shown(anna, command_id, "may or may not have arrived")
        [button] = card.buttons
        assert "Send again" in button["text"]
        await scene.poll(anna, task)
        assert _calls(scene, "sendVideo", anna) == 1
        assert len(scene.telegram.videos(anna)) == 1

        scene.telegram.press(anna, card.message_id, button["callback_data"])
        await scene.wait_for(lambda: len(scene.telegram.videos(anna)) > 1)
        await scene.wait_for(lambda: not scene.replies(anna, command_id)[0].buttons)
        assert [video.video.file.content for video in scene.telegram.videos(anna) if video.video] == [
            task.served.content
        ] * 2
        assert _calls(scene, "sendVideo", anna) == 1


@contextlib.asynccontextmanager
async def _fetching(
    scene: Scene, chat_id: int, task: GatewayTask, *, user: int | None = None
) -> AsyncIterator[Message]:
    """Block the download before its first byte; yield the announcement of the video."""
    released = asyncio.Event()
    scene.gateway.fail(task.task_id, held(released), when=lambda request: request.route == "files")
    scene.finish(task)
    await scene.command(chat_id, f"/status {task.task_id}", user=user)
    await scene.gateway.wait_for(
        lambda: any(each.route == "files" and each.task_id == task.task_id for each in scene.gateway.requests)
    )
    [announcement] = [each for each in _texts(scene, chat_id) if "on its way" in each.plain_text]
    yield announcement
    released.set()


async def _suspended(scene: Scene) -> None:
    """Wait until /stats shows suspended watches."""
    async with asyncio.timeout(15):
        while not re.search(r"suspended [1-9]", (await scene.command(ADMIN, "/stats")).plain_text):
            pass


async def _one_video(scene: Scene, chat_id: int, task: GatewayTask) -> Message:
    """The task's video in a chat, and in the end no other of the task."""

    def videos() -> list[Message]:
        return [
            message
            for message in scene.telegram.videos(chat_id)
            if message.video and message.video.file.content == task.served.content
        ]

    await scene.wait_for(videos)
    await scene.until_all_is_sent()
    [video] = videos()
    return video


def _texts(scene: Scene, chat_id: int) -> list[Message]:
    return [each for each in scene.telegram.messages(chat_id) if each.from_bot and not each.video]


def _calls(scene: Scene, method: str, chat_id: int) -> int:
    return sum(
        request.method == method and request.params["chat_id"] == str(chat_id)
        for request in scene.telegram.requests
    )
