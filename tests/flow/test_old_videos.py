"""What another chat gets of a video that was seen long ago."""

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.gateway.tasks import KINDS
from tests.flow.delivery_harness import ANNA, BEN, DeliveryHarness

DAY_S = 86_400


def _without_link(words: str) -> list[str]:
    """The lines of a caption but for that which says how long the link works."""
    return [line for line in words.splitlines() if "link works" not in line]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_video_that_still_exists_is_sent_without_another_download(office: DeliveryHarness, kind: str):
    task = office.task(kind)
    await office.deliver(task)
    await office.advance(DAY_S + 1)
    looks = office.gateway.polls(task.task_id)

    await office.deliver(task, BEN)

    assert office.gateway.polls(task.task_id) == looks + 1
    assert [len(office.telegram.videos(chat)) for chat in (ANNA, BEN)] == [1, 1]
    assert task.served.downloads == 1
    first, second = (_without_link(office.telegram.videos(chat)[0].words) for chat in (ANNA, BEN))
    assert first == second  # with how long it took


@pytest.mark.parametrize("kind", KINDS)
async def test_a_video_that_was_deleted_at_the_gateway_is_not_sent_to_another_chat(
    office: DeliveryHarness, kind: str
):
    task = office.task(kind)
    await office.deliver(task)
    heard = len(office.heard())
    await office.advance(DAY_S + 1)
    del office.gateway.tasks[kind, task.task_id]

    await office.deliver(task, BEN)
    assert office.telegram.videos(BEN) == []
    for _ in range(2):
        await office.advance(31)
        await office.poll()
        await office.idle()

    assert office.telegram.videos(BEN) == []
    assert "Expired" in office.heard(BEN)[-1].words
    assert len(office.heard()) == heard


async def test_an_unreachable_gateway_delays_the_video_of_another_chat(
    office: DeliveryHarness,
):
    task = office.task()
    await office.deliver(task)
    await office.advance(DAY_S + 1)
    office.gateway.fail("*", Fault(status=502), times=None)

    await office.deliver(task, BEN)
    await office.advance(3600)
    await office.poll()
    assert office.telegram.videos(BEN) == []

    office.gateway.all_is_well()
    await office.advance(61)
    await office.poll()
    await office.idle()
    assert len(office.telegram.videos(BEN)) == 1
    assert task.served.downloads == 1
