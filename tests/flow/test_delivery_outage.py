"""Telegram away: nothing is sent again and again meanwhile, and all that waited goes out at once after it."""

import logging

import pytest

from bot.sandbox.faults import LOST_ANSWER, Fault, html_answer
from storage.models import DeliveryState
from tests.flow.delivery_harness import ANNA, BEN, GROUP, DeliveryHarness

CHATS = (ANNA, BEN, GROUP)
SENT = ("sendMessage", "editMessageText", "editMessageMedia", "sendVideo")


@pytest.mark.parametrize("away", [LOST_ANSWER, html_answer(502)], ids=["answers lost", "502"])
async def test_an_outage_sends_nothing_twice_and_everything_soon_after_it(
    office: DeliveryHarness, caplog: pytest.LogCaptureFixture, away: Fault
):
    caplog.set_level(logging.INFO, logger="bot")
    for chat in CHATS:
        await office.watch(office.task(), chat)
    await office.idle()
    office.telegram.fail("*", away, times=None)
    probes = len(office.calls("getMe"))
    await office.poll()
    await office.until(lambda: len(office.calls("getMe")) >= probes + 2)

    sent = len(office.calls(*SENT))
    for _ in range(5):
        probes = len(office.calls("getMe"))
        office.clock.advance(74)
        await office.until(lambda: len(office.calls("getMe")) > probes)  # noqa: B023 - called before it changes
    assert len(office.calls(*SENT)) == sent

    office.telegram.all_is_well()
    await office.until(lambda: any("reachable again" in message for message in caplog.messages))
    await office.advance(2)

    assert all(len([m for m in office.heard(chat) if m.video]) == 1 for chat in CHATS)
    assert (await office.deliveries())[DeliveryState.PENDING] == 0
    assert len([message for message in caplog.messages if "is unreachable" in message]) == 1


async def test_a_message_that_always_fails_delays_no_other(office: DeliveryHarness):
    office.telegram.fail(
        "sendMessage", html_answer(500), times=None, when=lambda r: r.params["chat_id"] == ANNA
    )

    await office.watch(office.task(), ANNA)
    await office.deliver(office.task(), BEN)
    for _ in range(10):
        await office.advance(10)

    assert office.result(BEN).video
    assert len(office.calls("sendMessage")) < 20
