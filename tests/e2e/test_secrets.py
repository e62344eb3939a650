"""The log of a run in which much goes wrong, at its most talkative and as it is by default."""

import json

import pytest

from bot.sandbox.faults import DROPPED, LOST_RESPONSE, Fault, json_response
from bot.sandbox.gateway.tasks import KINDS
from tests.e2e.scene import SIGNATURES, Scene


@pytest.mark.parametrize(("level", "form"), [("DEBUG", "json"), ("INFO", "console")])
async def test_no_log_contains_the_token_a_key_or_a_signature(scene: Scene, level: str, form: str):
    scene.telegram.fail("getMe", DROPPED)
    scene.telegram.fail("editMessageMedia", LOST_RESPONSE)
    bot = await scene.start_bot(LOG_LEVEL=level, LOG_FORMAT=form)
    for kind in KINDS:
        await _deliver(scene, kind)

    anna = scene.add_user()
    scene.telegram.send(anna, "Between us: the lighthouse is a fake.")
    refused, dead = scene.task("newapi"), scene.task("alibailian")
    quoting = {"error": {"message": f"Invalid token: {scene.gateway.key}"}}
    scene.gateway.fail(refused.task_id, json_response(401, quoting))
    scene.gateway.fail("files", Fault(status=403), times=None, when=lambda file: file.task_id == dead.task_id)
    scene.finish(dead)
    for task in (refused, dead):
        await scene.watch(anna, task)
    await scene.wait_for(lambda: "Telegram refused the video" in bot.log)
    scene.telegram.is_down = True
    scene.telegram.send(anna, "/tasks")  # ends the long poll
    await scene.wait_for(lambda: bot.log.count("Telegram is not responding") == 2)
    assert await bot.stop() == 0

    assert scene.leaks() == []
    assert "lighthouse" not in bot.log  # what people write is nobody's business
    if form == "json":
        assert {"time", "level", "event", "message"} <= json.loads(bot.log.splitlines()[-1]).keys()
        assert json.loads(bot.log.splitlines()[-1])["time"].endswith("Z")
        assert all(json.loads(line)["message"] for line in bot.log.splitlines())


async def _deliver(scene: Scene, kind: str) -> None:
    """Have a video brought whose link is signed."""
    person, task = scene.add_user(), scene.task(kind)
    assert any(signature in scene.gateway.link(task) for signature in SIGNATURES)
    scene.finish(task)
    await scene.until_video(person, await scene.watch(person, task))
