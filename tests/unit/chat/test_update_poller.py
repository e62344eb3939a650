"""The door's loop between a real HTTP client and the make-believe Telegram."""

import asyncio
import logging
from typing import Any

import pytest

from bot.chat.update_poller import ALLOWED_UPDATES
from bot.errors import SecondPoller, TokenRefused
from bot.sandbox.faults import DROPPED, html_answer, json_answer
from bot.sandbox.telegram.api_errors import flood, refusal
from tests.unit.chat.update_harness import ANNA, BORIS, UpdateHarness, open_to_people


async def test_what_people_write_is_handled(update_harness: UpdateHarness):
    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_finished("/help")
        update_harness.telegram.say(ANNA, "/tasks")
        await update_harness.until_finished("/help", "/tasks")
        await update_harness.until_confirmed(2)

    assert update_harness.telemetry.counters == {"updates": 2}
    assert "updates" in update_harness.telemetry.silences_s


async def test_what_was_written_before_the_start_is_handled(update_harness: UpdateHarness):
    update_harness.telegram.say(ANNA, "/help")

    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished("/help")


async def test_every_question_names_the_kinds_of_updates(update_harness: UpdateHarness):
    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_confirmed(1)

    assert [asked["allowed_updates"] for asked in update_harness.asked] == [list(ALLOWED_UPDATES)] * len(
        update_harness.asked
    )
    assert {"message", "channel_post", "my_chat_member"} <= set(ALLOWED_UPDATES)


