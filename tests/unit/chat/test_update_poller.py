"""The UpdatePoller between a real HTTP client and the fake Telegram."""

import asyncio
import logging
from typing import Any

import pytest

from bot.chat.update_poller import ALLOWED_UPDATES
from bot.errors import SecondPoller, TokenRefused
from bot.sandbox.faults import DROPPED, html_response, json_response
from bot.sandbox.telegram.api_errors import error_response, flood
from tests.fakes.jitter import are_jittered
from tests.metric_totals import total
from tests.unit.chat.update_harness import ANNA, BORIS, UpdateHarness, running


async def test_updates_are_handled(update_harness: UpdateHarness):
    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")
        update_harness.telegram.send(ANNA, "/tasks")
        await update_harness.until_finished("/help", "/tasks")
        await update_harness.until_confirmed(2)

    assert total(update_harness.telemetry.metrics, "updates") == 2
    assert "updates" in update_harness.telemetry.silences_s


async def test_updates_from_before_the_start_are_handled(update_harness: UpdateHarness):
    update_harness.telegram.send(ANNA, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")


async def test_every_poll_sends_the_allowed_updates(update_harness: UpdateHarness):
    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)

    assert [poll["allowed_updates"] for poll in update_harness.polls_sent] == [list(ALLOWED_UPDATES)] * len(
        update_harness.polls_sent
    )
    assert {"message", "channel_post", "my_chat_member"} <= set(ALLOWED_UPDATES)


