"""When to look next: once not looking has cost as much as a look, and later while looks fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.forecast.prediction import EndPrediction
from bot.providers.base import AuthFailed, ProviderError, TaskMissing, Unavailable
from bot.watching.ageing import UNCHANGED
from storage.models import Cause, Stall, Task

POLL_PRICE_S = 1.0  # what a poll is worth in seconds of delay
SPARE_POLL_PRICE_S = 0.1  # the same where an allowance may be spent: what is left of it is lost
_MANY_FAILURES = 20
_BACK_AFTER_S = 60.0  # gateways and proxies that are away guess when they are back, and may say an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How long to wait between two looks at one task; all in seconds.

    Waits double from again_s while looks fail, up to what the failure allows.
    """

    price_by_provider_s: Mapping[str, float] = field(default_factory=dict)  # POLL_PRICE_S for those not named
    longest_s: float = 120.0  # between looks that go well, so that a task that fails out of turn is heard of
    again_s: float = 5.0  # after the first look that failed
    recheck_s: float = 15.0  # while the gateway does not know the id, not yet or not any more
    confirm_s: float = 30.0  # while a task is finished and names no video
    slowest_s: float = 120.0  # while the gateway is away or talks nonsense
    mend_s: float = 300.0  # while a person has to mend something
    unchanged_s: float = 3600.0  # once nothing has changed, or the task has brought only failures, for a day

    def next_poll_after_success(self, task: Task, outlook: EndPrediction, *, at: datetime) -> datetime | None:
        """The next look at a task that has just been seen; None when it is final or rests."""
        if task.status.is_final or task.stall is Stall.RESTING:
            return None
        if task.poll_failure is not None and task.poll_failure.cause is Cause.NO_VIDEO:
            return task.poll_failure.since + timedelta(seconds=self.confirm_s)
        wished_s = (task.snapshot and task.snapshot.poll_after_s) or 0.0
        if task.stall is Stall.UNCHANGED:
            return at + timedelta(seconds=max(self.unchanged_s, wished_s))
        price_s = self.price_by_provider_s.get(task.ref.provider, POLL_PRICE_S)
        due = datetime.fromtimestamp(outlook.due(price_s), UTC)
        return max(min(due, at + timedelta(seconds=self.longest_s)), at + timedelta(seconds=wished_s))

    def next_poll_after_failure(self, task: Task, error: ProviderError, *, at: datetime) -> datetime | None:
        """The next look after one that failed; None when the task is final."""
        if task.status.is_final:
            return None
        match error:
            case AuthFailed():
                longest_s = self.mend_s
            case _ if error.cause is Cause.ROUTE_MISSING:
                longest_s = self.mend_s
            case TaskMissing():
                longest_s = self.recheck_s
            case _ if task.stall is Stall.UNCHANGED or _is_without_answer(task, at):
                return at + timedelta(seconds=max(self.unchanged_s, requested_wait_s(error)))
            case _:
                longest_s = self.slowest_s
        wait_s = self.again_s * 2 ** min(max(task.failures - 1, 0), 10)
        return at + timedelta(seconds=max(min(wait_s, longest_s), requested_wait_s(error)))


def _is_without_answer(task: Task, at: datetime) -> bool:
    """Whether a task's polls have failed for a day; a few, as after a pause of the bot's own, say little."""
    return task.failures >= _MANY_FAILURES and at - (task.snapshot_at or task.registered_at) >= UNCHANGED


def requested_wait_s(error: ProviderError) -> float:
    """For how many seconds to heed the gateway's wish not to be asked; 0: it has none."""
    told_s = error.retry_after_s or 0.0
    return min(told_s, _BACK_AFTER_S) if isinstance(error, Unavailable) else told_s
