"""No Bot API server answers at TELEGRAM_API_URL, or not at the moment: said in a sentence, and survived."""

import pytest

from bot.sandbox.faults import Fault, html_response, json_response
from tests.e2e.scene import Scene

_BOT = {"id": 7, "is_bot": True, "first_name": "Reelwatch", "username": "reelwatch_bot"}
_NO_USERS = (
    json_response(200, {}),
    json_response(200, {"ok": True}),
    json_response(200, {"ok": True, "result": True}),
    json_response(200, {"ok": True, "result": []}),
    json_response(200, {"ok": True, "result": _BOT | {"username": None}}),
    json_response(200, []),
    json_response(404, {"detail": "Not Found"}),
    html_response(200),
)
_SENTENCE = "is not a Bot API server; check TELEGRAM_API_URL"


def _answers(scene: Scene, method: str, *faults: Fault) -> None:
    for fault in faults:
        scene.telegram.fail(method, fault)


@pytest.mark.parametrize("faults", [_NO_USERS[:4], _NO_USERS[4:]], ids=["results", "responses"])
async def test_an_invalid_get_me_response_is_logged_once_and_retried(scene: Scene, faults: tuple[Fault, ...]):
    _answers(scene, "getMe", *faults)
    bot = await scene.start_bot()
    assert await scene.command(scene.add_user(), "/help")
    host = scene.telegram.url.removeprefix("http://")
    assert bot.log.count(f"the server at {host} {_SENTENCE}") == 1
    assert "Traceback" not in bot.log


@pytest.mark.parametrize("fault", _NO_USERS[1:3], ids=["no result", "true"])
async def test_check_reports_that_the_server_is_no_bot_api_server(scene: Scene, fault: Fault):
    _answers(scene, "getMe", fault)
    check = await scene.run("check")
    assert await check.end() == 1
    assert _SENTENCE in check.row("telegram")
    assert "  error  " in check.row("telegram")
    assert "Traceback" not in check.log


async def test_invalid_responses_to_a_running_bot_lose_no_message_and_log_two_lines(scene: Scene):
    bot = await scene.start_bot()
    anna, task = scene.add_user(), scene.task("newapi")
    scene.finish(task)
    for method in ("getUpdates", "sendMessage", "editMessageMedia"):
        _answers(scene, method, json_response(200, {"ok": True}))
    _answers(scene, "getUpdates", json_response(200, {"ok": True, "result": {}}))
    await scene.until_video(anna, scene.telegram.send(anna, f"/watch newapi {task.task_id}"))
    await scene.until_all_is_sent()
    assert len(scene.telegram.videos(anna)) == 1
    assert bot.log.count(f"retrying: the server at {scene.telegram.url.removeprefix('http://')}") == 1
    assert bot.log.count("Telegram is responding again after ") == 1
    assert "Traceback" not in bot.log


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_a_malformed_update_is_skipped_and_its_content_not_logged(scene: Scene, level: str):
    anna = scene.add_user()
    hostile = {"update_id": 700_000_001, "message": {"message_id": 1, "text": "words of a person"}}
    _answers(scene, "getUpdates", json_response(200, {"ok": True, "result": [{}, hostile]}))
    bot = await scene.start_bot(LOG_LEVEL=level)
    scene.telegram.state.updates.number_from(700_000_002)
    assert await scene.command(anna, "/help")
    assert bot.log.count("Skipped malformed updates (2): without an id, 700000001") == 1
    assert "words of a person" not in bot.log
    assert "Traceback" not in bot.log
