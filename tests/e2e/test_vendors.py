"""DashScope's and Volcengine Ark's own paths and bodies, with the real process and a key of their own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox.gateway.tasks import GatewayTask
from tests.e2e.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {"dashscope": "/api/v1/tasks/{id}", "ark": "/api/v3/contents/generations/tasks/{id}"}
KINDS = {"dashscope": "alibailian", "ark": "jimeng"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("vendors")) as scene:
        await scene.start_bot(**settings_of(scene))
        yield scene


def settings_of(scene: Scene) -> dict[str, str]:
    """Two providers named like their vendors, without a gateway; Ark's base URL is that of its SDKs."""
    urls = {"dashscope": scene.gateway.url, "ark": f"{scene.gateway.url}/api/v3"}
    vendors = {
        f"PROVIDERS__{name.upper()}__{field}": value
        for name, path in PATHS.items()
        for field, value in (("BASE_URL", urls[name]), ("PATH", path), ("API_KEY", scene.gateway.key))
    }
    return {"GATEWAY_BASE_URL": "", "GATEWAY_API_KEY": ""} | vendors


async def watch(scene: Scene, anna: int, vendor: str, task: GatewayTask) -> int:
    command_id = scene.telegram.send(anna, f"/watch {vendor} {task.task_id}")
    await scene.until_shown(anna, command_id, "Queued")
    return command_id


@pytest.mark.parametrize("vendor", PATHS)
async def test_a_task_at_the_vendor_itself_becomes_a_video(scene: Scene, vendor: str):
    anna, task = scene.add_user(), scene.task(KINDS[vendor])
    command_id = await watch(scene, anna, vendor, task)

    scene.gateway.advance(task.task_id)
    await scene.poll(anna, task)
    await scene.until_shown(anna, command_id, "Running")
    scene.finish(task)
    await scene.poll(anna, task)
    video = await scene.until_video(anna, command_id)

    assert video.attachment
    assert video.attachment.file.content == task.served.content
    assert "The gateway's link works until" in video.plain_text
    assert "date_time" in {entity["type"] for entity in video.entities}
    asked = [each for each in scene.gateway.requests if each.task_id == task.task_id]
    assert {each.headers.get("Authorization") for each in asked if each.route == "status"} == {
        f"Bearer {scene.gateway.key}"
    }
    assert [each.headers.get("Authorization") for each in asked if each.route == "files"] == [None]


@pytest.mark.parametrize("vendor", PATHS)
async def test_a_task_that_fails_at_the_vendor_is_told_with_its_reason(scene: Scene, vendor: str):
    anna, task = scene.add_user(), scene.task(KINDS[vendor], fails="the upstream node went away")
    command_id = await watch(scene, anna, vendor, task)

    scene.finish(task)
    await scene.poll(anna, task)

    await scene.until_shown(anna, command_id, "Failed", "the upstream node went away")


async def test_providers_shows_the_paths(scene: Scene):
    reply = await scene.command(scene.add_user(), "/providers")

    host = scene.gateway.url.removeprefix("http://")
    for path in PATHS.values():
        assert f"{host}{path}" in reply.plain_text


async def test_check_tries_the_paths(scene: Scene):
    program = await scene.run("check", **settings_of(scene))
    await scene.wait_for(lambda: not program.is_running)

    for vendor, path in PATHS.items():
        assert f"{KINDS[vendor]} at {scene.gateway.url}{path}" in program.output
    assert program.output.count("the key is accepted") == len(PATHS)


async def test_check_names_the_setting_of_a_path_that_does_not_exist(scene: Scene):
    wrong = {"PROVIDERS__ARK__PATH": "/api/v9/tasks/{id}"}
    program = await scene.run("check", **settings_of(scene) | wrong)
    await scene.wait_for(lambda: not program.is_running)

    assert "check BASE_URL and PATH" in program.output
