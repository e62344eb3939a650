"""The metrics of polling that are computed at each scrape: the keys' rate limits, and overdue polls."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.metrics import Metrics
from bot.polling.leased_tasks import KeyGroup

OVERDUE_AFTER_S = 10.0  # shorter waits are part of the schedule where a key's rate limit binds


class PollingGauges(Collector):
    """Collects the metrics of the keys that the settings configure, and of the tasks leased here."""

    def __init__(
        self,
        groups: Sequence[KeyGroup],
        metrics: Metrics,
        *,
        overdue_s: Callable[[], Mapping[str, Sequence[float]]],
        now: Callable[[], float],
    ) -> None:
        """overdue_s: for how long polls have been due, by provider. now: the rate limiters' clock."""
        self._groups = {",".join(sorted(group.providers)): group for group in groups if group.state}
        self._metrics = metrics
        self._overdue_s = overdue_s
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """The metrics; called by generate_latest()."""
        yield from self._of_keys()
        yield from self._of_overdue_polls()

    def _of_keys(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "reelwatch_key_requests", "Requests to gateways with one API key.", labels=["key_group"]
        )
        rate = GaugeMetricFamily(
            "reelwatch_key_limit_requests_per_second",
            "Requests per second that the bot allows itself with one API key at present.",
            labels=["key_group"],
        )
        tokens = GaugeMetricFamily(
            "reelwatch_key_available_requests",
            "Requests that one API key's rate limit allows at once; 0 during a pause.",
            labels=["key_group"],
        )
        in_flight = GaugeMetricFamily(
            "reelwatch_key_polls_in_flight", "Polls without a response yet.", labels=["key_group"]
        )
        now = self._now()
        for names, group in self._groups.items():
            limiter = group.limiter
            requests.add_metric([names], limiter.requests)
            rate.add_metric([names], limiter.rate)
            tokens.add_metric([names], limiter.tokens(now))
            in_flight.add_metric([names], limiter.in_flight)
        return requests, rate, tokens, in_flight

    def _of_overdue_polls(self) -> Iterable[Metric]:
        late_s: dict[str, list[float]] = {
            name: [] for group in self._groups.values() for name in group.providers
        }
        for provider, found_s in self._overdue_s().items():
            late_s.setdefault(self._metrics.label_of(provider), []).extend(found_s)
        count = GaugeMetricFamily(
            "reelwatch_overdue_polls",
            f"Tasks whose poll has been due for more than {OVERDUE_AFTER_S:.0f} s.",
            labels=["provider"],
        )
        longest = GaugeMetricFamily(
            "reelwatch_overdue_poll_seconds",
            "Time since the poll was due that has been due for longest; 0: none is due.",
            labels=["provider"],
        )
        for name, each_s in late_s.items():
            count.add_metric([name], sum(seconds > OVERDUE_AFTER_S for seconds in each_s))
            longest.add_metric([name], max(each_s, default=0.0))
        return count, longest
