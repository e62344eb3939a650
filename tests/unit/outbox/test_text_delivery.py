"""Cards, notices and failures as a chat shows them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.forecast.estimates import Estimates
from bot.outbox.results import Sent
from bot.outbox.sender import Sender
from bot.outbox.text_delivery import TextDelivery
from bot.sandbox.telegram import FakeTelegram
from storage.chat_settings import ChatSettings, Sound
from storage.models import Cause, DeliveryKind, TaskStatus
from storage.outbox import ChatAddress, Delivery, WatchDelivery
from storage.watches import WatchedTask
from tests.fakes.clock import FrozenClock
from tests.fakes.places import ANNA
from tests.unit.messages.builders import NOW, failed, failing, snapshot, watched


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def estimates() -> Estimates:
    return Estimates()


@pytest.fixture
def texts(sender: Sender, estimates: Estimates, clock: FrozenClock) -> TextDelivery:
    return TextDelivery(sender, estimates, clock=clock)


def outgoing(what: WatchedTask, kind: DeliveryKind = DeliveryKind.CARD, **fields: Any) -> WatchDelivery:
    """A claimed delivery for Anna; fields are those of the watch."""
    watch = replace(what.watch, chat_id=ANNA, request_message_id=None, **fields)
    address = ChatAddress(chat_id=ANNA, thread_id=watch.thread_id)
    delivery = Delivery(id=1, address=address, kind=kind)
    return WatchDelivery(delivery=delivery, watch=watch, task=what.task)


def running(**fields: Any) -> WatchedTask:
    """A task that was submitted 113 seconds ago."""
    said = snapshot(TaskStatus.RUNNING, model="wan2.2")
    return watched(TaskStatus.RUNNING, snapshot=said, last_poll_at=NOW, **fields)


def learn(estimates: Estimates, *durations_s: float, model: str = "wan2.2") -> None:
    """Record past tasks of this model with these durations."""
    for duration_s in durations_s:
        born = NOW - timedelta(seconds=duration_s)
        fields: dict[str, Any] = {"model": model, "submitted_at": born}
        before = watched(TaskStatus.RUNNING, snapshot=snapshot(TaskStatus.RUNNING, **fields), snapshot_at=NOW)
        over = snapshot(TaskStatus.SUCCEEDED, **fields)
        after = replace(before.task, status=TaskStatus.SUCCEEDED, snapshot=over)
        estimates.learn(before.task, after, at=NOW)


def lines(telegram: FakeTelegram) -> list[str]:
    """The last message, line by line."""
    return (telegram.messages(ANNA)[-1].text or "").split("\n")


async def test_a_card_shows_the_remaining_time(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram
):
    learn(estimates, *range(213, 413, 20))  # 100, 120, … 280 s from now

    await texts.card(outgoing(running()))

    assert "about 3 min left (1 min 30 s – 4 min 30 s)" in lines(telegram)


async def test_a_card_is_in_the_language_of_the_watch(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram
):
    learn(estimates, *range(213, 413, 20))

    await texts.card(outgoing(running(language="zh")))

    assert any(line.startswith("大约还需 3 分钟") for line in lines(telegram))


async def test_a_forecast_follows_the_clock(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram, clock: FrozenClock
):
    learn(estimates, *range(213, 413, 20))
    clock.advance(60)

    await texts.card(outgoing(running()))

    assert "about 2 min left (40 s – 3 min 30 s)" in lines(telegram)


@pytest.mark.parametrize(
    ("what", "sounds"),
    [(running(), {Sound.ALL}), (failed(Cause.MODERATION), set())],
)
async def test_a_card_sounds_only_in_a_chat_that_wants_all_and_before_the_end(
    texts: TextDelivery, telegram: FakeTelegram, what: WatchedTask, sounds: set[Sound]
):
    for sound in Sound:
        await texts.card(replace(outgoing(what), settings=ChatSettings(sound=sound)))

    silent = [
        "disable_notification" in each.params for each in telegram.requests if each.method == "sendMessage"
    ]
    assert silent == [sound not in sounds for sound in Sound]


async def test_a_task_past_the_expected_range_takes_longer_than_usual(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram
):
    learn(estimates, *range(20, 110, 10))

    await texts.card(outgoing(running()))

    assert "longer than usual" in lines(telegram)


@pytest.mark.parametrize("durations_s", [(), (200, 210), (50, 60, 70, 200, 210)])
async def test_a_card_forecasts_nothing_where_fewer_than_three_tasks_took_as_long(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram, durations_s: tuple[float, ...]
):
    learn(estimates, *durations_s)

    await texts.card(outgoing(running()))

    assert not any(" left" in line for line in lines(telegram))


async def test_durations_of_another_model_are_not_used(
    texts: TextDelivery, estimates: Estimates, telegram: FakeTelegram
):
    learn(estimates, *range(213, 413, 20), model="wan2.1")

    await texts.card(outgoing(running()))

    assert not any(" left" in line for line in lines(telegram))


async def test_a_card_that_would_show_the_same_is_not_edited(texts: TextDelivery, telegram: FakeTelegram):
    result, digest = await texts.card(outgoing(running()))
    assert isinstance(result, Sent)
    calls = len(telegram.requests)
    shown = outgoing(running(), card_message_id=result.message_id, card_digest=digest)

    assert await texts.card(shown) == (Sent(result.message_id, is_response=False), digest)

    assert len(telegram.requests) == calls


async def test_a_card_that_shows_something_else_is_edited_in_place(
    texts: TextDelivery, telegram: FakeTelegram, clock: FrozenClock
):
    result, digest = await texts.card(outgoing(running()))
    assert isinstance(result, Sent)
    clock.advance(60)

    edited = outgoing(running(), card_message_id=result.message_id, card_digest=digest)
    assert await texts.card(edited) != (result, digest)

    (card,) = telegram.messages(ANNA)
    assert card.message_id == result.message_id
    assert "2 min 53 s" in (card.text or "")


async def test_a_deleted_card_is_sent_again(texts: TextDelivery, telegram: FakeTelegram):
    result, _ = await texts.card(outgoing(running(), card_message_id=999, card_digest="other"))

    (card,) = telegram.messages(ANNA)
    assert result == Sent(card.message_id)


async def test_a_notice_and_a_failure_are_new_messages(texts: TextDelivery, telegram: FakeTelegram):
    notice = outgoing(failing(Cause.KEY_EXHAUSTED), DeliveryKind.NOTICE, card_message_id=1)
    failure = outgoing(failed(Cause.MODERATION), DeliveryKind.RESULT, card_message_id=1)

    results = [await texts.notice(notice), (await texts.failure(failure))[0]]

    messages = telegram.messages(ANNA)
    assert results == [Sent(message.message_id) for message in messages]
    assert "out of credit" in (messages[0].text or "")
