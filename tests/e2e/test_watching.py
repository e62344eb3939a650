"""From /watch to the video, through the real process."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from bot.sandbox.gateway.tasks import KINDS, GatewayTask
from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORUM, CHANNEL, GROUP = -1001000000001, -1001000000002, -1001000000003
REASON = "The size is not match 1280*720"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What came of a task."""

    task: GatewayTask
    card: Message
    answers: list[str]  # to /status, when it ran and when it was done
    video: Message
    messages: int  # that replied to the request


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("watching"), LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        yield scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def followed(scene: Scene) -> dict[str, Followed]:
    """A task of each kind, followed from /watch to its video, side by side."""
    return dict(zip(KINDS, await asyncio.gather(*(_follow(scene, kind) for kind in KINDS)), strict=True))


async def _follow(scene: Scene, kind: str) -> Followed:
    chat_id, task = scene.add_user(), scene.task(kind)
    command_id = await scene.watch(chat_id, task)
    await scene.until_shown(chat_id, command_id, "Queued")
    answers = []
    for word in ("Running", "Done"):
        scene.gateway.advance(task.task_id)
        answers.append((await scene.poll(chat_id, task)).plain_text)
        await scene.until_shown(chat_id, command_id, word)
    video = await scene.until_video(chat_id, command_id)
    card = await scene.until_shown(chat_id, command_id, "Done")
    messages = len(scene.replies(chat_id, command_id))
    return Followed(task=task, card=card, answers=answers, video=video, messages=messages)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_card_follows_a_task(followed: dict[str, Followed], kind: str):
    card = followed[kind].card
    shown = [message.plain_text for message in (*card.history, card)]
    assert all(kind in words and followed[kind].task.task_id in words for words in shown)
    found = [word for words in shown for word in ("Queued", "Running", "Done") if word in words]
    assert list(dict.fromkeys(found)) == ["Queued", "Running", "Done"]


@pytest.mark.parametrize("kind", KINDS)
async def test_status_polls_at_once(followed: dict[str, Followed], kind: str):
    running, done = followed[kind].answers
    assert "Running" in running
    assert "Done" in done


@pytest.mark.parametrize("kind", KINDS)
async def test_the_video_replies_to_the_request_and_plays_in_place(followed: dict[str, Followed], kind: str):
    assert followed[kind].messages == 2  # the card and the video
    video = followed[kind].video.video
    assert video
    assert video.file.content == followed[kind].task.served.content
    assert (video.width, video.height, video.duration_s) == (320, 180, 2)
    assert video.supports_streaming
    caption = followed[kind].video.plain_text
    assert kind in caption
    assert followed[kind].task.task_id in caption
    assert "UTC+8" in caption  # until when the gateway's link works, where Telegram can't show it itself
    assert "date_time" in {entity["type"] for entity in followed[kind].video.entities}


