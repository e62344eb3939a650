"""A gateway that takes every question and answers none, through the real process."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from bot.sandbox.faults import held
from bot.sandbox.gateway.tasks import GatewayTask
from storage.models import DeliveryState
from storage.outbox import Settlement
from storage.sqlite.store import SqliteStore
from tests.e2e.database import about_sqlite
from tests.e2e.scene import Scene
from tests.fakes.requests import watch_request

COMMAND_S = 10.0  # what a command may take in all
BUSY_S = 15.0  # more on a busy machine
TASKS = 30


@about_sqlite
async def test_status_of_many_tasks_is_one_timely_reply_and_delays_no_other_user(scene: Scene):
    anna, boris, tasks = scene.add_user(), scene.add_user(), [scene.task("videos") for _ in range(TASKS)]
    await write_watches(scene, anna, tasks)
    release = asyncio.Event()
    scene.gateway.fail("status", held(release), times=None)
    await scene.start_bot()

    asked_at = time.monotonic()
    command_id = scene.telegram.send(anna, f"/status {' '.join(task.task_id for task in tasks)}")
    assert "Nothing is being watched" in (await scene.command(boris, "/tasks")).plain_text
    assert scene.replies(anna, command_id) == []
    [answer] = await scene.wait_for(lambda: scene.replies(anna, command_id), timeout_s=COMMAND_S + BUSY_S)
    assert time.monotonic() - asked_at > COMMAND_S - 1
    assert answer.plain_text.startswith(f"{TASKS} tasks:")

    await scene.command(boris, "/tasks")
    assert scene.replies(anna, command_id) == [answer]
    release.set()


async def write_watches(scene: Scene, chat_id: int, tasks: Sequence[GatewayTask]) -> None:
    """Store watches whose cards were sent; thirty commands would take half a minute."""
    store = await SqliteStore.open(scene.folder / "reelwatch.db")
    now = datetime.now(UTC)
    for number, task in enumerate(tasks, 1):
        request = watch_request(
            task.task_id, provider=task.kind, chat_id=chat_id, message_id=None, user_id=chat_id
        )
        await store.add_watch(request, at=now)
        [card] = await store.claim_deliveries(1, at=now, lease_s=60.0)
        sent = Settlement(state=DeliveryState.SENT, at=now, message_id=number, card_digest="")
        await store.settle(card.delivery.id, sent)
    await store.close()
