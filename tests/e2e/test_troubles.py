"""What goes wrong at the gateway ends no task, through the real process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.faults import DROPPED, Fault, html_response, json_response
from bot.sandbox.telegram.api_errors import flood
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("troubles"), LOG_FORMAT="json") as scene:
        await scene.start_bot()
        yield scene


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("alibailian", json_response(409, {"code": "Conflict", "message": "try again"})),
        ("newapi", json_response(429, {"error": {"message": "saturated"}}, {"Retry-After": "1"})),
        ("jimeng", json_response(500, {"error": {"message": "database is locked"}})),
        ("videos", html_response(502)),
        ("alibailian", html_response(200)),
        ("newapi", Fault(status=200)),
        ("jimeng", DROPPED),
    ],
    ids=["409", "429", "500", "html-502", "html-200", "empty-200", "no-answer"],
)
async def test_a_false_response_of_the_gateway_does_not_end_a_task(scene: Scene, kind: str, fault: Fault):
    anna, task = scene.add_user(), scene.task(kind)
    command_id = await scene.watch(anna, task)
    await scene.gateway.wait_for(lambda: scene.gateway.polls(task.task_id))

    scene.gateway.fail(task.task_id, fault, times=None)
    assert "⚠️" in (await scene.poll(anna, task)).plain_text
    scene.gateway.clear_faults()
    scene.finish(task)
    assert "⚠️" not in (await scene.poll(anna, task)).plain_text
    await scene.until_video(anna, command_id)
    assert len(scene.replies(anna, command_id)) == 2


async def test_a_refused_key_is_reported_once_and_polling_resumes_when_it_works_again(scene: Scene):
    anna, first, second = scene.add_user(), scene.task("newapi"), scene.task("newapi")
    quoting = {"error": {"message": f"Invalid token: {scene.gateway.key}", "type": "new_api_error"}}
    scene.gateway.fail("newapi", json_response(401, quoting), times=None)
    requests = {task.task_id: await scene.watch(anna, task) for task in (first, second)}
    for task in (first, second):
        await scene.until_shown(anna, requests[task.task_id], "key")
        await scene.poll(anna, task)
    await scene.wait_for(lambda: _notices(scene, anna))
    await scene.until_all_is_sent()
    assert len(_notices(scene, anna)) == 1
    assert scene.gateway.key not in "".join(message.plain_text for message in scene.telegram.messages(anna))

    scene.gateway.clear_faults()
    for task in (first, second):
        scene.finish(task)
        await scene.poll(anna, task)
        await scene.until_video(anna, requests[task.task_id])


def _notices(scene: Scene, chat_id: int) -> list[str]:
    """The messages about a refused key."""
    return [each.plain_text for each in scene.telegram.messages(chat_id) if "🔑" in each.plain_text]


async def test_an_id_unknown_to_the_gateway_is_polled_again(scene: Scene):
    anna, later = scene.add_user(), scene.task("videos")
    del scene.gateway.tasks[later.kind, later.task_id]
    command_id = await scene.watch(anna, later)
    assert "Not found" not in (await scene.poll(anna, later)).plain_text

    scene.gateway.tasks[later.kind, later.task_id] = later
    scene.finish(later)
    await scene.poll(anna, later)
    await scene.until_video(anna, command_id)


async def test_rate_limiting_by_telegram_loses_no_message(scene: Scene):
    anna, task = scene.add_user(), scene.task("jimeng")
    command_id = await scene.watch(anna, task)
    scene.telegram.fail("sendMessage", flood(1), when=lambda request: "video" in request.params["text"])
    scene.telegram.fail("editMessageMedia", flood(1))
    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_video(anna, command_id)
    assert len(scene.replies(anna, command_id)) == 2
