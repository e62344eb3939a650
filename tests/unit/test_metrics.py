"""Counters and histograms."""

import platform
from datetime import timedelta

import pytest

from bot import __version__
from bot.metrics import DeliveryOutcome, Metrics, PollOutcome
from storage.models import Cause, DeliveryKind
from tests.fakes.clock import NOON
from tests.metric_totals import total


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample's value; None: there is no such series."""
    return metrics.registry.get_sample_value(f"reelwatch_{name}", labels)


def test_a_provider_has_series_at_0_for_what_alerts_need_and_no_more():
    metrics = Metrics(["wan"])
    assert value(metrics, "polls_total", provider="wan", outcome="success") is None

    metrics.polls_of("wan")

    for outcome in ("success", "failure", "abandoned"):
        assert value(metrics, "polls_total", provider="wan", outcome=outcome) == 0
    assert value(metrics, "poll_failures_total", provider="wan", cause="unreachable") == 0
    assert value(metrics, "poll_failures_total", provider="wan", cause="route_missing") is None
    assert value(metrics, "poll_lateness_seconds_count", provider="wan") == 0


def test_every_outcome_of_every_kind_of_delivery_starts_at_0():
    (family,) = Metrics().delivery_attempts.collect()

    assert len(family.samples) == len(DeliveryKind) * len(DeliveryOutcome)
    assert {sample.value for sample in family.samples} == {0}


def test_polls_are_counted_by_outcome_and_failures_by_cause():
    metrics = Metrics(["wan"])
    polls = metrics.polls_of("wan")

    polls.ended(None)
    for cause in (Cause.UNREACHABLE, Cause.UNREACHABLE, Cause.ROUTE_MISSING):
        polls.ended(cause)
    polls.abandoned()

    assert value(metrics, "polls_total", provider="wan", outcome="success") == 1
    assert value(metrics, "polls_total", provider="wan", outcome="failure") == 3
    assert value(metrics, "polls_total", provider="wan", outcome="abandoned") == 1
    assert value(metrics, "poll_failures_total", provider="wan", cause="unreachable") == 2
    assert value(metrics, "poll_failures_total", provider="wan", cause="route_missing") == 1
    assert (total(metrics, "polls"), total(metrics, "poll_failures")) == (5, 3)


@pytest.mark.parametrize(("due_in_s", "lateness_s"), [(-7.5, 7.5), (0, 0), (60, 0), (None, 0)])
def test_lateness_is_measured_from_the_due_time_and_never_negative(due_in_s: float | None, lateness_s: float):
    metrics = Metrics(["wan"])

    due_at = None if due_in_s is None else NOON + timedelta(seconds=due_in_s)
    metrics.polls_of("wan").started(due_at, at=NOON)

    assert value(metrics, "poll_lateness_seconds_sum", provider="wan") == lateness_s
    assert value(metrics, "poll_lateness_seconds_bucket", provider="wan", le="5.0") == (lateness_s <= 5)


def test_two_bots_in_one_process_count_for_themselves():
    one, other = Metrics(), Metrics()

    one.updates.inc()

    assert (total(one, "updates"), total(other, "updates")) == (1, 0)


def test_the_versions_and_the_start_are_metrics():
    metrics = Metrics(schema=9)
    python = platform.python_version()

    assert value(metrics, "build_info", version=__version__, python=python, schema="9") == 1
    assert (value(metrics, "start_time_seconds") or 0) > NOON.timestamp()


def test_names_that_are_not_configured_make_one_series_and_no_more():
    metrics = Metrics(["wan"])

    for number in range(1000):
        metrics.polls_of(f'wan"}}\n{number}').ended(Cause.NOT_CONFIGURED)

    assert value(metrics, "polls_total", provider="not_configured", outcome="failure") == 1000
    (family,) = metrics.polls.collect()
    assert len(family.samples) == len(PollOutcome)
