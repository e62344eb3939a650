"""The metrics of the keys' rate limits and of overdue polls."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry

from bot.metrics import Metrics
from bot.polling.gauges import PollingGauges
from bot.polling.leased_tasks import KeyGroup
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.providers.base import RateLimited
from bot.watching.gateway_state import GatewayState
from storage.models import Cause
from tests.fakes.clock import NOON
from tests.fakes.provider import ScriptedProvider
from tests.unit.polling.exchanges import exchange


def group(*names: str, rps: float, is_configured: bool = True) -> KeyGroup:
    return KeyGroup(
        providers={name: ScriptedProvider({}, name=name) for name in names},
        limiter=AdaptiveRateLimiter(rps, in_flight=8),
        state=GatewayState(names, "gateway.example", at=NOON) if is_configured else None,
    )


def registry_of(
    *groups: KeyGroup, overdue_s: Mapping[str, Sequence[float]] | None = None, now: float = 100.0
) -> CollectorRegistry:
    metrics = Metrics([name for each in groups for name in each.providers if each.state])
    registry = CollectorRegistry()
    registry.register(PollingGauges(groups, metrics, overdue_s=lambda: overdue_s or {}, now=lambda: now))
    return registry


def test_a_key_has_its_rate_its_tokens_and_its_requests_under_the_names_of_its_providers():
    known = group("wan", "veo", rps=20)
    known.limiter.on_request(100.0, 1)
    known.limiter.reserve(100.0)
    registry = registry_of(known)

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"reelwatch_key_{name}", {"key_group": "veo,wan"})

    assert value("limit_requests_per_second") == 20
    assert value("requests_total") == 2
    assert value("polls_in_flight") == 1
    assert value("available_requests") == 2  # a fifth of a second's worth, less two


def test_a_429_pauses_a_key_and_lowers_its_rate():
    known = group("wan", rps=20)
    exchange(known.limiter, 100.0, RateLimited("", cause=Cause.RATE_LIMITED))
    registry = registry_of(known, now=100.1)

    labels = {"key_group": "wan"}
    assert registry.get_sample_value("reelwatch_key_available_requests", labels) == 0
    assert registry.get_sample_value("reelwatch_key_limit_requests_per_second", labels) == 14


def test_overdue_polls_are_counted_after_ten_seconds_and_the_longest_is_measured():
    registry = registry_of(group("wan", "veo", rps=20), overdue_s={"wan": [3.0, 11.0, 600.0]})

    def value(name: str, provider: str) -> float | None:
        return registry.get_sample_value(f"reelwatch_{name}", {"provider": provider})

    assert (value("overdue_polls", "wan"), value("overdue_poll_seconds", "wan")) == (2, 600)
    assert (value("overdue_polls", "veo"), value("overdue_poll_seconds", "veo")) == (0, 0)


def test_providers_that_only_tasks_name_share_one_series_and_have_no_key():
    removed = group("old", rps=5, is_configured=False)
    registry = registry_of(group("wan", rps=20), removed, overdue_s={"old": [20.0], "older": [40.0]})

    series = {(each.name, *each.labels.values()) for family in registry.collect() for each in family.samples}

    assert registry.get_sample_value("reelwatch_overdue_polls", {"provider": "not_configured"}) == 2
    assert not [names for names in series if "old" in names or "older" in names]
