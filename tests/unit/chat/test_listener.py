"""The door's loop between a real HTTP client and the make-believe Telegram."""

import asyncio
import logging
from typing import Any

import pytest

from bot.chat.listener import ALLOWED_UPDATES
from bot.errors import SecondPoller, TokenRefused
from bot.sandbox.faults import DROPPED, html_answer, json_answer
from bot.sandbox.telegram.refusals import flood, refusal
from tests.unit.chat.listening import ANNA, BORIS, Door, open_to_people


async def test_what_people_write_is_handled(door: Door):
    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_finished("/help")
        door.telegram.say(ANNA, "/tasks")
        await door.until_finished("/help", "/tasks")
        await door.until_confirmed(2)

    assert door.telemetry.counters == {"updates": 2}
    assert "door" in door.telemetry.silences_s


async def test_what_was_written_before_the_start_is_handled(door: Door):
    door.telegram.say(ANNA, "/help")

    async with open_to_people(door.listener()):
        await door.until_finished("/help")


async def test_every_question_names_the_kinds_of_updates(door: Door):
    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_confirmed(1)

    assert [asked["allowed_updates"] for asked in door.asked] == [list(ALLOWED_UPDATES)] * len(door.asked)
    assert {"message", "channel_post", "my_chat_member"} <= set(ALLOWED_UPDATES)


async def test_updates_are_confirmed_only_when_their_handlers_have_finished(door: Door):
    gate = door.hold("/watch a")

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")
        await door.overtake()
        assert door.polls.begun == 1
        gate.set()
        await door.until_confirmed(1)

    assert door.finished == ["/watch a"]


async def test_a_crash_while_an_update_is_handled_brings_it_again(door: Door):
    gate = door.hold("/watch a")
    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")

    gate.set()
    async with open_to_people(door.listener()):
        await door.until_begun("/watch a", "/watch a")
        await door.until_confirmed(1)


async def test_a_handler_that_takes_long_does_not_keep_others_waiting(door: Door):
    gate = door.hold("/status a")

    async with open_to_people(door.listener(patience_s=0.01)):
        door.telegram.say(ANNA, "/status a")
        await door.until_begun("/status a")
        door.telegram.say(BORIS, "/help")
        await door.until_finished("/help")
        gate.set()
        await door.until_confirmed(2)

    assert door.finished == ["/help", "/status a"]


async def test_messages_of_one_chat_are_handled_in_their_order(door: Door):
    gate = door.hold("/watch a")
    door.telegram.say(ANNA, "/watch a")
    door.telegram.say(ANNA, "/unwatch a")
    door.telegram.say(BORIS, "/help")

    async with open_to_people(door.listener()):
        await door.until_begun("/watch a", "/help")
        gate.set()
        await door.until_confirmed(3)

    assert door.begun.index("/unwatch a") == 2
    assert [text for text in door.finished if text != "/help"] == ["/watch a", "/unwatch a"]


async def test_the_order_of_a_chat_holds_across_questions(door: Door):
    gate = door.hold("/watch a")

    async with open_to_people(door.listener(patience_s=0.01)):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")
        door.telegram.say(ANNA, "/unwatch a")
        door.telegram.say(BORIS, "/help")
        await door.until_finished("/help")
        assert "/unwatch a" not in door.begun
        gate.set()
        await door.until_finished("/help", "/watch a", "/unwatch a")

    assert door.finished == ["/help", "/watch a", "/unwatch a"]


async def test_a_slow_update_and_what_came_behind_it_come_again_after_a_crash(door: Door):
    gate = door.hold("/watch a")
    async with open_to_people(door.listener(patience_s=0.01)):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")
        door.telegram.say(ANNA, "/watch b")
        door.telegram.say(BORIS, "/help")
        await door.until_finished("/help")

    gate.set()
    await door.until_finished("/help", "/watch a", "/watch b")
    async with open_to_people(door.listener()):
        await door.until_finished(*2 * ("/help", "/watch a", "/watch b"))


async def test_a_command_that_only_reads_is_confirmed_before_it_is_answered(door: Door):
    gate = door.hold("/status a")

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/status a")
        await door.until_begun("/status a")
        await door.until_confirmed(1)
        assert door.finished == []
        gate.set()
        await door.until_finished("/status a")


async def test_what_comes_under_lower_numbers_after_a_quiet_week_is_handled_once_and_confirmed(door: Door):
    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_confirmed(1)
        door.telegram.world.updates.number_from(117_314_199)
        door.telegram.say(ANNA, "/tasks")
        door.telegram.say(BORIS, "/tasks")
        await door.telegram.wait_for(lambda: door.asked[-1]["offset"] == "117314201")

    assert door.finished == ["/help", "/tasks", "/tasks"]
    assert len(door.asked) <= 4


async def test_a_server_that_holds_no_question_is_not_hurried(door: Door):
    door.telegram.fail("getUpdates", json_answer(200, {"ok": True, "result": []}), times=3)

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_finished("/help")

    assert door.slept_s == [0.2] * 2  # the first is not to be held


async def test_a_second_poller_ends_it_with_a_name_for_that(door: Door):
    loop = asyncio.create_task(door.listener().run())
    await door.telegram.wait_for(lambda: door.asked)
    await door.application.bot.get_updates(timeout=0)

    with pytest.raises(SecondPoller, match="409 Conflict"):
        await loop


async def test_a_refused_token_ends_it_with_a_name_for_that(door: Door):
    door.telegram.token = "7000000001:AAanother"

    with pytest.raises(TokenRefused, match="TELEGRAM_BOT_TOKEN") as refusal_of_token:
        await door.listener().run()

    assert door.application.bot.token not in str(refusal_of_token.value)


