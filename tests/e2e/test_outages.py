"""An outage of the gateway in cards and in reports to admins, with the real process."""

from pathlib import Path

from bot.sandbox.faults import html_response
from tests.e2e.scene import ADMIN, Scene

OUTAGE_S = 60.0  # half a minute until an outage counts as one


async def test_a_card_shows_a_gateway_outage_and_admins_get_a_message_at_its_start_and_end(tmp_path: Path):
    async with Scene.open(tmp_path) as scene:
        await scene.start_bot()
        anna = scene.add_user()
        first, second, late = (scene.task("videos") for _ in range(3))
        for task in (first, second):
            await scene.watch(anna, task)

        scene.gateway.fail("videos", html_response(503), times=None)
        for task in (first, second):
            await scene.poll(anna, task)
        [report] = await scene.wait_for(lambda: scene.telegram.messages(ADMIN), timeout_s=OUTAGE_S)
        assert "isn't responding (HTTP 503)." in report.plain_text
        assert "2 tasks are waiting for it." in report.plain_text

        command_id = await scene.watch(anna, late)
        await scene.until_shown(anna, command_id, "Not checked yet: the gateway isn't responding.")
        assert (await scene.command(anna, "/tasks")).plain_text.count("⚠️") == 3

        scene.gateway.clear_faults()
        await scene.wait_for(lambda: len(scene.telegram.messages(ADMIN)) == 2, timeout_s=OUTAGE_S)
        assert "is working again." in scene.telegram.messages(ADMIN)[1].plain_text
