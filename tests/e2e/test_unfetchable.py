"""A video that cannot be brought: the link, and why, through the real process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.faults import Fault, html_response
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("unfetchable")) as scene:
        await scene.start_bot()
        yield scene


@pytest.fixture
def task(scene: Scene) -> GatewayTask:
    task = scene.task("jimeng")
    scene.finish(task)
    return task


async def test_an_expired_link_is_sent_with_the_reason(scene: Scene, task: GatewayTask):
    task.added_at -= 2 * 86_400.0
    scene.gateway.fail("files", Fault(status=403), times=None, when=lambda file: file.task_id == task.task_id)
    message = await _result(scene, task, "has expired or never worked")
    assert scene.gateway.link(task) in message.plain_text


async def test_a_link_that_first_serves_a_page_is_retried_until_it_serves_the_video(
    scene: Scene, task: GatewayTask
):
    scene.gateway.fail("files", html_response(200), times=1, when=lambda file: file.task_id == task.task_id)
    anna = scene.add_user()
    assert (await scene.until_video(anna, await scene.watch(anna, task))).video


async def test_an_interrupted_download_resumes_at_its_offset(scene: Scene, task: GatewayTask):
    task.served.cut_after = len(task.served.content) // 2 + 1
    anna = scene.add_user()
    video = (await scene.until_video(anna, await scene.watch(anna, task))).video
    assert video
    assert video.file.content == task.served.content
    assert task.served.downloads == 2


async def test_a_video_in_a_private_network_is_downloaded_only_if_allowed(
    tmp_path_factory: pytest.TempPathFactory,
):
    folder = tmp_path_factory.mktemp("private")
    async with Scene.open(folder, DOWNLOAD_ALLOW_PRIVATE="false", LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        task = scene.task("alibailian")
        scene.finish(task)
        message = await _result(scene, task, "private network")
        assert scene.gateway.link(task) in message.plain_text
        assert task.served.downloads == 0


async def _result(scene: Scene, task: GatewayTask, why: str) -> Message:
    """What comes in place of the video, once it says why."""
    anna = scene.add_user()
    command_id = await scene.watch(anna, task)
    [message] = await scene.wait_for(
        lambda: [message for message in scene.replies(anna, command_id) if why in message.plain_text]
    )
    await scene.wait_for(lambda: len(scene.replies(anna, command_id)) == 2)
    assert all(reply.buttons for reply in scene.replies(anna, command_id))
    assert scene.telegram.videos(anna) == []
    return message
