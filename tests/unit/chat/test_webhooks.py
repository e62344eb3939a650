"""A webhook from before is removed; one that is set later is another program's."""

import asyncio

import pytest

from bot.errors import ForeignWebhook
from bot.sandbox.faults import DROPPED, Fault, json_response
from bot.sandbox.telegram.api_errors import error_response
from tests.fakes.jitter import are_jittered
from tests.unit.chat.update_harness import ANNA, UpdateHarness, running

WEBHOOK_ACTIVE = "Conflict: can't use getUpdates method while webhook is active"


async def test_an_existing_webhook_is_deleted(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    update_harness.telegram.send(ANNA, "/help")
    update_harness.telegram.state.updates.set_webhook(
        "https://anna:pass@n8n.example:5678/webhook/7f3a?key=hunter2"
    )

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    methods = [request.method for request in update_harness.telegram.requests]
    assert methods[1:5] == ["getUpdates", "getWebhookInfo", "deleteWebhook", "getUpdates"]
    assert update_harness.slept_s == [0.0]
    assert caplog.messages == ["Removed a webhook to n8n.example:5678 that blocked long polling."]


@pytest.mark.parametrize(
    "fault", [DROPPED, error_response(404, "Not Found"), json_response(200, {"ok": True})]
)
async def test_a_webhook_with_an_unknown_host_is_deleted_too(
    update_harness: UpdateHarness, fault: Fault, caplog: pytest.LogCaptureFixture
):
    update_harness.telegram.fail("getWebhookInfo", fault)
    update_harness.telegram.fail("getUpdates", error_response(409, WEBHOOK_ACTIVE))
    update_harness.telegram.send(ANNA, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    assert caplog.messages == ["Removed a webhook that blocked long polling."]


@pytest.mark.parametrize("times", [1, None], ids=["ends a poll", "is there again and again"])
async def test_a_webhook_set_later_stops_polling_with_an_error_naming_the_host(
    update_harness: UpdateHarness, times: int | None
):
    loop = asyncio.create_task(update_harness.update_poller().run())
    await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) > 1)
    if times is None:
        update_harness.telegram.fail("getUpdates", error_response(409, WEBHOOK_ACTIVE), times=times)
        update_harness.telegram.send(ANNA, "/help")
    update_harness.telegram.state.updates.set_webhook("https://n8n.example/webhook/7f3a")

    with pytest.raises(ForeignWebhook, match=r"webhook to n8n\.example with") as error:
        await loop

    assert "7f3a" not in str(error.value)
    assert "deleteWebhook" not in [request.method for request in update_harness.telegram.requests]


async def test_a_webhook_that_reappears_after_every_removal_stops_polling(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", error_response(409, WEBHOOK_ACTIVE), times=4)

    with pytest.raises(ForeignWebhook):
        await update_harness.update_poller().run()

    assert [request.method for request in update_harness.telegram.requests].count("deleteWebhook") == 3


async def test_removals_of_a_reappearing_webhook_are_paced(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", error_response(409, WEBHOOK_ACTIVE), times=3)

    async with running(update_harness.update_poller()):
        await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) > 3)

    assert are_jittered(update_harness.slept_s, [0.0, 2.0, 4.0])
