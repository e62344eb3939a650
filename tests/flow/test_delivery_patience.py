"""How long retryable faults are retried, and the fallbacks after that."""

import asyncio
import logging

import pytest

from bot.media.cache import QUOTA
from bot.sandbox.faults import Fault, held, html_response, json_response
from bot.sandbox.gateway.tasks import GatewayTask
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, DeliveryHarness

FOUR_MINUTES_S = 240.0
NOT_READY = json_response(404, {"error": {"message": "video is not ready"}})


@pytest.fixture
def task(harness: DeliveryHarness) -> GatewayTask:
    """A task whose video only the gateway serves."""
    task = harness.task("videos")
    task.has_link = False
    return task


async def until_link_sent(harness: DeliveryHarness, task: GatewayTask) -> None:
    await harness.deliver(task)
    await harness.advance(FOUR_MINUTES_S)
    assert "can't be sent here" in harness.bot_messages()[-1].plain_text


async def test_an_outage_of_telegram_does_not_use_up_download_retries(
    harness: DeliveryHarness, task: GatewayTask
):
    await harness.watch(task)
    await harness.idle()
    harness.telegram.fail("sendMessage", html_response(502), times=10)
    harness.gateway.fail("content", NOT_READY, times=4)
    await harness.poll()
    for _ in range(20):
        if len(harness.bot_messages()) == 2:
            break
        await harness.advance(300)
    assert "on its way" in harness.result().plain_text

    for _ in range(8):
        await harness.advance(5)

    assert harness.result().video


async def test_alternating_faults_share_one_retry_period(harness: DeliveryHarness, task: GatewayTask):
    harness.gateway.fail("content", NOT_READY)
    harness.gateway.fail("content", html_response(503), times=None)
    await harness.deliver(task)
    await harness.advance(FOUR_MINUTES_S / 2)
    assert "on its way" in harness.result().plain_text

    await harness.advance(FOUR_MINUTES_S / 2)

    assert "can't be sent here" in harness.result().plain_text


@pytest.mark.parametrize("times", [1, 3])
async def test_a_failed_download_can_be_retried_by_button(
    harness: DeliveryHarness, task: GatewayTask, times: int
):
    harness.gateway.fail("content", NOT_READY, times=None)
    await until_link_sent(harness, task)
    for _ in range(times - 1):
        assert await harness.press_again(harness.bot_messages()[0])
        await harness.advance(FOUR_MINUTES_S)
    harness.gateway.clear_faults()

    assert await harness.press_again(harness.bot_messages()[0])

    assert len(harness.telegram.videos(ANNA)) == 1
    assert harness.bot_messages()[0].buttons == []


async def test_a_failed_download_can_be_retried_by_a_new_watch(harness: DeliveryHarness, task: GatewayTask):
    harness.gateway.fail("content", NOT_READY, times=None)
    await until_link_sent(harness, task)
    harness.gateway.clear_faults()

    assert (await harness.watch(task)).is_new
    await harness.idle()

    assert len(harness.telegram.videos(ANNA)) == 1


async def test_an_unconfirmed_upload_falls_back_to_the_link(harness: DeliveryHarness):
    harness.telegram.fail("editMessageMedia", Fault(status=504), times=None)
    task = harness.task()

    await until_link_sent(harness, task)

    assert "Telegram didn't confirm the upload" in harness.result().plain_text
    assert harness.gateway.link(task) in harness.result().plain_text
    uploads = len(harness.calls("editMessageMedia"))
    await harness.advance(3600)
    assert len(harness.calls("editMessageMedia")) == uploads

    harness.telegram.clear_faults()
    assert await harness.press_again(harness.bot_messages()[0])
    assert len(harness.telegram.videos(ANNA)) == 1
    assert task.served.downloads == 1


async def test_an_unconfirmed_upload_that_succeeded_is_final(harness: DeliveryHarness):
    harness.telegram.fail("editMessageMedia", Fault(execute=True, status=504), times=None)

    await harness.deliver(harness.task())
    await harness.advance(FOUR_MINUTES_S)

    assert harness.result().video
    deliveries = await harness.deliveries()
    assert (deliveries[DeliveryState.PENDING], deliveries[DeliveryState.DEAD]) == (0, 0)


async def test_a_video_is_sent_after_an_outage_of_any_length(harness: DeliveryHarness):
    for method in ("editMessageMedia", "editMessageText"):
        harness.telegram.fail(method, html_response(502), times=None)
    await harness.deliver(harness.task())
    for _ in range(20):
        await harness.advance(300)

    harness.telegram.clear_faults()
    await harness.advance(300)

    assert harness.result().video


async def test_a_video_waits_until_the_cache_has_room(
    harness: DeliveryHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    gate, first, other = asyncio.Event(), harness.task(), harness.task()
    harness.telegram.fail("editMessageMedia", held(gate))
    await harness.watch_and_poll(first)
    await harness.until(lambda: harness.calls("editMessageMedia"))
    [folder] = harness.downloads.iterdir()
    with (folder / "hole").open("wb") as hole:
        hole.truncate(QUOTA)

    await harness.watch(other, BEN)
    await harness.until(lambda: harness.bot_messages(BEN))
    await harness.poll()
    await harness.until(lambda: "fill the cache quota" in caplog.text)
    assert other.served.downloads == 0
    gate.set()
    await harness.idle()
    for _ in range(int(FOUR_MINUTES_S)):
        await harness.advance(10)
        if harness.result(BEN).video:
            break

    assert harness.result().video
    assert harness.result(BEN).video
