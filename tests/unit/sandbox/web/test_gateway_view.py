"""The gateway's tasks as the page shows them."""

import json

import aiohttp
import pytest

from bot.sandbox.environment import Sandbox
from bot.sandbox.faults import DROPPED
from bot.sandbox.gateway.tasks import KINDS, GatewayTask
from bot.sandbox.web.gateway_view import created_response, task_view


async def poll(sandbox: Sandbox, task: GatewayTask) -> None:
    """Poll a jimeng task as the bot does."""
    headers = {"Authorization": f"Bearer {sandbox.gateway.key}"}
    try:
        async with aiohttp.ClientSession() as session:
            await session.get(f"{sandbox.gateway.url}/jimeng/fetch/{task.task_id}", headers=headers)
    except aiohttp.ClientError:
        pass


async def test_the_last_response_is_shown_as_the_bot_got_it(sandbox: Sandbox) -> None:
    task = sandbox.gateway.add("jimeng", "1", seconds=None, video=b"x")
    assert task_view(sandbox.gateway, task, now=0.0)["last"] is None

    await poll(sandbox, task)

    view = task_view(sandbox.gateway, task, now=0.0)
    assert view["polls"] == 1
    assert view["last"]["status"] == 200
    assert json.loads(view["last"]["body"])["data"]["status"] == "QUEUED"


async def test_a_closed_connection_is_shown_as_one(sandbox: Sandbox) -> None:
    task = sandbox.gateway.add("jimeng", "1", seconds=None, video=b"x")
    sandbox.gateway.fail("status", DROPPED, times=None)  # as the client tries again

    await poll(sandbox, task)

    assert task_view(sandbox.gateway, task, now=0.0)["last"]["status"] is None


@pytest.mark.parametrize(
    ("now", "phase", "ended"), [(0.0, "queued", None), (5.0, "running", None), (11.0, "succeeded", 10.0)]
)
def test_a_task_has_a_timeline(sandbox: Sandbox, now: float, phase: str, ended: float | None) -> None:
    task = sandbox.gateway.add("videos", "1", seconds=10.0, video=b"x")
    task.added_at = 0.0

    view = task_view(sandbox.gateway, task, now=now)

    assert (view["phase"], view["endedAt"]) == (phase, ended)


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_pasted_names_the_task(sandbox: Sandbox, kind: str) -> None:
    task = sandbox.gateway.add(kind, "task_5", video=b"x")

    assert "task_5" in json.dumps(json.loads(created_response(task)))
    curl = task_view(sandbox.gateway, task, now=0.0)["curl"]
    assert "task_5" in curl
    assert sandbox.gateway.key not in curl
