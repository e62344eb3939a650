"""The sandbox of a demo that runs for hours stays small; where its bot is asked whether it is alive."""

import socket

import pytest

from bot.sandbox.environment import ANNA, open_sandbox
from bot.sandbox.gateway.server import GatewayRequest
from bot.sandbox.ports import free_port
from bot.sandbox.telegram.chats import Attachment
from bot.sandbox.telegram.server import Request

_KEPT_MESSAGES, _KEPT_TASKS, _KEPT_REQUESTS = 500, 100, 500


async def test_old_messages_requests_and_tasks_are_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_sandbox() as sandbox:
        telegram, gateway, state = sandbox.telegram, sandbox.gateway, sandbox.telegram.state
        running = gateway.add("jimeng", "running", seconds=3600, video=b"x")
        for number in range(1000):
            telegram.send(ANNA, f"{number}")
            gateway.add("jimeng", f"{number}", seconds=0.0, video=b"x")
        telegram.requests.extend(Request(method="getUpdates", params={}) for _ in range(1000))
        request = GatewayRequest(route="status", kind="jimeng", task_id="1", headers={})
        gateway.requests.extend(request for _ in range(1000))

        sandbox.forget_old()

        assert len(telegram.requests) == len(gateway.requests) == _KEPT_REQUESTS
        assert [message.text for message in telegram.messages(ANNA)][-1] == "999"
        assert len(state.chats[ANNA].messages) == _KEPT_MESSAGES
        assert len(gateway.tasks) == _KEPT_TASKS
        assert running in gateway.tasks.values()


async def test_old_files_and_former_versions_are_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_sandbox() as sandbox:
        state = sandbox.telegram.state
        attachments = [
            Attachment(kind="video", file=state.store_file(b"x", name="a.mp4", mime_type="video/mp4"))
            for _ in range(300)
        ]
        for each in attachments:
            state.store_attachment(each)
        message = state.post(state.chats[ANNA], sender=state.bot, from_bot=True, text="0")
        for number in range(50):
            message = state.change(message, text=f"{number + 1}")

        sandbox.forget_old()

        [kept] = sandbox.telegram.messages(ANNA)
        assert (kept.text, [each.text for each in kept.history], kept.history[0].history) == (
            "50",
            ["49"],
            (),
        )
        newest = attachments[-1]
        assert state.stored_attachment(newest.file.file_id, "video") is newest
        with pytest.raises(Exception, match="wrong file identifier"):
            state.stored_attachment(attachments[0].file.file_id, "video")


async def test_the_bots_health_port_is_that_of_the_image_where_it_is_free(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("HEALTH_PORT", f"{port}")

    async with open_sandbox() as sandbox:
        assert sandbox.environment["HEALTH_PORT"] == f"{port}"
        assert sandbox.health_url == f"http://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", port)):
        async with open_sandbox() as sandbox:
            assert sandbox.environment["HEALTH_PORT"] != f"{port}"


@pytest.mark.parametrize("wrong", ["", "0", "65536", "many", "8081x"])
async def test_a_health_port_that_is_none_is_passed_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("HEALTH_PORT", wrong)

    async with open_sandbox() as sandbox:
        assert sandbox.environment["HEALTH_PORT"] != wrong
