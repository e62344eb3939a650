"""Another chat watches a task whose video was sent long ago."""

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.gateway.tasks import KINDS
from tests.flow.delivery_harness import ANNA, BEN, DeliveryHarness

DAY_S = 86_400


def _without_link(words: str) -> list[str]:
    """The lines of a caption without the expiry of the link."""
    return [line for line in words.splitlines() if "link works" not in line]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_video_that_still_exists_is_sent_without_another_download(
    harness: DeliveryHarness, kind: str
):
    task = harness.task(kind)
    await harness.deliver(task)
    await harness.advance(DAY_S + 1)
    polls = harness.gateway.polls(task.task_id)

    await harness.deliver(task, BEN)

    assert harness.gateway.polls(task.task_id) == polls + 1
    assert [len(harness.telegram.videos(chat)) for chat in (ANNA, BEN)] == [1, 1]
    assert task.served.downloads == 1
    first, second = (_without_link(harness.telegram.videos(chat)[0].plain_text) for chat in (ANNA, BEN))
    assert first == second  # with how long it took


@pytest.mark.parametrize("kind", KINDS)
async def test_a_video_that_was_deleted_at_the_gateway_is_not_sent_to_another_chat(
    harness: DeliveryHarness, kind: str
):
    task = harness.task(kind)
    await harness.deliver(task)
    messages = len(harness.bot_messages())
    await harness.advance(DAY_S + 1)
    del harness.gateway.tasks[kind, task.task_id]

    await harness.deliver(task, BEN)
    assert harness.telegram.videos(BEN) == []
    for _ in range(2):
        await harness.advance(31)
        await harness.poll()
        await harness.idle()

    assert harness.telegram.videos(BEN) == []
    assert "Expired" in harness.bot_messages(BEN)[-1].plain_text
    assert len(harness.bot_messages()) == messages


async def test_an_unreachable_gateway_delays_the_video_of_another_chat(
    harness: DeliveryHarness,
):
    task = harness.task()
    await harness.deliver(task)
    await harness.advance(DAY_S + 1)
    harness.gateway.fail("*", Fault(status=502), times=None)

    await harness.deliver(task, BEN)
    await harness.advance(3600)
    await harness.poll()
    assert harness.telegram.videos(BEN) == []

    harness.gateway.clear_faults()
    await harness.advance(61)
    await harness.poll()
    await harness.idle()
    assert len(harness.telegram.videos(BEN)) == 1
    assert task.served.downloads == 1