async def test_updates_are_confirmed_only_when_their_handlers_have_finished(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        await update_harness.supersede()
        assert update_harness.polls.begun == 1
        gate.set()
        await update_harness.until_confirmed(1)

    assert update_harness.finished == ["/watch a"]


async def test_a_crash_while_an_update_is_handled_brings_it_again(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    gate.set()
    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_begun("/watch a", "/watch a")
        await update_harness.until_confirmed(1)


async def test_a_handler_that_takes_long_does_not_keep_others_waiting(update_harness: UpdateHarness):
    gate = update_harness.hold("/status a")

    async with open_to_people(update_harness.update_poller(patience_s=0.01)):
        update_harness.telegram.say(ANNA, "/status a")
        await update_harness.until_begun("/status a")
        update_harness.telegram.say(BORIS, "/help")
        await update_harness.until_finished("/help")
        gate.set()
        await update_harness.until_confirmed(2)

    assert update_harness.finished == ["/help", "/status a"]


async def test_messages_of_one_chat_are_handled_in_their_order(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_harness.telegram.say(ANNA, "/watch a")
    update_harness.telegram.say(ANNA, "/unwatch a")
    update_harness.telegram.say(BORIS, "/help")

    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_begun("/watch a", "/help")
        gate.set()
        await update_harness.until_confirmed(3)

    assert update_harness.begun.index("/unwatch a") == 2
    assert [text for text in update_harness.finished if text != "/help"] == ["/watch a", "/unwatch a"]


async def test_the_order_of_a_chat_holds_across_questions(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")

    async with open_to_people(update_harness.update_poller(patience_s=0.01)):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        update_harness.telegram.say(ANNA, "/unwatch a")
        update_harness.telegram.say(BORIS, "/help")
        await update_harness.until_finished("/help")
        assert "/unwatch a" not in update_harness.begun
        gate.set()
        await update_harness.until_finished("/help", "/watch a", "/unwatch a")

    assert update_harness.finished == ["/help", "/watch a", "/unwatch a"]


async def test_a_slow_update_and_what_came_behind_it_come_again_after_a_crash(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    async with open_to_people(update_harness.update_poller(patience_s=0.01)):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
        update_harness.telegram.say(ANNA, "/watch b")
        update_harness.telegram.say(BORIS, "/help")
        await update_harness.until_finished("/help")

    gate.set()
    await update_harness.until_finished("/help", "/watch a", "/watch b")
    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished(*2 * ("/help", "/watch a", "/watch b"))


async def test_a_command_that_only_reads_is_confirmed_before_it_is_answered(update_harness: UpdateHarness):
    gate = update_harness.hold("/status a")

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/status a")
        await update_harness.until_begun("/status a")
        await update_harness.until_confirmed(1)
        assert update_harness.finished == []
        gate.set()
        await update_harness.until_finished("/status a")


async def test_what_comes_under_lower_numbers_after_a_quiet_week_is_handled_once_and_confirmed(
    update_harness: UpdateHarness,
):
    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_confirmed(1)
        update_harness.telegram.state.updates.number_from(117_314_199)
        update_harness.telegram.say(ANNA, "/tasks")
        update_harness.telegram.say(BORIS, "/tasks")
        await update_harness.telegram.wait_for(lambda: update_harness.asked[-1]["offset"] == "117314201")

    assert update_harness.finished == ["/help", "/tasks", "/tasks"]
    assert len(update_harness.asked) <= 4


async def test_a_server_that_holds_no_question_is_not_hurried(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", json_answer(200, {"ok": True, "result": []}), times=3)

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [0.2] * 2  # the first is not to be held


async def test_a_second_poller_ends_it_with_a_name_for_that(update_harness: UpdateHarness):
    loop = asyncio.create_task(update_harness.update_poller().run())
    await update_harness.telegram.wait_for(lambda: update_harness.asked)
    await update_harness.application.bot.get_updates(timeout=0)

    with pytest.raises(SecondPoller, match="409 Conflict"):
        await loop


async def test_a_refused_token_ends_it_with_a_name_for_that(update_harness: UpdateHarness):
    update_harness.telegram.token = "7000000001:AAanother"

    with pytest.raises(TokenRefused, match="TELEGRAM_BOT_TOKEN") as refusal_of_token:
        await update_harness.update_poller().run()

    assert update_harness.application.bot.token not in str(refusal_of_token.value)


async def test_network_trouble_is_told_once_and_survived(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.update_poller")
    update_harness.telegram.fail("getUpdates", DROPPED, times=3)
    update_harness.telegram.fail("getUpdates", refusal(500, "Internal Server Error"), times=3)

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_finished("/help")

    first, last = [record for record in caplog.records if record.name == "bot.chat.update_poller"]
    assert first.getMessage().startswith("Telegram does not answer, trying on: ")
    assert last.getMessage() == "Telegram answers again."
    assert update_harness.telegram.token not in caplog.text
    assert update_harness.slept_s == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert update_harness.telemetry.problems == {}


@pytest.mark.parametrize("fault", [DROPPED, html_answer(502), refusal(404, "Not Found")])
async def test_while_telegram_is_away_health_can_tell(update_harness: UpdateHarness, fault: Any):
    update_harness.telegram.fail("getUpdates", fault, times=None)

    async with open_to_people(update_harness.update_poller()):
        await update_harness.telegram.wait_for(lambda: len(update_harness.asked) >= 3)
        assert "telegram" in update_harness.telemetry.problems


async def test_the_pauses_begin_anew_after_an_answer(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", DROPPED, times=2)

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_confirmed(1)
        update_harness.telegram.fail("getUpdates", DROPPED, times=1)
        update_harness.telegram.say(ANNA, "/tasks")
        await update_harness.telegram.wait_for(lambda: len(update_harness.slept_s) == 3)

    assert update_harness.slept_s == [1.0, 2.0, 1.0]


async def test_telegrams_wish_to_wait_is_followed_and_no_trouble(update_harness: UpdateHarness):
    update_harness.telegram.fail("getUpdates", flood(7))

    async with open_to_people(update_harness.update_poller()):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [7.0]
    assert update_harness.telemetry.problems == {}


async def test_one_question_that_times_out_is_asked_again_in_silence(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.update_poller")
    update_harness.polls.stumbles = 1
    update_harness.telegram.say(ANNA, "/help")

    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [0.0]
    assert "bot.chat.update_poller" not in [record.name for record in caplog.records]


async def test_questions_that_keep_timing_out_are_a_trouble(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    update_harness.polls.stumbles = 3
    update_harness.telegram.say(ANNA, "/help")

    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished("/help")

    assert update_harness.slept_s == [0.0, 2.0, 4.0]
    assert "Telegram does not answer, trying on: Timed out" in caplog.messages


async def test_stopping_waits_for_handlers_and_confirms_what_they_handled(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller(patience_s=0.01)
    async with open_to_people(update_poller):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")
    update_harness.telegram.say(ANNA, "/later")

    stopping = asyncio.create_task(update_poller.stop(60))
    begun_before = update_harness.polls.begun
    await update_harness.supersede()
    assert update_harness.polls.begun == begun_before
    gate.set()
    await stopping

    assert update_harness.finished == ["/watch a"]
    assert update_harness.polls.begun == begun_before + 1
    assert update_harness.asked[-1]["timeout"] == "0"
    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished("/watch a", "/later")


async def test_stopping_confirms_what_was_in_hand_when_the_wish_to_stop_came(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller()
    async with open_to_people(update_poller):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    gate.set()
    await update_poller.stop(60)

    assert update_harness.finished == ["/watch a"]
    assert await update_harness.application.bot.get_updates() == ()


async def test_after_a_second_poller_stopping_asks_nothing(update_harness: UpdateHarness):
    update_poller = update_harness.update_poller()
    async with open_to_people(update_poller):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_confirmed(1)
    update_harness.telegram.fail(
        "getUpdates", refusal(409, "Conflict: terminated by other getUpdates request")
    )
    with pytest.raises(SecondPoller):
        await update_poller.run()
    asked = len(update_harness.asked)

    await update_poller.stop(5)

    assert len(update_harness.asked) == asked


async def test_stopping_does_not_wait_for_ever(update_harness: UpdateHarness):
    gate = update_harness.hold("/watch a")
    update_poller = update_harness.update_poller()
    async with open_to_people(update_poller):
        update_harness.telegram.say(ANNA, "/watch a")
        await update_harness.until_begun("/watch a")

    async with asyncio.timeout(5):
        await update_poller.stop(0.01)

    gate.set()
    await update_harness.supersede()
    assert update_harness.finished == []


@pytest.mark.parametrize("fault", [refusal(409, "Conflict: terminated"), DROPPED])
async def test_stopping_survives_a_last_question_that_fails(update_harness: UpdateHarness, fault: Any):
    update_poller = update_harness.update_poller()
    async with open_to_people(update_poller):
        update_harness.telegram.say(ANNA, "/help")
        await update_harness.until_confirmed(1)
    update_harness.telegram.fail("getUpdates", fault)

    await update_poller.stop(5)

    assert update_harness.asked[-1]["timeout"] == "0"


async def test_stopping_before_anything_came_asks_nothing(update_harness: UpdateHarness):
    await update_harness.update_poller().stop(5)

    assert update_harness.asked == []


async def test_an_update_that_cannot_be_judged_does_not_keep_the_next(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    update_harness.unreadable.add("/odd")
    update_harness.telegram.say(ANNA, "/odd")
    update_harness.telegram.say(ANNA, "/help")

    async with open_to_people(update_harness.update_poller()):
        await update_harness.until_finished("/help")
        await update_harness.until_confirmed(2)

    assert caplog.messages == ["Update 700000001 is skipped: AttributeError"]