async def test_network_trouble_is_told_once_and_survived(door: Door, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="bot.chat.listener")
    door.telegram.fail("getUpdates", DROPPED, times=3)
    door.telegram.fail("getUpdates", refusal(500, "Internal Server Error"), times=3)

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_finished("/help")

    first, last = [record for record in caplog.records if record.name == "bot.chat.listener"]
    assert first.getMessage().startswith("Telegram does not answer, trying on: ")
    assert last.getMessage() == "Telegram answers again."
    assert door.telegram.token not in caplog.text
    assert door.slept_s == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert door.telemetry.troubles == {}


@pytest.mark.parametrize("fault", [DROPPED, html_answer(502), refusal(404, "Not Found")])
async def test_while_telegram_is_away_health_can_tell(door: Door, fault: Any):
    door.telegram.fail("getUpdates", fault, times=None)

    async with open_to_people(door.listener()):
        await door.telegram.wait_for(lambda: len(door.asked) >= 3)
        assert "telegram" in door.telemetry.troubles


async def test_the_pauses_begin_anew_after_an_answer(door: Door):
    door.telegram.fail("getUpdates", DROPPED, times=2)

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_confirmed(1)
        door.telegram.fail("getUpdates", DROPPED, times=1)
        door.telegram.say(ANNA, "/tasks")
        await door.telegram.wait_for(lambda: len(door.slept_s) == 3)

    assert door.slept_s == [1.0, 2.0, 1.0]


async def test_telegrams_wish_to_wait_is_followed_and_no_trouble(door: Door):
    door.telegram.fail("getUpdates", flood(7))

    async with open_to_people(door.listener()):
        door.telegram.say(ANNA, "/help")
        await door.until_finished("/help")

    assert door.slept_s == [7.0]
    assert door.telemetry.troubles == {}


async def test_one_question_that_times_out_is_asked_again_in_silence(
    door: Door, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="bot.chat.listener")
    door.polls.stumbles = 1
    door.telegram.say(ANNA, "/help")

    async with open_to_people(door.listener()):
        await door.until_finished("/help")

    assert door.slept_s == [0.0]
    assert "bot.chat.listener" not in [record.name for record in caplog.records]


async def test_questions_that_keep_timing_out_are_a_trouble(door: Door, caplog: pytest.LogCaptureFixture):
    door.polls.stumbles = 3
    door.telegram.say(ANNA, "/help")

    async with open_to_people(door.listener()):
        await door.until_finished("/help")

    assert door.slept_s == [0.0, 2.0, 4.0]
    assert "Telegram does not answer, trying on: Timed out" in caplog.messages


async def test_stopping_waits_for_handlers_and_confirms_what_they_handled(door: Door):
    gate = door.hold("/watch a")
    listener = door.listener(patience_s=0.01)
    async with open_to_people(listener):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")
    door.telegram.say(ANNA, "/later")

    stopping = asyncio.create_task(listener.stop(60))
    begun_before = door.polls.begun
    await door.overtake()
    assert door.polls.begun == begun_before
    gate.set()
    await stopping

    assert door.finished == ["/watch a"]
    assert door.polls.begun == begun_before + 1
    assert door.asked[-1]["timeout"] == "0"
    async with open_to_people(door.listener()):
        await door.until_finished("/watch a", "/later")


async def test_stopping_confirms_what_was_in_hand_when_the_wish_to_stop_came(door: Door):
    gate = door.hold("/watch a")
    listener = door.listener()
    async with open_to_people(listener):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")

    gate.set()
    await listener.stop(60)

    assert door.finished == ["/watch a"]
    assert await door.application.bot.get_updates() == ()


async def test_after_a_second_poller_stopping_asks_nothing(door: Door):
    listener = door.listener()
    async with open_to_people(listener):
        door.telegram.say(ANNA, "/help")
        await door.until_confirmed(1)
    door.telegram.fail("getUpdates", refusal(409, "Conflict: terminated by other getUpdates request"))
    with pytest.raises(SecondPoller):
        await listener.run()
    asked = len(door.asked)

    await listener.stop(5)

    assert len(door.asked) == asked


async def test_stopping_does_not_wait_for_ever(door: Door):
    gate = door.hold("/watch a")
    listener = door.listener()
    async with open_to_people(listener):
        door.telegram.say(ANNA, "/watch a")
        await door.until_begun("/watch a")

    async with asyncio.timeout(5):
        await listener.stop(0.01)

    gate.set()
    await door.overtake()
    assert door.finished == []


@pytest.mark.parametrize("fault", [refusal(409, "Conflict: terminated"), DROPPED])
async def test_stopping_survives_a_last_question_that_fails(door: Door, fault: Any):
    listener = door.listener()
    async with open_to_people(listener):
        door.telegram.say(ANNA, "/help")
        await door.until_confirmed(1)
    door.telegram.fail("getUpdates", fault)

    await listener.stop(5)

    assert door.asked[-1]["timeout"] == "0"


async def test_stopping_before_anything_came_asks_nothing(door: Door):
    await door.listener().stop(5)

    assert door.asked == []


async def test_an_update_that_cannot_be_judged_does_not_keep_the_next(
    door: Door, caplog: pytest.LogCaptureFixture
):
    door.unreadable.add("/odd")
    door.telegram.say(ANNA, "/odd")
    door.telegram.say(ANNA, "/help")

    async with open_to_people(door.listener()):
        await door.until_finished("/help")
        await door.until_confirmed(2)

    assert caplog.messages == ["Update 700000001 is skipped: AttributeError"]
