"""The bot's changes, estimates and cadence, driven by simulated responses."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from bot.forecast.estimates import Estimates
from bot.forecast.eta import Eta
from bot.forecast.prediction import EndPrediction, predict
from bot.providers.base import ProviderError
from bot.watching import changes
from bot.watching.cadence import POLL_PRICE_S, Cadence
from storage.models import Media, Snapshot, Task, TaskRef, TaskStatus

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_SAMPLE = Media(url="https://gateway.example/film.mp4")
PROVIDER = "gateway"
_SEED = 2  # of the jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A simulated task; times are seconds since the simulation began."""

    id: int
    model: str
    chat: int
    born: float
    ends: float
    figure: float | None = None  # progress as reported while the task runs, 0 to 100


class SimulatedBot:
    """The tasks and the estimates; times are seconds since the simulation began."""

    def __init__(self, *, price_s: float = POLL_PRICE_S) -> None:
        self.estimates = Estimates()
        self._cadence = Cadence(price_by_provider_s={PROVIDER: price_s}, random=Random(_SEED))

    def register(self, job: Job, now: float) -> Task:
        """The task before its first poll."""
        return Task(
            id=job.id,
            ref=TaskRef(provider=PROVIDER, external_id=f"{job.id}"),
            status=TaskStatus.UNKNOWN,
            registered_at=time_at(now),
        )

    def on_snapshot(self, task: Task, job: Job, now: float) -> tuple[Task, float]:
        """The task after a successful poll, and when to poll next (0 if it has ended)."""
        status = TaskStatus.SUCCEEDED if job.ends <= now else TaskStatus.RUNNING
        snapshot = Snapshot(
            status=status,
            raw_status=status,
            model=job.model,
            media=_SAMPLE if status is TaskStatus.SUCCEEDED else None,
            submitted_at=time_at(job.born),
            progress=job.figure,
            progress_measured=job.figure is not None,
        )
        after = changes.on_snapshot(task, snapshot, at=time_at(now)).task
        self.estimates.learn(task, after, at=time_at(now))
        ahead = predict(task, after, self.estimates)
        self.estimates.expect(after, ahead.remaining_s)
        due = self._cadence.next_poll_after_success(after, ahead, at=time_at(now))
        return after, (due - _BEGIN).total_seconds() if due is not None else 0.0

    def on_failure(self, task: Task, error: ProviderError, now: float) -> tuple[Task, float]:
        """The task after a failed poll, and when to poll next (0 if it has ended)."""
        after = changes.on_failure(task, error, at=time_at(now)).task
        due = self._cadence.next_poll_after_failure(after, error, at=time_at(now))
        return after, (due - _BEGIN).total_seconds() if due is not None else 0.0

    def eta(self, task: Task, now: float) -> Eta | None:
        """How much longer the task may take."""
        return self.estimates.eta(task, at=time_at(now))

    def predict(self, task: Task) -> EndPrediction:
        """The input of the urgency before the first poll."""
        return self.predict_after(task, task)

    def predict_after(self, before: Task, after: Task) -> EndPrediction:
        """The input of the urgency after a poll."""
        return predict(before, after, self.estimates)


def time_at(now: float) -> datetime:
    """The wall clock's time."""
    return _BEGIN + timedelta(seconds=now)
