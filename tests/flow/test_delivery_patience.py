"""How long what may pass is tried again, and what is left to people after that."""

import asyncio
import logging

import pytest

from bot.media.cache import QUOTA
from bot.sandbox.faults import Fault, held, html_answer, json_answer
from bot.sandbox.gateway.tasks import GatewayTask
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, DeliveryHarness

FOUR_MINUTES_S = 240.0
NOT_READY = json_answer(404, {"error": {"message": "video is not ready"}})


@pytest.fixture
def task(office: DeliveryHarness) -> GatewayTask:
    """A task whose video the gateway itself hands out."""
    task = office.task("videos")
    task.has_link = False
    return task


async def until_the_link_is_out(office: DeliveryHarness, task: GatewayTask) -> None:
    await office.deliver(task)
    await office.advance(FOUR_MINUTES_S)
    assert "can't be sent here" in office.heard()[-1].words


async def test_an_outage_of_telegram_does_not_use_up_download_retries(
    office: DeliveryHarness, task: GatewayTask
):
    await office.watch(task)
    await office.idle()
    office.telegram.fail("sendMessage", html_answer(502), times=10)
    office.gateway.fail("content", NOT_READY, times=4)
    await office.poll()
    while len(office.heard()) < 2:
        await office.advance(300)
    assert "on its way" in office.result().words

    for _ in range(8):
        await office.advance(5)

    assert office.result().video


async def test_alternating_faults_share_one_retry_period(office: DeliveryHarness, task: GatewayTask):
    office.gateway.fail("content", NOT_READY)
    office.gateway.fail("content", html_answer(503), times=None)
    await office.deliver(task)
    await office.advance(FOUR_MINUTES_S / 2)
    assert "on its way" in office.result().words

    await office.advance(FOUR_MINUTES_S / 2)

    assert "can't be sent here" in office.result().words


@pytest.mark.parametrize("times", [1, 3])
async def test_a_failed_download_can_be_retried_by_button(
    office: DeliveryHarness, task: GatewayTask, times: int
):
    office.gateway.fail("content", NOT_READY, times=None)
    await until_the_link_is_out(office, task)
    for _ in range(times - 1):
        assert await office.press_again(office.heard()[0])
        await office.advance(FOUR_MINUTES_S)
    office.gateway.all_is_well()

    assert await office.press_again(office.heard()[0])

    assert len(office.telegram.videos(ANNA)) == 1
    assert office.heard()[0].buttons == []


async def test_a_failed_download_can_be_retried_by_a_new_watch(office: DeliveryHarness, task: GatewayTask):
    office.gateway.fail("content", NOT_READY, times=None)
    await until_the_link_is_out(office, task)
    office.gateway.all_is_well()

    assert (await office.watch(task)).is_new
    await office.idle()

    assert len(office.telegram.videos(ANNA)) == 1


async def test_an_unconfirmed_upload_falls_back_to_the_link(office: DeliveryHarness):
    office.telegram.fail("editMessageMedia", Fault(status=504), times=None)
    task = office.task()

    await until_the_link_is_out(office, task)

    assert "Telegram didn't confirm the upload" in office.result().words
    assert office.gateway.link(task) in office.result().words
    uploads = len(office.calls("editMessageMedia"))
    await office.advance(3600)
    assert len(office.calls("editMessageMedia")) == uploads

    office.telegram.all_is_well()
    assert await office.press_again(office.heard()[0])
    assert len(office.telegram.videos(ANNA)) == 1
    assert task.served.downloads == 1


async def test_an_unconfirmed_upload_that_succeeded_is_final(office: DeliveryHarness):
    office.telegram.fail("editMessageMedia", Fault(execute=True, status=504), times=None)

    await office.deliver(office.task())
    await office.advance(FOUR_MINUTES_S)

    assert office.result().video
    deliveries = await office.deliveries()
    assert (deliveries[DeliveryState.PENDING], deliveries[DeliveryState.DEAD]) == (0, 0)


async def test_a_video_is_sent_after_an_outage_of_any_length(office: DeliveryHarness):
    for method in ("editMessageMedia", "editMessageText"):
        office.telegram.fail(method, html_answer(502), times=None)
    await office.deliver(office.task())
    for _ in range(20):
        await office.advance(300)

    office.telegram.all_is_well()
    await office.advance(300)

    assert office.result().video


async def test_a_video_waits_until_the_cache_has_room(
    office: DeliveryHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    gate, first, other = asyncio.Event(), office.task(), office.task()
    office.telegram.fail("editMessageMedia", held(gate))
    await office.ask(first)
    await office.until(lambda: office.calls("editMessageMedia"))
    [folder] = office.downloads.iterdir()
    with (folder / "hole").open("wb") as hole:
        hole.truncate(QUOTA)

    await office.watch(other, BEN)
    await office.until(lambda: office.heard(BEN))
    await office.poll()
    await office.until(lambda: "fill the cache quota" in caplog.text)
    assert other.served.downloads == 0
    gate.set()
    await office.idle()
    for _ in range(int(FOUR_MINUTES_S)):
        await office.advance(10)
        if office.result(BEN).video:
            break

    assert office.result().video
    assert office.result(BEN).video
