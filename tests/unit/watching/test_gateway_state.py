"""The health of a gateway, derived from polls."""

import logging

import pytest

from bot.providers.base import BadResponse, ProviderError, RateLimited, TaskMissing, Unavailable
from bot.proxies.diagnosis import ProxyFault
from bot.watching.gateway_state import GatewayStates, GatewayStatus
from storage.models import Cause
from tests.fakes.clock import NOON, FrozenClock
from tests.unit.watching.tasks import AWAY, BAD_KEY, MISSING, NO_CREDIT, ODD, TOO_MANY


class Polls:
    """Polls of the tasks behind one key."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.states = GatewayStates(clock=self.clock)
        self.states.count_waiting = len
        self.state = self.states.add(["wan", "veo"], "gateway.example")

    def poll(self, *task_ids: int, error: ProviderError | None = None, for_s: float = 0.0) -> None:
        """Poll these tasks each second for so long."""
        for _ in range(max(1, round(for_s))):
            for task_id in task_ids:
                self.state.on_poll(task_id, error, at=self.clock())
            self.clock.advance(1.0)

    @property
    def problem(self) -> str | None:
        return self.states.problem_of("veo")


@pytest.fixture
def polls() -> Polls:
    return Polls()


@pytest.mark.parametrize(
    ("error", "status", "after_s"),
    [(AWAY, "away", 31), (ODD, "odd", 31), (BAD_KEY, "key", 4), (NO_CREDIT, "quota", 4)],
)
def test_failures_of_different_tasks_are_a_problem_of_all_names_behind_the_key(
    polls: Polls, error: ProviderError, status: str, after_s: int
):
    polls.poll(1, 2)
    polls.poll(1, 2, error=error, for_s=after_s - 2)
    assert polls.problem is None

    polls.poll(1, 2, error=error, for_s=3)

    assert polls.problem == status


def test_a_gateway_that_redirects_is_reported_with_where_to(polls: Polls, caplog: pytest.LogCaptureFixture):
    elsewhere = BadResponse("login.example", cause=Cause.REDIRECTED)

    polls.poll(1, 2, error=elsewhere, for_s=31)

    [report] = polls.states.reports()
    assert report.redirect_to == "login.example"
    assert "redirected to login.example" in caplog.text
    polls.poll(1, 2)
    assert polls.states.reports()[0].redirect_to is None


def dead_proxy() -> Unavailable:
    error = Unavailable("the proxy socks5://p.example:1 refuses connections", cause=Cause.PROXY)
    error.proxy_fault = ProxyFault.REFUSED
    return error


def test_a_dead_proxy_is_no_gateways_outage(polls: Polls, caplog: pytest.LogCaptureFixture):
    polls.poll(1, 2, error=dead_proxy(), for_s=32)

    assert polls.problem == "proxy"
    [report] = polls.states.reports()
    assert report.proxy_fault is ProxyFault.REFUSED
    assert "can't be reached (the proxy socks5://p.example:1 refuses connections);" in caplog.text

    polls.poll(1, 2, error=AWAY, for_s=2)
    assert polls.problem == "away"
    assert polls.states.reports()[0].proxy_fault is None


def test_the_proxy_is_reported_as_one_gateway_that_all_are_behind():
    clock = FrozenClock()
    states = GatewayStates(clock=clock, proxy="socks5://p.example:1")
    first, second = states.add(["wan"], "a.example"), states.add(["veo"], "b.example")
    assert states.proxy_report() is None

    for _ in range(32):
        for state in (first, second):
            state.on_poll(1, dead_proxy(), at=clock())
        clock.advance(1.0)
    down = states.proxy_report()
    first.on_poll(1, None, at=clock())
    second.on_poll(1, None, at=clock())
    up = states.proxy_report()

    assert down is not None
    assert up is not None
    assert (down.status, up.status) == (GatewayStatus.PROXY, GatewayStatus.UP)
    assert down.id == up.id == "socks5://p.example:1 veo,wan"


def test_without_a_proxy_there_is_no_report_of_one(polls: Polls):
    polls.poll(1, 2)

    assert polls.states.proxy_report() is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimited("no quota", cause=Cause.KEY_EXHAUSTED), "quota"),
        (TaskMissing("Invalid URL", cause=Cause.ROUTE_MISSING), "odd"),
    ],
)
def test_the_cause_of_a_failure_counts_and_not_its_class(polls: Polls, error: ProviderError, status: str):
    polls.poll(1, 2, error=error, for_s=40)

    assert polls.problem == status


def test_an_outage_of_half_a_minute_is_none(polls: Polls):
    polls.poll(1, 2)
    polls.poll(1, 2, error=AWAY, for_s=29)
    polls.poll(1)

    polls.poll(2, error=AWAY, for_s=5)

    assert polls.problem is None


def test_the_problem_of_a_gateway_shows_though_no_further_poll_comes_back(polls: Polls):
    polls.poll(1, 2, error=AWAY)
    polls.clock.advance(60)

    assert polls.problem == "away"


@pytest.mark.parametrize("error", [AWAY, BAD_KEY, ODD])
def test_tasks_that_never_succeeded_are_no_problem_of_a_gateway_that_serves_another(
    polls: Polls, error: ProviderError
):
    polls.poll(99)
    polls.poll(1, 2, 3, error=error, for_s=300)

    assert polls.problem is None


def test_one_task_that_fails_beside_others_is_no_problem_of_the_gateway(polls: Polls):
    polls.poll(1, 2)
    polls.poll(1, error=AWAY, for_s=300)

    assert polls.problem is None


def test_the_only_task_of_a_key_is_enough(polls: Polls):
    polls.poll(1)
    polls.poll(1, error=AWAY, for_s=40)

    assert polls.problem == "away"


def test_a_task_that_has_ended_is_no_evidence(polls: Polls):
    polls.poll(99)
    polls.state.forget(99)
    polls.poll(1, 2, error=AWAY, for_s=40)

    assert polls.problem == "away"


@pytest.mark.parametrize("error", [MISSING, TOO_MANY])
def test_an_unknown_id_and_a_429_are_no_problem(polls: Polls, error: ProviderError):
    polls.poll(1, 2, error=error, for_s=300)

    assert polls.problem is None


def test_one_snapshot_ends_it_and_both_changes_are_logged_once(
    polls: Polls, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    error = type(AWAY)("", cause=AWAY.cause)
    error.http_status = 503
    polls.poll(1, 2)
    polls.poll(1, 2, error=error, for_s=120)
    polls.poll(2, for_s=10)

    assert polls.problem is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "Gateway gateway.example (veo, wan) does not respond (HTTP 503); tasks that wait for it: 2",
        ),
        (
            "INFO",
            "Gateway gateway.example (veo, wan) works again after 2 min; tasks that waited for it: 2",
        ),
    ]


def test_an_outage_that_shows_itself_in_turns_is_logged_once_for_each_kind(
    polls: Polls, caplog: pytest.LogCaptureFixture
):
    polls.poll(1, 2)
    for _ in range(100):
        polls.poll(1, 2, error=AWAY, for_s=20)
        polls.poll(1, 2, error=ODD, for_s=20)

    assert [vars(record)["cause"] for record in caplog.records] == ["odd", "away"]


def test_the_report_says_since_when(polls: Polls):
    polls.poll(1, 2, error=AWAY, for_s=120)

    (report,) = polls.states.reports()
    assert (polls.clock() - report.since).total_seconds() == 120
    assert report.names == ("veo", "wan")


def test_the_report_says_when_the_state_was_found_out(polls: Polls):
    def found_at() -> float | None:
        [report] = polls.states.reports()
        return None if report.found_at is None else (report.found_at - NOON).total_seconds()

    assert found_at() is None
    polls.poll(1, 2)
    assert found_at() == 0
    polls.poll(1, 2, error=AWAY, for_s=29)
    assert found_at() == 0
    polls.poll(1, 2, error=AWAY, for_s=99)
    assert found_at() == 31
    polls.poll(1, 2, for_s=9)
    assert found_at() == 129


def test_a_problem_that_shows_itself_in_turns_is_found_out_once_for_each_kind(polls: Polls):
    found = set()
    polls.poll(1, 2)
    for _ in range(10):
        for error in (AWAY, ODD):
            polls.poll(1, 2, error=error, for_s=20)
            found.add(polls.states.reports()[0].found_at)

    assert len(found) == 3  # up, and bad in two ways


def test_a_provider_that_is_not_known_has_no_problem(polls: Polls):
    assert polls.states.problem_of("other") is None
