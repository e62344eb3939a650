"""When to poll next: when the expected delay reaches the price of a poll; with a backoff while polls fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from bot.backoff import Backoff
from bot.forecast.prediction import EndPrediction
from bot.providers.base import AuthFailed, ProviderError, TaskMissing, Unavailable
from bot.watching.ageing import UNCHANGED
from storage.models import Cause, Stall, Task

POLL_PRICE_S = 1.0  # the expected delay, in seconds, at which a poll pays
SPARE_POLL_PRICE_S = 0.1  # the same for keys with a configured rate: unused requests are lost
_MANY_FAILURES = 20  # in a row, before a task counts as failing for a day
_LONGEST_RETRY_AFTER_S = 60.0  # of a gateway that is away: its Retry-After is a guess, up to an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """Seconds between two polls of one task.

    After failures it backs off from again_s up to the bound for that failure; a Retry-After is respected.
    """

    price_by_provider_s: Mapping[str, float] = field(default_factory=dict)  # POLL_PRICE_S for those not named
    longest_s: float = 120.0  # the most between successful polls, as a task may fail at any time
    again_s: float = 5.0  # after the first failed poll
    recheck_s: float = 15.0  # bound while the id is unknown
    confirm_s: float = 30.0  # after the first success without a video link
    slowest_s: float = 120.0  # bound while the gateway is away or its responses are invalid
    mend_s: float = 300.0  # bound while an admin has to fix a key or a URL
    unchanged_s: float = 3600.0  # after a day without a change or a successful poll
    random: Random = field(default_factory=Random, repr=False, compare=False)  # of the jitter

    def next_poll_after_success(
        self, task: Task, prediction: EndPrediction, *, at: datetime
    ) -> datetime | None:
        """The next poll after a successful one; None if the task is final or no longer polled."""
        if task.status.is_final or task.stall is Stall.RESTING:
            return None
        if task.poll_failure is not None and task.poll_failure.cause is Cause.NO_VIDEO:
            return task.poll_failure.since + timedelta(seconds=self.confirm_s)
        requested_s = (task.snapshot and task.snapshot.poll_after_s) or 0.0
        if task.stall is Stall.UNCHANGED:
            return at + timedelta(seconds=max(self.unchanged_s, requested_s))
        price_s = self.price_by_provider_s.get(task.ref.provider, POLL_PRICE_S)
        due = datetime.fromtimestamp(prediction.due(price_s), UTC)
        return max(min(due, at + timedelta(seconds=self.longest_s)), at + timedelta(seconds=requested_s))

    def next_poll_after_failure(self, task: Task, error: ProviderError, *, at: datetime) -> datetime | None:
        """The next poll after a failed one; None if the task is final."""
        if task.status.is_final:
            return None
        # So many that it is not just the bot that was off.
        fails_for_a_day = (
            task.failures >= _MANY_FAILURES and at - (task.snapshot_at or task.registered_at) >= UNCHANGED
        )
        match error:
            case AuthFailed():
                longest_s = self.mend_s
            case _ if error.cause is Cause.ROUTE_MISSING:
                longest_s = self.mend_s
            case TaskMissing():
                longest_s = self.recheck_s
            case _ if task.stall is Stall.UNCHANGED or fails_for_a_day:
                return at + timedelta(seconds=max(self.unchanged_s, requested_wait_s(error)))
            case _:
                longest_s = self.slowest_s
        backoff = Backoff(first_s=self.again_s, limit_s=longest_s, random=self.random)
        wait_s = max(backoff.delay_s(max(task.failures, 1)), requested_wait_s(error))
        return at + timedelta(seconds=wait_s)


def requested_wait_s(error: ProviderError) -> float:
    """The Retry-After to respect, in seconds, bounded while the gateway is away; 0: none."""
    retry_after_s = error.retry_after_s or 0.0
    return min(retry_after_s, _LONGEST_RETRY_AFTER_S) if isinstance(error, Unavailable) else retry_after_s
