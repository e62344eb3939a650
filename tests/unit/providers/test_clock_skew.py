"""Measuring the gateways' clock skew."""

import logging
import ssl
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from bot.messages.views import cards
from bot.providers.account import Account
from bot.providers.clock_skew import ClockSkews, corrected
from bot.providers.formats.videos import Videos
from bot.providers.gateway import Gateway
from bot.providers.transport import HttpTransport
from bot.watching import changes
from storage.models import TaskStatus
from tests.fakes.clock import NOON, FrozenClock, SteadyClock
from tests.unit.messages.builders import watched
from tests.unit.messages.reading import visible
from tests.unit.providers.servers import http_server
from tests.unit.watching.tasks import snapshot

URL = "https://user:secret@gateway.example/v1/videos/1"
HOUR = 3600.0


class ClockHarness:
    """A machine at NOON, and the responses of a gateway."""

    def __init__(self) -> None:
        self.clock, self.steady = FrozenClock(), SteadyClock()
        self.skews = ClockSkews(clock=self.clock, monotonic=self.steady)

    def receive(
        self, date: str | None, *, url: str = URL, after_s: float = 61, age: str | None = None
    ) -> float:
        """Receive a response that long after the last one; return the skew."""
        self.clock.advance(after_s)
        self.steady.advance(after_s)
        told = {"date": date, "age": age}
        return self.skews.ahead_s(url, {name: said for name, said in told.items() if said is not None})

    def receive_from_clock_ahead(self, seconds: float, *, age: str | None = None) -> float:
        """Receive a response from a clock that is that far ahead."""
        then = self.clock() + timedelta(seconds=61 + seconds)
        return self.receive(http(then), age=age)


def http(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


@pytest.fixture
def harness() -> ClockHarness:
    return ClockHarness()


@pytest.mark.parametrize("ahead_s", [2 * HOUR, -2 * HOUR, 61.0, 20 * 365 * 86400.0])
def test_the_first_measurement_is_used_and_the_second_is_logged_once(
    harness: ClockHarness, ahead_s: float, caplog: pytest.LogCaptureFixture
):
    assert harness.receive_from_clock_ahead(ahead_s) == ahead_s
    assert caplog.messages == []
    for _ in range(3):
        assert harness.receive_from_clock_ahead(ahead_s) == ahead_s

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"https://gateway.example is {abs(ahead_s):.0f} s" in record.message
    assert harness.skews.measured() == {"https://gateway.example": ahead_s}


def test_a_minute_is_nothing(harness: ClockHarness, caplog: pytest.LogCaptureFixture):
    assert [harness.receive_from_clock_ahead(s) for s in (59, -59, 20, 0)] == [0, 0, 0, 0]
    assert caplog.messages == []
    assert harness.skews.measured() == {}


def test_a_change_by_more_than_a_minute_is_logged_again(
    harness: ClockHarness, caplog: pytest.LogCaptureFixture
):
    for seconds in (HOUR, HOUR, HOUR + 30, HOUR - 30, 2 * HOUR, 2 * HOUR, 0, 0, 0):
        harness.receive_from_clock_ahead(seconds)

    assert [message.split("gateway.example ")[1][:12] for message in caplog.messages] == [
        "is 3600 s ah",
        "is 7200 s ah",
        "agrees with ",
    ]


def test_dates_that_contradict_each_other_correct_nothing(
    harness: ClockHarness, caplog: pytest.LogCaptureFixture
):
    harness.receive_from_clock_ahead(-HOUR)

    assert [harness.receive_from_clock_ahead(s) for s in (0, -5 * HOUR, -HOUR, 3 * HOUR)] == [0, 0, 0, 0]
    assert caplog.messages == []


def test_the_date_of_a_cached_response_is_ignored(harness: ClockHarness):
    assert harness.receive_from_clock_ahead(-HOUR, age="3600") == 0
    assert harness.receive_from_clock_ahead(0) == 0
    kept = http(NOON)
    assert [harness.receive(kept) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    "date",
    [None, "", "yesterday", "Sun, 99 Jun 2025 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 5000],
)
def test_an_invalid_date_is_ignored(harness: ClockHarness, date: str | None):
    assert harness.receive(date) == 0


def test_a_header_is_read_once_a_minute(harness: ClockHarness):
    harness.receive_from_clock_ahead(0)

    assert harness.receive(http(NOON + timedelta(hours=9)), after_s=30) == 0
    assert harness.receive(http(NOON + timedelta(hours=9)), after_s=20) == 0
    assert harness.receive_from_clock_ahead(0) == 0


def test_each_gateway_has_its_own_clock(harness: ClockHarness):
    harness.receive_from_clock_ahead(HOUR)

    assert harness.receive(http(harness.clock()), url="http://other.example:8080/v1/videos/1", after_s=0) == 0
    assert harness.receive_from_clock_ahead(HOUR) == HOUR


def test_times_are_corrected_and_the_links_expiry_is_kept():
    media = snapshot(TaskStatus.SUCCEEDED).media
    assert media is not None
    told = snapshot(
        TaskStatus.SUCCEEDED,
        submitted_at=NOON,
        started_at=None,
        finished_at=NOON + timedelta(minutes=3),
        media=replace(media, expires_at=NOON + timedelta(hours=1)),
    )

    found = corrected(told, HOUR)

    assert found == replace(
        told,
        submitted_at=NOON - timedelta(hours=1),
        finished_at=NOON - timedelta(minutes=57),
        clock_ahead_s=HOUR,
    )
    assert corrected(told, 0) is told


@pytest.mark.parametrize("off_by_s", [2 * HOUR, -2 * HOUR])
async def test_a_card_shows_the_true_age_where_the_machine_s_clock_is_hours_off(off_by_s: float):
    truth = FrozenClock()
    machine = FrozenClock(truth() + timedelta(seconds=off_by_s))

    async def handler(_: web.Request) -> web.Response:
        body = {"id": "video_1", "status": "in_progress", "created_at": truth().timestamp() - 90}
        return web.json_response(body, headers={"Date": http(truth())})

    async with (
        http_server(handler) as address,
        HttpTransport(
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), skews=ClockSkews(clock=machine)
        ) as transport,
    ):
        account = Account(name="mine", base_url=address, key="k")
        said = await Gateway(Videos(account), transport).fetch("video_1")

    known = watched(TaskStatus.UNKNOWN)
    known = replace(known, task=replace(known.task, registered_at=machine()))
    known = replace(known, task=changes.on_snapshot(known.task, said, at=machine()).task)
    assert "1 min 30 s so far" in visible(cards.card(known, now=machine()).text)


def test_one_date_that_differs_does_not_drop_a_confirmed_skew(harness: ClockHarness):
    harness.receive_from_clock_ahead(HOUR)
    harness.receive_from_clock_ahead(HOUR)

    assert harness.receive_from_clock_ahead(100.0) == pytest.approx(HOUR, abs=2)
    assert harness.receive_from_clock_ahead(HOUR) == pytest.approx(HOUR, abs=2)
