"""The metrics of this process, in Prometheus' types.

Every metric has a fixed set of label values, or one per configured provider; ids, chats and texts are never
labels. A counter starts at 0 for each label value that an alert needs, since rate() misses a first increase
from nothing; causes are many and most never occur, so only those that an operator acts on start at 0.
Gauges that are read at scrape time are in bot/http/exposition.py and bot/polling/gauges.py. docs/metrics.md
lists all metrics.
"""

import platform
from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from bot import __version__
from storage.models import Cause, DeliveryKind

disable_created_metrics()  # type: ignore[no-untyped-call] # series that Prometheus does not use

_LATENESS_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_VIDEO_DELAY_BUCKETS_S = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_DOWNLOAD_BUCKETS_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0)
NOT_CONFIGURED = "not_configured"  # the label of all providers that only tasks name
_ALERTED_CAUSES = (
    Cause.KEY_INVALID,
    Cause.KEY_EXHAUSTED,
    Cause.NOT_ALLOWED,
    Cause.RATE_LIMITED,
    Cause.UNREACHABLE,
    Cause.PROXY,
)


class PollOutcome(StrEnum):
    """How a poll of a gateway ended."""

    SUCCESS = "success"  # a snapshot
    FAILURE = "failure"  # no snapshot; reelwatch_poll_failures_total has the cause
    ABANDONED = "abandoned"  # the result was not stored


class DeliveryOutcome(StrEnum):
    """How one attempt to deliver ended."""

    SENT = "sent"
    LINK = "link"  # a link instead of the video
    UNKNOWN = "unknown"  # the response was lost: it may have been sent
    FAILED = "failed"  # permanently
    THROTTLED = "throttled"  # Telegram's flood wait
    UNREACHABLE = "unreachable"  # Telegram did not respond
    RETRIED = "retried"  # any other failure that is retried


class CallOutcome(StrEnum):
    """How a call of the Bot API ended."""

    SUCCESS = "success"
    FLOOD_WAIT = "flood_wait"  # 429: Telegram requests a pause
    REFUSED = "refused"  # 4xx: the call is invalid, or not allowed in this chat
    FAILED = "failed"  # no response, or an invalid one


class Metrics:
    """All metrics, in a registry of their own, so that several bots may run in one process."""

    def __init__(self, providers: Collection[str] = (), *, schema: int = 0) -> None:
        """providers: the names that the settings configure. schema: the database's version, 0: unknown."""
        self._providers = frozenset(providers)
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.polls = counter("reelwatch_polls_total", "Polls of gateways.", ["provider", "outcome"])
        self.poll_failures = counter(
            "reelwatch_poll_failures_total",
            "Polls of gateways that brought no snapshot.",
            ["provider", "cause"],
        )
        self.poll_lateness = histogram(
            "reelwatch_poll_lateness_seconds",
            "Time from a task's due time to its request.",
            ["provider"],
            buckets=_LATENESS_BUCKETS_S,
        )
        self.updates = counter("reelwatch_updates_total", "Updates from Telegram that were handled.")
        self.webhook_pending_updates = Gauge(
            "reelwatch_webhook_pending_updates",
            "Updates that wait at Telegram, as it last reported; only with a webhook.",
            registry=self.registry,
        )
        self.updates_dropped = counter(
            "reelwatch_updates_dropped_total", "Commands dropped because too many were pending."
        )
        self.delivery_attempts = counter(
            "reelwatch_delivery_attempts_total", "Attempts to send or edit a message.", ["kind", "outcome"]
        )
        for kind, outcome in product(DeliveryKind, DeliveryOutcome):
            self.delivery_attempts.labels(kind, outcome)
        self.video_delay = histogram(
            "reelwatch_video_delay_seconds",
            "Time from the end of the task at the gateway, or the command if that was later, to the video.",
            ["provider"],
            buckets=_VIDEO_DELAY_BUCKETS_S,
        )
        for provider in self._providers:
            self.video_delay.labels(provider)
        self._add_telegram(counter)
        self._add_downloads(counter, histogram)
        self._add_process(schema)

    def _add_telegram(self, counter: Callable[..., Counter]) -> None:
        self.telegram_calls = counter(
            "reelwatch_telegram_calls_total",
            "Calls of the Bot API, and of getUpdates those that were told to wait.",
            ["outcome"],
        )
        for outcome in CallOutcome:
            self.telegram_calls.labels(outcome)
        self.paused_chats = Gauge(
            "reelwatch_telegram_paused_chats",
            "Chats in which Telegram has requested a pause that is not over.",
            registry=self.registry,
        )
        self.allowed_chats = Gauge(
            "reelwatch_allowed_chats",
            "Chats and users that may use the bot, admins included; +Inf: everyone.",
            registry=self.registry,
        )

    def _add_downloads(self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]) -> None:
        self.downloads = counter(
            "reelwatch_downloads_total", "Downloads of videos that have ended.", ["outcome"]
        )
        self.download_bytes = counter(
            "reelwatch_download_bytes_total", "Bytes of the videos that were downloaded."
        )
        self.download_seconds = histogram(
            "reelwatch_download_seconds",
            "Duration of the downloads of videos, failed ones included.",
            buckets=_DOWNLOAD_BUCKETS_S,
        )
        self.downloads_in_progress = Gauge(
            "reelwatch_downloads_in_progress", "Downloads of videos in progress.", registry=self.registry
        )

    def _add_process(self, schema: int) -> None:
        start = Gauge("reelwatch_start_time_seconds", "Start, in seconds since 1970.", registry=self.registry)
        start.set_to_current_time()
        Info(
            "reelwatch_build",
            "The versions of the program, of Python and of the database's schema.",
            registry=self.registry,
        ).info({"version": __version__, "python": platform.python_version(), "schema": str(schema)})
        ProcessCollector(registry=self.registry)

    def label_of(self, provider: str) -> str:
        """The label of a provider; those that the settings do not configure share one."""
        return provider if provider in self._providers else NOT_CONFIGURED

    def polls_of(self, provider: str) -> "ProviderPolls":
        """The metrics of one provider's polls; they start at 0."""
        return ProviderPolls(self, self.label_of(provider))

    @property
    def videos(self) -> int:
        """Videos that were sent since the start."""
        samples = (each for family in self.video_delay.collect() for each in family.samples)
        return int(sum(each.value for each in samples if each.name.endswith("_count")))


class ProviderPolls:
    """The metrics of one provider's polls, bound once: looking up labels would cost each poll more."""

    def __init__(self, metrics: Metrics, provider: str) -> None:
        self._outcomes = {outcome: metrics.polls.labels(provider, outcome) for outcome in PollOutcome}
        self._failures = {cause: metrics.poll_failures.labels(provider, cause) for cause in _ALERTED_CAUSES}
        self._lateness = metrics.poll_lateness.labels(provider)
        self._metrics = metrics
        self._provider = provider

    def started(self, due_at: datetime | None, *, at: datetime) -> None:
        """A poll starts; one before its due time, as to probe the gateway, is not late."""
        self._lateness.observe(0.0 if due_at is None or due_at > at else (at - due_at).total_seconds())

    def abandoned(self) -> None:
        """A poll has ended without a result that could be stored."""
        self._outcomes[PollOutcome.ABANDONED].inc()

    def ended(self, cause: Cause | None) -> None:
        """A poll has ended; cause: of its failure, None: it succeeded."""
        self._outcomes[PollOutcome.SUCCESS if cause is None else PollOutcome.FAILURE].inc()
        if cause is not None:
            failures = self._failures.get(cause) or self._metrics.poll_failures.labels(self._provider, cause)
            failures.inc()
