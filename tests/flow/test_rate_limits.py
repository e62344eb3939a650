"""Every request of a key counts against its one rate limit; only polls are counted before they are sent."""

from collections.abc import Awaitable, Callable

import pytest

from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.account import Account
from bot.providers.base import RateLimited
from bot.providers.formats.newapi import NewApi
from bot.providers.formats.videos import Videos
from bot.providers.gateway import Gateway
from storage.models import Cause, Media
from tests.fakes.transport import FakeTransport, always, json_response

TASK = "task_" + "aB3" * 10 + "Zz"
DONE = {"status": "completed", "url": "https://x.example/v"}


class Key:
    """A gateway behind a key that allows two requests a second; the clock stands still."""

    def __init__(self) -> None:
        self.limiter = AdaptiveRateLimiter(2)
        self.transport: FakeTransport = always(json_response(DONE))
        self.delays_s: list[float] = []
        account = Account(name="mine", base_url="https://gateway.example.com", key="sk-fake")
        self.gateway = Gateway(
            Videos(account),
            self.transport,
            sister=NewApi(account),
            limiter=self.limiter,
            clock=lambda: 100.0,
            sleep=self._sleep,
        )

    async def poll(self) -> None:
        """As the scheduler does, whether or not the limit allows it."""
        self.limiter.on_request(100.0, 1)
        await self.gateway.fetch(TASK, is_counted=True)
        self.limiter.on_response(100.0, 1, None, requested_at=100.0)

    async def _sleep(self, seconds: float) -> None:
        self.delays_s.append(seconds)


@pytest.mark.parametrize(
    "make_request",
    [
        lambda gateway: gateway.fetch(TASK),
        lambda gateway: gateway.fetch_elsewhere(TASK),
        lambda gateway: gateway.open_media(TASK, Media(url=None)),
    ],
    ids=["fresh link", "other endpoint", "inline video"],
)
async def test_a_request_beside_the_polls_is_counted_and_waits(
    make_request: Callable[[Gateway], Awaitable[object]],
):
    key = Key()
    await key.poll()
    await make_request(key.gateway)
    await make_request(key.gateway)

    assert key.delays_s == [0.5, 1.0]
    assert len(key.transport.requested) == 3
    assert key.limiter.ready_at(100.0) == 101.5, "the next poll comes after them"


async def test_a_poll_is_counted_once_and_does_not_wait():
    key = Key()
    await key.poll()

    assert key.delays_s == []
    assert key.limiter.ready_at(100.0) == 100.5


async def test_a_link_that_needs_no_request_is_not_counted():
    key = Key()
    await key.gateway.open_media(TASK, Media(url="https://x.example/v"))

    assert key.delays_s == []
    assert key.limiter.available(100.0) == 1


async def test_nothing_is_requested_when_the_wait_would_be_too_long():
    key = Key()
    key.limiter.on_request(100.0, 1)
    too_many = RateLimited("", cause=Cause.RATE_LIMITED, retry_after_s=3600)
    key.limiter.on_response(100.0, 1, too_many, requested_at=100.0)

    with pytest.raises(RateLimited):
        await key.gateway.fetch(TASK)
    assert await key.gateway.fetch_elsewhere(TASK) is None
    assert key.transport.requested == []
