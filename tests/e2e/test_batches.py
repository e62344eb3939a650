"""Batches through the real process, as people see them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP = -1001000000021
REASON = "The size is not match 1280*720"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("batches"), LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        yield scene


async def watch(scene: Scene, chat_id: int, tasks: list[GatewayTask], *, user: int | None = None) -> int:
    """Name the tasks in one message; returns its id when the card is there."""
    text = f"/watch {tasks[0].kind} {' '.join(task.task_id for task in tasks)}"
    command_id = scene.telegram.send(chat_id, text, user=user)
    await scene.until_shown(chat_id, command_id, f" of {len(tasks)} done")
    return command_id


def results(scene: Scene, chat_id: int, command_id: int) -> list[Message]:
    return [each for each in scene.replies(chat_id, command_id) if " done" not in each.plain_text]


async def end(scene: Scene, chat_id: int, command_id: int, task: GatewayTask) -> None:
    """End a task, and wait for its result."""
    before = len(results(scene, chat_id, command_id))
    scene.finish(task)
    await scene.poll(chat_id, task)
    await scene.wait_for(lambda: len(results(scene, chat_id, command_id)) > before)


async def test_one_card_shows_all_tasks_and_ends_as_the_summary(scene: Scene):
    anna = scene.add_user()
    tasks = [scene.task("newapi") for _ in range(3)] + [scene.task("newapi", fails=REASON)]
    command_id = await watch(scene, anna, tasks)
    shown = await scene.until_shown(anna, command_id, "0 of 4 done")
    assert all(task.task_id in shown.plain_text for task in tasks)

    order = [tasks[2], tasks[3], tasks[0], tasks[1]]
    for task in order:
        await end(scene, anna, command_id, task)

    summary = await scene.until_shown(anna, command_id, "3 of 4 done", "Failed 1", "took")
    assert tasks[3].task_id in summary.plain_text
    assert tasks[0].task_id not in summary.plain_text
    came = results(scene, anna, command_id)
    assert [[task.task_id in each.plain_text for task in order].index(True) for each in came] == [0, 1, 2, 3]
    assert [each.video is not None for each in came] == [True, False, True, True]
    assert len(scene.replies(anna, command_id)) == 5  # the card and the results


async def test_stopping_one_of_them_shows_on_the_card(scene: Scene):
    anna, tasks = scene.add_user(), [scene.task("jimeng") for _ in range(4)]
    command_id = await watch(scene, anna, tasks)

    await scene.command(anna, f"/unwatch {tasks[1].task_id}")

    await scene.until_shown(anna, command_id, "Stopped watching")
    assert len(scene.replies(anna, command_id)) == 1


async def press(scene: Scene, card: Message, action: str) -> str:
    """The bubble that answers a press of the card's button."""
    [data] = [each["callback_data"] for each in card.buttons if action in each["text"]]
    query_id = scene.telegram.press(card.chat_id, card.message_id, data)
    [answer] = await scene.wait_for(
        lambda: [
            each
            for each in scene.telegram.requests
            if each.method == "answerCallbackQuery" and each.params["callback_query_id"] == query_id
        ]
    )
    return str(answer.params["text"])


async def test_the_rest_of_a_batch_is_stopped_by_a_button(scene: Scene):
    anna, tasks = scene.add_user(), [scene.task("alibailian") for _ in range(4)]
    command_id = await watch(scene, anna, tasks)
    await end(scene, anna, command_id, tasks[0])
    card = await scene.until_shown(anna, command_id, " done")

    assert await press(scene, card, "Stop all") == "Stopped watching 3 tasks."

    summary = await scene.until_shown(anna, command_id, "1 of 4 done", "Stopped watching 3")
    assert summary.buttons == []
    assert len(results(scene, anna, command_id)) == 1


async def test_tasks_that_ended_before_get_one_card_beside_their_videos(scene: Scene):
    anna, tasks = scene.add_user(), [scene.task("videos") for _ in range(5)]
    for task in tasks:
        scene.finish(task)
    command_id = await watch(scene, anna, tasks)

    await scene.until_shown(anna, command_id, "5 of 5 done")
    await scene.wait_for(lambda: len([m for m in results(scene, anna, command_id) if m.video]) == 5)
    await scene.until_all_is_sent()
    assert len(scene.replies(anna, command_id)) == 6


async def test_a_batch_leaves_a_group_its_calls(scene: Scene):
    lin, group = scene.add_user(), scene.telegram.group(GROUP)
    tasks = [scene.task("alibailian") for _ in range(6)]
    before = len(scene.telegram.requests)
    command_id = await watch(scene, group, tasks, user=lin)
    for task in tasks:
        scene.finish(task)
    scene.telegram.send(group, f"/status {' '.join(task.task_id for task in tasks)}", user=lin)

    await scene.until_shown(group, command_id, "6 of 6 done")
    await scene.wait_for(lambda: len([m for m in results(scene, group, command_id) if m.video]) == 6)
    await scene.until_all_is_sent()
    calls = [each for each in scene.telegram.requests[before:] if each.params.get("chat_id") == str(group)]
    assert len(calls) <= 2 * len(tasks) + 4  # the card, its edits, the reply to /status