async def test_the_key_goes_to_the_gateway_and_not_to_the_storage_of_its_links(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    scene.finish(task)
    await scene.until_video(anna, await scene.watch(anna, task))

    carried = {
        request.route: request.headers.get("Authorization")
        for request in scene.gateway.requests
        if request.task_id == task.task_id
    }
    assert carried == {"status": f"Bearer {scene.gateway.key}", "files": None}


async def test_a_video_without_a_link_is_fetched_from_the_gateway_itself(scene: Scene):
    anna, task = scene.add_user(), scene.task("videos")
    task.has_link = False
    scene.finish(task)

    video = (await scene.until_video(anna, await scene.watch(anna, task))).video
    assert video
    assert video.file.content == task.served.content


async def test_a_failed_task_shows_its_reason(scene: Scene):
    anna, task = scene.add_user(), scene.task("alibailian", fails=REASON)
    command_id = await scene.watch(anna, task)
    scene.finish(task)
    await scene.poll(anna, task)

    await scene.until_shown(anna, command_id, "Failed")
    result = await scene.wait_for(lambda: scene.replies(anna, command_id)[1:])
    assert [REASON in message.plain_text for message in result] == [True]


async def test_a_task_that_ended_before_its_watch_gets_its_video_at_once(scene: Scene):
    replies = []
    for _ in range(3):  # a card comes beside it where the first poll takes two seconds, as on a busy machine
        anna, task = scene.add_user(), scene.task("newapi")
        scene.finish(task)
        command_id = await scene.watch(anna, task)
        await scene.until_video(anna, command_id)
        await scene.until_all_is_sent()
        replies.append(len(scene.replies(anna, command_id)))
        if replies[-1] == 1:
            break
    assert replies[-1] == 1


async def test_several_ids_in_one_message_get_a_card_each(scene: Scene):
    anna, first, second = scene.add_user(), scene.task("newapi"), scene.task("newapi")
    command_id = scene.telegram.send(anna, f"/watch newapi {first.task_id}, {second.task_id}")
    cards = await scene.wait_for(
        lambda: len(scene.replies(anna, command_id)) == 2 and scene.replies(anna, command_id)
    )
    assert cards
    assert {first.task_id in card.plain_text for card in cards} == {True, False}
    assert {second.task_id in card.plain_text for card in cards} == {True, False}


async def test_the_same_id_twice_gives_the_same_card(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    command_id = await scene.watch(anna, task)
    card = await scene.until_shown(anna, command_id, "Queued")
    await scene.until_all_is_sent()  # before its id is on disk, the answer could not point at it

    again = scene.telegram.send(anna, f"/watch seedance {task.task_id}")
    await scene.first_reply(anna, card.message_id)  # the answer points at the card
    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_video(anna, command_id)
    assert scene.replies(anna, again) == []


async def test_a_task_watched_in_two_chats_is_polled_once_and_sends_two_videos(scene: Scene):
    anna, ben, task = scene.add_user(), scene.add_user(), scene.task("videos")
    requests = {chat: await scene.watch(chat, task) for chat in (anna, ben)}
    for chat, command_id in requests.items():
        await scene.until_shown(chat, command_id, "sora-2")

    scene.finish(task)
    before = scene.gateway.polls(task.task_id)
    await scene.poll(anna, task)
    for chat, command_id in requests.items():
        await scene.until_video(chat, command_id)
    assert scene.gateway.polls(task.task_id) == before + 1


async def test_an_unwatched_task_sends_nothing_more(scene: Scene):
    anna, task = scene.add_user(), scene.task("newapi")
    command_id = await scene.watch(anna, task)
    assert task.task_id in (await scene.command(anna, "/unwatch")).plain_text
    await scene.until_shown(anna, command_id, "Stopped watching")

    assert "Nothing" in (await scene.command(anna, "/tasks")).plain_text
    scene.finish(task)
    assert "Stopped watching" in (await scene.poll(anna, task)).plain_text
    assert len(scene.replies(anna, command_id)) == 1


async def test_tasks_lists_the_watched_tasks(scene: Scene):
    anna, first, second = scene.add_user(), scene.task("newapi"), scene.task("jimeng")
    for task in (first, second):
        await scene.watch(anna, task)
    listed = (await scene.command(anna, "/tasks")).plain_text
    assert first.task_id in listed
    assert second.task_id in listed


async def test_a_channel_gets_card_and_video_as_replies_to_its_post(scene: Scene):
    channel, task = scene.telegram.channel(CHANNEL), scene.task("jimeng")
    command_id = await scene.watch(channel, task)
    scene.finish(task)
    await scene.poll(channel, task)
    await scene.until_video(channel, command_id)


async def test_card_and_video_stay_in_the_topic(scene: Scene):
    forum, task = scene.telegram.forum(FORUM), scene.task("alibailian")
    lin = scene.add_user(language_code="zh-hans")
    films, other = scene.telegram.topic(forum, "Films"), scene.telegram.topic(forum, "Other")
    command_id = scene.telegram.send(forum, f"/watch wan {task.task_id}", user=lin, thread=films)
    await scene.until_shown(forum, command_id, "排队中")

    elsewhere = scene.telegram.send(forum, f"/watch wan {task.task_id}", user=lin, thread=other)
    await scene.until_shown(forum, elsewhere, "排队中")  # a topic is a place of its own
    scene.finish(task)
    scene.telegram.send(forum, f"/status {task.task_id}", user=lin, thread=films)
    for request, thread in ((command_id, films), (elsewhere, other)):
        await scene.until_video(forum, request)
        assert {message.thread_id for message in scene.replies(forum, request)} == {thread}


async def test_a_group_command_may_name_the_bot(scene: Scene):
    group, task, lin = scene.telegram.group(GROUP), scene.task("newapi"), scene.add_user()
    command_id = scene.telegram.send(group, f"/watch@reelwatch_bot newapi {task.task_id}", user=lin)
    await scene.until_shown(group, command_id, task.task_id)
    scene.finish(task)
    scene.telegram.send(group, f"/status@reelwatch_bot {task.task_id}", user=lin)
    video = await scene.until_video(group, command_id)
    assert len(scene.telegram.videos(group)) == 1
    assert video.video
    assert video.video.file.content == task.served.content
