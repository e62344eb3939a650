"""Whatever people paste, in private chats and in groups, with the real process."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUPS = itertools.count(-1001000000021, -1)  # a group takes 20 calls a minute
KEY = "sk-Zk112233445566778899001122334455"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A bot with one gateway that speaks all four kinds."""
    async with Scene.open(tmp_path_factory.mktemp("pastes"), LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        yield scene


def created(task: GatewayTask, _: str) -> str:
    """The gateway's response to the request that made the task."""
    if task.kind == "alibailian":
        output = {"task_id": task.task_id, "task_status": "PENDING"}
        return json.dumps({"output": output, "request_id": "7574ee8f-38a3-4b1e-9280-11c33ab46e52"})
    if task.kind == "jimeng":
        return json.dumps({"code": "success", "message": "", "data": task.task_id})
    return json.dumps({"id": task.task_id, "status": "queued", "created_at": 1785000000})


def address(task: GatewayTask, url: str) -> str:
    paths = {
        "alibailian": "/alibailian/api/v1/tasks/",
        "newapi": "/v1/video/generations/",
        "jimeng": "/jimeng/fetch/",
        "videos": "/v1/videos/",
    }
    return f"{url}{paths[task.kind]}{task.task_id}"


def command(task: GatewayTask, url: str) -> str:
    return f'curl -X GET \\\n  --header "Authorization: Bearer $KEY" \\\n  "{address(task, url)}"'


def prose(task: GatewayTask, _: str) -> str:
    return f"麻烦看下这个视频好了没：{task.task_id}，谢谢🙏"


def table(task: GatewayTask, _: str) -> str:
    return f"| 镜头 | task_id | 状态 |\n|---|---|---|\n| 1 | {task.task_id} | 排队 |"


FORMS = [created, address, command, prose, table]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["alibailian", "newapi", "jimeng", "videos"])
async def test_a_paste_in_a_private_chat_gets_its_card(
    scene: Scene, kind: str, form: Callable[[GatewayTask, str], str]
):
    anna, task = scene.add_user(), scene.task(kind)
    message_id = scene.telegram.send(anna, form(task, scene.gateway.url))

    card = await scene.first_reply(anna, message_id)

    assert f"{kind} · {task.task_id}" in card.plain_text


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prefix", ["/watch ", "/watch@reelwatch_bot\n", "@reelwatch_bot "])
async def test_a_paste_in_a_group_gets_its_card(
    scene: Scene, prefix: str, form: Callable[[GatewayTask, str], str]
):
    group, anna, task = scene.telegram.group(next(GROUPS)), scene.add_user(), scene.task("jimeng")
    message_id = scene.telegram.send(group, prefix + form(task, scene.gateway.url), user=anna)

    assert task.task_id in (await scene.first_reply(group, message_id)).plain_text


@pytest.mark.parametrize("text", ["/watch", "@reelwatch_bot"])
async def test_the_video_answers_the_message_that_said_watch_and_not_the_paste(scene: Scene, text: str):
    group, anna, task = scene.telegram.group(next(GROUPS)), scene.add_user(), scene.task("alibailian")
    scene.finish(task)
    pasted = scene.telegram.send(group, created(task, ""), user=anna)
    said = scene.telegram.send(group, text, user=anna, reply_to=pasted)

    await scene.until_video(group, said)

    assert [each.message_id for each in scene.replies(group, pasted)] == [said]


async def test_each_provider_that_fits_is_asked_once_and_silently(scene: Scene):
    anna, task = scene.add_user(), scene.task("alibailian")
    message_id = scene.telegram.send(anna, task.task_id)

    card = await scene.first_reply(anna, message_id)

    assert "alibailian" in card.plain_text
    assert len(scene.replies(anna, message_id)) == 1
    await scene.poll(anna, task)
    assert polls(scene, "videos", task.task_id) == 1


async def test_an_id_that_nobody_knows_is_asked_for_with_one_question(scene: Scene):
    group, anna, other = scene.telegram.group(next(GROUPS)), scene.add_user(), scene.add_user()
    unknown = new_id("alibailian", time.time())
    message_id = scene.telegram.send(group, f"/watch {unknown}", user=anna)

    question = await scene.first_reply(group, message_id)

    assert question.plain_text == f"Which provider is this from? {unknown}"
    assert [button["text"] for button in question.buttons] == ["alibailian", "videos"]
    assert [polls(scene, kind, unknown) for kind in ("alibailian", "videos")] == [1, 1]
    data = question.buttons[1]["callback_data"]
    scene.telegram.press(group, question.message_id, data, user=other)
    scene.gateway.add("videos", unknown, seconds=None)
    scene.telegram.press(group, question.message_id, data, user=anna)
    await scene.wait_for(lambda: len(scene.replies(group, message_id)) > 1)
    card = scene.replies(group, message_id)[1]
    assert f"videos · {unknown}" in card.plain_text
    await scene.wait_for(lambda: not current(scene, group, question).buttons)
    assert current(scene, group, question).plain_text == f"{unknown} is from videos."


async def test_five_ids_that_several_may_know_get_one_card(scene: Scene):
    anna = scene.add_user()
    tasks = [*(scene.task("alibailian") for _ in range(4)), scene.task("jimeng")]
    message_id = scene.telegram.send(anna, "\n".join(task.task_id for task in tasks))

    card = await scene.first_reply(anna, message_id)

    assert "0 of 5 done" in card.plain_text
    assert len(scene.replies(anna, message_id)) == 1


async def test_a_key_is_neither_repeated_nor_stored_nor_logged(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    text = f"curl {address(task, scene.gateway.url)} -H 'Authorization: Bearer {KEY}'"
    message_id = scene.telegram.send(anna, text)

    await scene.wait_for(lambda: len(scene.replies(anna, message_id)) == 2)

    said = "\n".join(each.plain_text for each in scene.replies(anna, message_id))
    assert "change the key" in said
    assert task.task_id in said
    stored = await scene.database.content()
    printed = "".join(program.output + program.log for program in scene.programs)
    assert KEY[3:] not in said + printed
    assert KEY[3:].encode() not in stored


def polls(scene: Scene, kind: str, task_id: str) -> int:
    return sum(
        each.route == "status" and (each.kind, each.task_id) == (kind, task_id)
        for each in scene.gateway.requests
    )


def current(scene: Scene, chat_id: int, message: Message) -> Message:
    """The message as it is now."""
    return next(each for each in scene.telegram.messages(chat_id) if each.message_id == message.message_id)
