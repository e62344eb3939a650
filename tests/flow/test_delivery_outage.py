"""Outages of Telegram: no repeated sends during one, all pending deliveries right after it."""

import logging

import pytest

from bot.sandbox.faults import LOST_RESPONSE, Fault, html_response
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, GROUP, DeliveryHarness

CHATS = (ANNA, BEN, GROUP)
SENT = ("sendMessage", "editMessageText", "editMessageMedia", "sendVideo")


@pytest.mark.parametrize("away", [LOST_RESPONSE, html_response(502)], ids=["lost response", "502"])
async def test_an_outage_sends_nothing_twice_and_everything_soon_after_it(
    harness: DeliveryHarness, caplog: pytest.LogCaptureFixture, away: Fault
):
    caplog.set_level(logging.INFO, logger="bot")
    for chat in CHATS:
        await harness.watch(harness.task(), chat)
    await harness.idle()
    harness.telegram.fail("*", away, times=None)
    probes = len(harness.calls("getMe"))
    await harness.poll()
    await harness.until(lambda: len(harness.calls("getMe")) >= probes + 2)

    sent = len(harness.calls(*SENT))
    for _ in range(5):
        probes = len(harness.calls("getMe"))
        harness.clock.advance(74)
        await harness.until(lambda: len(harness.calls("getMe")) > probes)  # noqa: B023 - called before it changes
    assert len(harness.calls(*SENT)) == sent

    harness.telegram.clear_faults()
    await harness.until(lambda: any("reach Telegram again" in message for message in caplog.messages))
    await harness.advance(2)

    assert all(len([m for m in harness.bot_messages(chat) if m.video]) == 1 for chat in CHATS)
    assert (await harness.deliveries())[DeliveryState.PENDING] == 0
    assert len([message for message in caplog.messages if "is unreachable" in message]) == 1


async def test_a_message_that_always_fails_delays_no_other(harness: DeliveryHarness):
    harness.telegram.fail(
        "sendMessage", html_response(500), times=None, when=lambda r: r.params["chat_id"] == ANNA
    )

    await harness.watch(harness.task(), ANNA)
    await harness.deliver(harness.task(), BEN)
    for _ in range(10):
        await harness.advance(10)

    assert harness.result(BEN).video
    assert len(harness.calls("sendMessage")) < 20
