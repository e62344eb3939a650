from datetime import timedelta

import pytest
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter
from telegram.ext import ExtBot

from bot.messages.view import View
from bot.metrics import CallOutcome, Metrics
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.outbox.rate_limiter import ChatRateLimiter, current_permit
from bot.outbox.sender import Sender
from bot.sandbox.faults import DROPPED
from bot.sandbox.telegram import FakeTelegram
from bot.sandbox.telegram.api_errors import flood
from storage.errors import LeadershipLost
from storage.leadership import Term
from storage.outbox import ChatAddress
from tests.fakes.clock import SteadyClock
from tests.fakes.leadership import FakeLeadership
from tests.fakes.places import ANNA, GROUP


class Limited:
    """A bot with a rate limiter and a fake sleep."""

    def __init__(self, telegram: FakeTelegram) -> None:
        self.steady = SteadyClock()
        self.rate_limiter = ChatRateLimiter(clock=self.steady)
        self.metrics = Metrics()
        self.slept_s = 0.0
        self.bot: ExtBot[None] = ExtBot(
            telegram.token,
            base_url=f"{telegram.url}/bot",
            rate_limiter=CallRateLimiter(self.rate_limiter, self.metrics, sleep=self._sleep),
        )

    def calls(self) -> dict[str, float]:
        """The counted calls by outcome, those before now left out."""
        (family,) = self.metrics.telegram_calls.collect()
        return {each.labels["outcome"]: each.value for each in family.samples}

    async def _sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.steady.advance(seconds)


@pytest.fixture
async def limited(telegram: FakeTelegram):
    limited = Limited(telegram)
    async with limited.bot:
        yield limited


async def test_a_reply_is_counted(limited: Limited):
    for _ in range(5):
        await limited.bot.send_message(ANNA, "hello")

    assert limited.slept_s == 0
    assert limited.rate_limiter.throttled().to_edits == [ANNA]


async def test_a_question_about_members_does_not_wait_in_a_busy_group(limited: Limited):
    limited.rate_limiter.pause(GROUP, 30.0)

    await limited.bot.get_chat_administrators(GROUP)
    assert limited.slept_s == 0

    await limited.bot.send_message(GROUP, "hello")
    assert limited.slept_s == pytest.approx(30.0)


async def test_a_delivery_is_counted_once_and_never_waits(limited: Limited):
    limited.steady.advance(1)
    sender = Sender(limited.bot, limited.rate_limiter)
    current_permit.set(limited.rate_limiter.hold(ANNA, is_video=False))
    for _ in range(4):
        await sender.send(ChatAddress(chat_id=ANNA), View(text="hello"))

    assert limited.slept_s == 0
    assert limited.rate_limiter.available() == 1
    assert limited.rate_limiter.throttled().to_edits == [ANNA]


async def test_a_message_that_nobody_has_claimed_waits_as_a_reply_does(limited: Limited):
    sender = Sender(limited.bot, limited.rate_limiter)
    for _ in range(7):
        await sender.send(ChatAddress(chat_id=ANNA), View(text="hello"))

    assert limited.slept_s == pytest.approx(2, abs=0.1)


async def test_replies_wait_when_a_group_has_few_calls_left_in_the_minute(limited: Limited):
    for _ in range(17):
        limited.steady.advance(1)
        limited.rate_limiter.spend(GROUP)
    limited.steady.advance(5)

    await limited.bot.send_message(GROUP, "hello")

    assert limited.slept_s == pytest.approx(60.5 - 21, abs=0.1)


async def test_no_reply_waits_for_more_than_a_minute(limited: Limited):
    limited.rate_limiter.pause(GROUP, 3600)

    await limited.bot.send_message(GROUP, "hello")

    assert limited.slept_s == 60


async def test_a_flood_wait_of_a_reply_applies_to_results_too(limited: Limited, telegram: FakeTelegram):
    telegram.fail("sendMessage", flood(30))

    with pytest.raises(RetryAfter) as refused:
        await limited.bot.send_message(ANNA, "hello")

    assert refused.value.retry_after in {30, timedelta(seconds=30)}
    assert limited.rate_limiter.throttled().to_all == [ANNA]


async def test_calls_without_a_chat_are_counted_overall_and_never_wait(limited: Limited):
    limited.steady.advance(1)
    for _ in range(3):
        await limited.bot.get_me()
    await limited.bot.set_my_commands([])
    with pytest.raises(BadRequest):
        await limited.bot.answer_callback_query("unknown")
    assert limited.rate_limiter.available() == 0

    await limited.bot.get_me()

    assert limited.slept_s == 0


async def test_every_call_is_counted_by_its_outcome(limited: Limited, telegram: FakeTelegram):
    before = limited.calls()
    assert set(before) == set(CallOutcome)
    message = await limited.bot.send_message(ANNA, "hello")
    with pytest.raises(BadRequest):  # "message is not modified": the message is as it should be
        await limited.bot.edit_message_text("hello", ANNA, message.message_id)
    await limited.bot.get_me()
    for fault in (flood(30), DROPPED):
        telegram.fail("sendMessage", fault)
    with pytest.raises(RetryAfter):
        await limited.bot.send_message(ANNA, "hello")
    with pytest.raises(NetworkError):
        await limited.bot.send_message(ANNA, "hello")
    with pytest.raises((BadRequest, Forbidden)):
        await limited.bot.send_message(987654, "hello")

    after = limited.calls()

    assert {outcome: after[outcome] - before[outcome] for outcome in after} == {
        "success": 3,
        "flood_wait": 1,
        "refused": 1,
        "failed": 1,
    }


async def test_without_the_leadership_no_call_is_made_but_the_removal_of_a_message(telegram: FakeTelegram):
    leadership = FakeLeadership(is_held=True)
    limiter = CallRateLimiter(ChatRateLimiter(), ensure_leads=Term(leadership).ensure)
    async with ExtBot(telegram.token, base_url=f"{telegram.url}/bot", rate_limiter=limiter) as bot:
        message = await bot.send_message(ANNA, "hello")
        leadership.is_held = False
        count = len(telegram.requests)

        with pytest.raises(LeadershipLost):
            await bot.send_message(ANNA, "hello")
        assert len(telegram.requests) == count
        await bot.delete_message(ANNA, message.message_id)

    assert telegram.messages(ANNA) == []
