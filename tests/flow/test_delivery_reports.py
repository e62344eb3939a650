"""Reports and questions to an admin under crashes, lost responses and refusals: each is sent at most once."""

import asyncio
from dataclasses import replace

import pytest

from bot.sandbox.faults import DROPPED, LOST_RESPONSE, Fault
from bot.sandbox.telegram.api_errors import error_response, flood
from storage.models import DeliveryState
from storage.outbox import ThrottledChats
from tests.contract.store.test_access_requests import FILMS
from tests.contract.store.test_reports import failure, recovery
from tests.flow.delivery_harness import ANNA, DeliveryHarness

HOUR_S = 3600.0


async def report(harness: DeliveryHarness, *, is_recovery: bool = False) -> bool:
    """A gateway goes down or recovers; Anna is the admin."""
    change = recovery() if is_recovery else failure()
    return await harness.store.enqueue_report(ANNA, change, at=harness.clock())


def texts(harness: DeliveryHarness) -> list[str]:
    return [message.plain_text for message in harness.bot_messages()]


async def test_an_admin_gets_one_message_per_change(harness: DeliveryHarness):
    await report(harness)
    await harness.idle()
    await report(harness, is_recovery=True)
    await harness.idle()

    [down, up] = texts(harness)
    assert down.startswith("⚠️ gateway.example (wan, 通义) isn't responding")
    assert up.startswith("✅ gateway.example (wan, 通义) is working again")
    assert (await harness.deliveries())[DeliveryState.SENT] == 2


async def test_a_crash_between_the_response_and_the_settlement_does_not_double_a_report(
    harness: DeliveryHarness,
):
    harness.telegram.fail("sendMessage", Fault(until=asyncio.Event(), execute=True))
    await report(harness)
    await harness.until(lambda: texts(harness))

    await harness.crash()
    for _ in range(3):
        await harness.advance(HOUR_S)
        await report(harness)
    await harness.idle()

    assert len(texts(harness)) == 1
    assert len(harness.calls("sendMessage")) == 1
    assert (await harness.deliveries())[DeliveryState.UNKNOWN] == 1
    await report(harness, is_recovery=True)
    await harness.idle()
    assert len(texts(harness)) == 2


async def test_a_crash_before_the_call_costs_nothing(harness: DeliveryHarness):
    await harness.stop_worker()
    await report(harness)
    assert await harness.store.claim_deliveries(1, at=harness.clock(), lease_s=60)

    await harness.crash()
    await harness.idle()

    assert len(texts(harness)) == 1


async def test_a_crash_does_not_double_a_question_about_a_chat(harness: DeliveryHarness):
    harness.telegram.fail("sendMessage", Fault(until=asyncio.Event(), execute=True))
    await harness.store.request_access(FILMS, {ANNA: "en"}, at=harness.clock())
    await harness.until(lambda: texts(harness))

    await harness.crash()
    await harness.advance(HOUR_S)
    await harness.idle()

    [question] = texts(harness)
    assert question.startswith("Let this chat use the bot?")
    assert len(harness.calls("sendMessage")) == 1


@pytest.mark.parametrize("fault", [LOST_RESPONSE, DROPPED])
async def test_a_report_whose_response_was_lost_is_not_repeated(harness: DeliveryHarness, fault: Fault):
    harness.telegram.fail("sendMessage", fault)
    await report(harness)
    await harness.idle()
    await harness.advance(HOUR_S)

    assert len(harness.calls("sendMessage")) == 1
    assert (await harness.deliveries())[DeliveryState.UNKNOWN] == 1


@pytest.mark.parametrize("fault", [flood(30), error_response(400, "Bad Request: no idea")])
async def test_a_report_that_was_certainly_not_sent_is_retried(harness: DeliveryHarness, fault: Fault):
    harness.telegram.fail("sendMessage", fault)
    await report(harness)
    await harness.idle()
    assert texts(harness) == []

    await harness.advance(HOUR_S)

    assert len(texts(harness)) == 1


async def test_a_failure_that_is_over_before_its_retry_is_not_reported(harness: DeliveryHarness):
    harness.telegram.fail("sendMessage", flood(30))
    await report(harness)
    await harness.idle()

    await report(harness, is_recovery=True)
    await harness.advance(HOUR_S)

    assert texts(harness) == []


async def test_a_report_waits_for_an_admin_who_has_blocked_the_bot(harness: DeliveryHarness):
    harness.telegram.fail("sendMessage", error_response(403, "Forbidden: bot was blocked by the user"))
    await report(harness)
    await harness.idle()
    await harness.advance(HOUR_S)
    assert len(harness.calls("sendMessage")) == 1

    await harness.store.chat_found(ANNA, at=harness.clock())
    await harness.idle()

    assert len(texts(harness)) == 1


async def test_a_report_counts_towards_the_chat_s_rate_limit(harness: DeliveryHarness):
    assert harness.rate_limiter.throttled() == ThrottledChats(to_all=[], to_edits=[], to_refreshes=[])
    for number in range(3):
        other = replace(failure(), gateway=f"gateway {number}")
        await harness.store.enqueue_report(ANNA, other, at=harness.clock())

    async def are_sent(harness: DeliveryHarness) -> bool:
        return len(texts(harness)) == 3

    await harness.advance_a_second(are_sent)

    assert harness.rate_limiter.throttled().to_refreshes == [ANNA]
