"""The long-poll timeout adapts to how polls end."""

import logging

import httpx
import pytest
from telegram.error import BadRequest, Conflict, InvalidToken, NetworkError, TelegramError, TimedOut

from bot.bot_api.request import NotBotApi
from bot.chat.long_poll import HELD_S, LongPollLength
from bot.sandbox.faults import DROPPED, Fault
from bot.sandbox.telegram.server import Request
from tests.fakes.jitter import are_jittered
from tests.unit.chat.update_harness import UpdateHarness, running

GATEWAY_TIMEOUT = NetworkError("Gateway Timeout (504)")
CUT = NetworkError("httpx.RemoteProtocolError: Server disconnected")
PAGE = NotBotApi("proxy.example", is_refusal=False)


def _poll(length: LongPollLength, limit_s: float, error: TelegramError = GATEWAY_TIMEOUT) -> bool:
    """A poll without updates through a proxy with this limit; on failure, a successful short poll."""
    if length.seconds <= limit_s:
        length.succeeded(length.seconds, is_empty=True)
        return True
    length.failed(error, limit_s)
    length.short_succeeded()
    return False


@pytest.mark.parametrize("error", [GATEWAY_TIMEOUT, CUT, PAGE], ids=["504", "cut", "page"])
@pytest.mark.parametrize(("limit_s", "learnt_s"), [(1.0, 1), (1.5, 1), (5.0, 3), (10.0, 7), (20.0, 15)])
def test_one_cut_off_makes_the_next_poll_short_enough(
    error: TelegramError, limit_s: float, learnt_s: int, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    length = LongPollLength()

    assert length.failed(error, limit_s)  # possibly cut off: no outage yet
    assert length.seconds == 25
    length.short_succeeded()

    assert length.seconds == learnt_s
    assert _poll(length, limit_s)
    assert caplog.messages == [f"Long polls are cut off; reduced their timeout to {learnt_s} s."]


def test_a_client_timeout_halves_the_timeout_each_time():
    length, tried = LongPollLength(), []

    for _ in range(3):
        length.failed(TimedOut(), length.seconds + 10)
        length.short_succeeded()
        tried.append(length.seconds)

    assert tried == [12, 6, 3]


def test_an_outage_leaves_the_timeout_unchanged():
    length = LongPollLength()

    length.failed(CUT, 8.0)
    length.outage()  # the short poll fails as well
    length.short_succeeded()

    assert length.seconds == 25


@pytest.mark.parametrize(
    "error", [BadRequest("no"), Conflict("no"), InvalidToken("no"), TelegramError("no")], ids=repr
)
def test_other_errors_leave_the_timeout_unchanged(error: TelegramError):
    length = LongPollLength()

    assert not length.failed(error, 8.0)
    length.short_succeeded()

    assert length.seconds == 25


def test_a_failed_connection_leaves_the_timeout_unchanged():
    error = TimedOut()
    error.__cause__ = httpx.ConnectTimeout("")
    length = LongPollLength()

    assert not length.failed(error, 10.0)
    length.short_succeeded()

    assert length.seconds == 25


def test_two_immediate_failures_in_a_row_switch_to_short_polls():
    length = LongPollLength()

    assert not _poll(length, 0.2)
    assert length.seconds == 25
    assert not _poll(length, 0.2)

    assert length.seconds == 0


def test_the_timeout_grows_again_when_the_limit_is_gone():
    length = LongPollLength()
    _poll(length, 3.0)
    lengths = [length.seconds]

    for _ in range(500):
        assert _poll(length, 60.0)
        if length.seconds != lengths[-1]:
            lengths.append(length.seconds)

    assert lengths == [2, 7, 12, 17, 22, 25]


def test_a_permanent_limit_is_hit_less_and_less_often():
    length = LongPollLength()

    failures = sum(not _poll(length, 10.0) for _ in range(2000))

    assert failures <= 12
    assert length.seconds in {7, 12}


def test_polls_with_updates_do_not_increase_the_timeout():
    length = LongPollLength()
    _poll(length, 3.0)

    for _ in range(500):
        length.succeeded(0.1, is_empty=False)

    assert length.seconds == 2


async def test_a_cut_off_poll_is_an_outage_if_the_short_poll_fails(
    update_harness: UpdateHarness, caplog: pytest.LogCaptureFixture
):
    update_harness.telegram.fail("getUpdates", Fault(status=502, delay_s=HELD_S + 0.05), when=_is_held)
    async with running(update_harness.update_poller()):
        await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) > 1)
        update_harness.telegram.fail("getUpdates", DROPPED, when=lambda request: not _is_held(request))
        await update_harness.telegram.wait_for(lambda: len(update_harness.polls_sent) > 4)

    assert [request.get("timeout") for request in update_harness.polls_sent] == ["0", "25", "0", "0", "25"]
    assert are_jittered(update_harness.slept_s, [0.0, 2.0])
    assert len([text for text in caplog.messages if "is not responding" in text]) == 1


def _is_held(request: Request) -> bool:
    return bool(request.params["timeout"] != "0")
