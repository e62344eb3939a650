import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from telegram.error import Forbidden, RetryAfter

from bot.chat.reply_queue import QUEUED_PER_CHAT, ReplyQueue
from storage.errors import LeadershipLost


class Telegram:
    """Records what is sent, or raises the next error."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.slept_s: list[float] = []
        self.errors: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.has_sent = asyncio.Event()

    async def send(self, text: str) -> None:
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(text)
        self.has_sent.set()

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


@pytest.fixture
def telegram() -> Telegram:
    return Telegram()


@pytest.fixture
def queue(telegram: Telegram) -> ReplyQueue:
    return ReplyQueue(sleep=telegram.sleep)


async def test_replies_of_a_chat_are_sent_in_order(telegram: Telegram, queue: ReplyQueue):
    for text in "abc":
        assert queue.put(1, partial(telegram.send, text))
    await queue.drain()
    assert telegram.sent == ["a", "b", "c"]


async def test_a_chat_with_queued_replies_delays_no_other(telegram: Telegram, queue: ReplyQueue):
    telegram.gate.clear()
    queue.put(1, lambda: telegram.send("late"))
    other = Telegram()
    queue.put(2, lambda: other.send("soon"))
    async with asyncio.timeout(30):
        await other.has_sent.wait()
    assert telegram.sent == []
    queue.cancel()
    await queue.drain()


async def test_a_rate_limited_reply_is_sent_again(telegram: Telegram, queue: ReplyQueue):
    telegram.errors = [RetryAfter(7), RetryAfter(2)]
    queue.put(1, lambda: telegram.send("a"))
    await queue.drain()
    assert telegram.sent == ["a"]
    assert telegram.slept_s == [7.0, 2.0]


@pytest.mark.parametrize(
    "error", [lambda: Forbidden("blocked"), lambda: RetryAfter(3600), lambda: RuntimeError("closed")]
)
async def test_a_failed_reply_does_not_block_the_next(
    telegram: Telegram, queue: ReplyQueue, caplog: pytest.LogCaptureFixture, error: Callable[[], Exception]
):
    telegram.errors = [error()]
    queue.put(1, lambda: telegram.send("a"))
    queue.put(1, lambda: telegram.send("b"))
    await queue.drain()
    assert telegram.sent == ["b"]
    assert "chat 1" in caplog.text.lower()


async def test_the_queued_replies_of_a_chat_are_limited(telegram: Telegram, queue: ReplyQueue):
    telegram.gate.clear()
    taken = [queue.put(1, lambda: telegram.send("a")) for _ in range(QUEUED_PER_CHAT + 5)]
    assert taken.count(False) == 5
    assert queue.put(2, lambda: telegram.send("b"))
    queue.cancel()
    await queue.drain()


async def test_the_queued_replies_of_all_chats_are_limited(telegram: Telegram, queue: ReplyQueue):
    telegram.gate.clear()
    taken = [queue.put(chat_id, partial(telegram.send, "a")) for chat_id in range(1, 1003)]
    assert [chat_id for chat_id, is_taken in enumerate(taken, 1) if not is_taken] == [1001, 1002]
    telegram.gate.set()
    await queue.drain()
    assert len(telegram.sent) == 1000
    assert queue.put(1001, partial(telegram.send, "b")), "once they are sent there is room again"
    await queue.drain()


async def test_a_first_reply_is_sent_before_all_that_wait_even_if_the_queue_is_full(
    telegram: Telegram, queue: ReplyQueue
):
    telegram.gate.clear()
    for number in range(QUEUED_PER_CHAT):
        queue.put(1, partial(telegram.send, str(number)))
    assert not queue.put(1, partial(telegram.send, "late"))
    assert queue.put(1, partial(telegram.send, "first"), is_first=True)
    telegram.gate.set()
    await queue.drain()
    assert telegram.sent[:2] == ["first", "0"]
    assert len(telegram.sent) == QUEUED_PER_CHAT + 1


async def test_a_lost_leadership_drops_the_replies_without_a_word(caplog: pytest.LogCaptureFixture):
    queue, sent = ReplyQueue(), list[str]()

    async def lost() -> None:
        raise LeadershipLost("Another process leads.")

    async def send() -> None:
        sent.append("hello")

    queue.put(1, lost)
    queue.put(1, send)
    await queue.drain()

    assert sent == []
    assert caplog.records == []