async def test_updates_are_confirmed_only_when_their_handlers_have_finished(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        await update_harness.round_trip()
        assert update_harness.polls.started == 1
        gate.set()
        await update_harness.until_confirmed(1)

    assert update_harness.finished == ["/watch a"]


async def test_after_a_crash_an_unfinished_update_is_redelivered(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    gate.set()
    async with running(update_harness.update_poller()):
        await update_harness.until_begun("/watch a", "/watch a")
        await update_harness.until_confirmed(1)


async def test_a_slow_handler_does_not_block_others(update_harness: UpdateHarness):
    gate = update_harness.hold("/status a")

    async with running(update_harness.update_poller(grace_s=0.01)):
        update_harness.telegram.send(ANNA, "/status a")
        await update_harness.until_begun("/status a")
        update_harness.telegram.send(BORIS, "/help")
        await update_harness.until_finished("/help")
        gate.set()
        await update_harness.until_confirmed(2)

    assert update_harness.finished == ["/help", "/status a"]


async def test_messages_of_one_chat_are_handled_in_their_order(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_harness.telegram.send(ANNA, "/watch a")
    update_harness.telegram.send(ANNA, "/unwatch a")
    update_harness.telegram.send(BORIS, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_begun("/watch a", "/help")
        gate.set()
        await update_harness.until_confirmed(3)

    assert update_harness.begun.index("/unwatch a") == 2
    assert [text for text in update_harness.finished if text != "/help"] == ["/watch a", "/unwatch a"]


async def test_messages_of_one_chat_are_handled_in_order_across_polls(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")

    async with running(update_harness.update_poller(grace_s=0.01)):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        update_harness.telegram.send(ANNA, "/unwatch a")
        update_harness.telegram.send(BORIS, "/help")
        await update_harness.until_finished("/help")
        assert "/unwatch a" not in update_harness.begun
        gate.set()
        await update_harness.until_finished("/help", "/watch a", "/unwatch a")

    assert update_harness.finished == ["/help", "/watch a", "/unwatch a"]


async def test_after_a_crash_a_slow_update_and_the_later_ones_are_redelivered(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    async with running(update_harness.update_poller(grace_s=0.01)):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        update_harness.telegram.send(ANNA, "/watch b")
        update_harness.telegram.send(BORIS, "/help")
        await update_harness.until_finished("/help")

    gate.set()
    await update_harness.until_finished("/help", "/watch a", "/watch b")
    async with running(update_harness.update_poller()):
        await update_harness.until_finished(*2 * ("/help", "/watch a", "/watch b"))


async def test_a_read_only_command_is_confirmed_before_its_handler_finishes(
    update_harness: UpdateHarness,
):
    gate = update_harness.hold("/status a")

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/status a")
        await update_harness.until_begun("/status a")
        await update_harness.until_confirmed(1)
        assert update_harness.finished == []
        gate.set()
        await update_harness.until_finished("/status a")


async def test_updates_with_lower_ids_after_a_quiet_week_are_handled_once_and_confirmed(
    update_harness: UpdateHarness,
):
    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)
        update_harness.telegram.state.updates.number_from(117_314_199)
        update_harness.telegram.send(ANNA, "/tasks")
        update_harness.telegram.send(BORIS, "/tasks")
        await update_harness.telegram.wait_for(lambda: update_harness.polls_sent[-1]["offset"] == "117314201")

    assert update_harness.finished == ["/help", "/tasks", "/tasks"]
    assert len(update_harness.polls_sent) <= 4


async def test_polls_that_the_server_does_not_hold_open_are_paced(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", json_response(200, {"ok": True, "result": []}), times=3)

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [0.2] * 2  # the first is a short poll


async def test_a_second_poller_raises_second_poller(update_harness: UpdateHarness):
    loop = asyncio.create_task(update_harness.update_poller().run())
    await update_harness.telegram.wait_for(lambda: update_harness.polls_sent)
    await update_harness.application.bot.get_updates(timeout=0)

    with pytest.raises(SecondPoller, match="409 Conflict"):
        await loop


async def test_a_refused_token_raises_token_refused(update_harness: UpdateHarness):
    update_harness.telegram.token = "7000000001:AAanother"

    with pytest.raises(TokenRefused, match="TELEGRAM_BOT_TOKEN") as refusal_of_token:
        await update_harness.update_poller().run()

    assert update_harness.application.bot.token not in str(refusal_of_token.value)


async def test_network_errors_are_logged_once_and_retried(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.update_poller")
    update_harness.telegram.fail("getUpdates", DROPPED, times=3)
    update_harness.telegram.fail("getUpdates", error_response(500, "Internal Server Error"), times=3)

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")

    first, last = [record for record in caplog.records if record.name == "bot.chat.update_poller"]
    assert first.getMessage().startswith("Telegram is not responding: commands wait; retrying: ")
    assert last.getMessage().startswith("Telegram is responding again after ")
    assert update_harness.telegram.token not in caplog.text
    assert are_jittered(update_harness.slept_s, [1.0, 2.0, 4.0, 8.0, 15.0, 15.0])
    assert update_harness.telemetry.problems == {}


@pytest.mark.parametrize("fault", [DROPPED, html_response(502), error_response(404, "Not Found")])
async def test_an_outage_of_telegram_is_reported_as_a_problem(update_harness: UpdateHarness, fault: Any):
    update_harness.telegram.fail("getUpdates", fault, times=None)

    async with running(update_harness.update_poller()):
        await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) >= 3)
        assert "telegram" in update_harness.telemetry.problems


async def test_the_backoff_is_reset_by_a_successful_poll(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", DROPPED, times=2)

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)
        update_harness.telegram.fail("getUpdates", DROPPED, times=1)
        update_harness.telegram.send(ANNA, "/tasks")
        await update_harness.telegram.wait_for(lambda: len(update_harness.slept_s) == 3)

    assert are_jittered(update_harness.slept_s, [1.0, 2.0, 1.0])


@pytest.mark.parametrize(("asked_s", "waited_s"), [(7, 7.0), (86_400, 60.0)])
async def test_retry_after_is_honoured_up_to_a_minute_and_is_no_problem(
    update_harness: UpdateHarness, asked_s: int, waited_s: float
):
    update_harness.telegram.fail("getUpdates", flood(asked_s))

    async with running(update_harness.update_poller()):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_finished("/help")

    assert sum(update_harness.slept_s) == waited_s
    assert update_harness.telemetry.problems == {}


async def test_a_response_that_takes_too_long_is_given_up_and_fewer_updates_are_requested(
    update_harness: UpdateHarness,
):
    async with running(update_harness.update_poller(fetch_s=1.0)):
        await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) == 3)
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)

    limits = [poll["limit"] for poll in update_harness.polls_sent]
    assert limits[:3] == ["100", "100", "25"]  # the first is a short poll, the second a long one that is held
    assert limits[-1] == "100"


async def test_a_single_timeout_is_retried_without_a_log_line(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.update_poller")
    update_harness.polls.failures_left = 1
    update_harness.telegram.send(ANNA, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [0.0]
    assert "bot.chat.update_poller" not in [record.name for record in caplog.records]


async def test_repeated_timeouts_are_logged(update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture):
    update_harness.polls.failures_left = 3
    update_harness.telegram.send(ANNA, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    assert are_jittered(update_harness.slept_s, [0.0, 2.0, 4.0])
    assert "Telegram is not responding: commands wait; retrying: Timed out" in caplog.messages


async def test_stopping_waits_for_handlers_and_confirms_what_they_handled(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller(grace_s=0.01)
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
    update_harness.telegram.send(ANNA, "/later")

    stopping = asyncio.create_task(update_poller.stop(60))
    started_before = update_harness.polls.started
    await update_harness.round_trip()
    assert update_harness.polls.started == started_before
    gate.set()
    await stopping

    assert update_harness.finished == ["/watch a"]
    assert update_harness.polls.started == started_before + 1
    assert update_harness.polls_sent[-1]["timeout"] == "0"
    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/watch a", "/later")


async def test_stopping_confirms_updates_that_were_in_progress(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller()
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    gate.set()
    await update_poller.stop(60)

    assert update_harness.finished == ["/watch a"]
    assert await update_harness.application.bot.get_updates() == ()


async def test_after_a_second_poller_stopping_does_not_poll(update_harness: UpdateHarness):
    update_poller = update_harness.update_poller()
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)
    update_harness.telegram.fail(
        "getUpdates", error_response(409, "Conflict: terminated by other getUpdates request")
    )
    with pytest.raises(SecondPoller):
        await update_poller.run()
    count = len(update_harness.polls_sent)

    await update_poller.stop(5)

    assert len(update_harness.polls_sent) == count


async def test_stopping_waits_only_for_the_grace_period(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller()
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    async with asyncio.timeout(30):
        await update_poller.stop(0.01)

    gate.set()
    await update_harness.round_trip()
    assert update_harness.finished == []


@pytest.mark.parametrize("fault", [error_response(409, "Conflict: terminated"), DROPPED])
async def test_stopping_ignores_an_error_of_the_last_poll(update_harness: UpdateHarness, fault: Any):
    update_poller = update_harness.update_poller()
    async with running(update_poller):
        update_harness.telegram.send(ANNA, "/help")
        await update_harness.until_confirmed(1)
    update_harness.telegram.fail("getUpdates", fault)

    await update_poller.stop(5)

    assert update_harness.polls_sent[-1]["timeout"] == "0"


async def test_stopping_before_any_update_does_not_poll(update_harness: UpdateHarness):
    await update_harness.update_poller().stop(5)

    assert update_harness.polls_sent == []


async def test_an_update_that_raises_in_the_dispatcher_is_skipped(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    update_harness.unreadable.add("/odd")
    update_harness.telegram.send(ANNA, "/odd")
    update_harness.telegram.send(ANNA, "/help")

    async with running(update_harness.update_poller()):
        await update_harness.until_finished("/help")
        await update_harness.until_confirmed(2)

    (message,) = caplog.messages
    assert message.startswith("Skipped update 700000001")
