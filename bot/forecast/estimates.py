"""Learned statistics of how long tasks take, per provider and model, from the bot's own polls."""

import json
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.forecast.eta import Eta, eta, is_longer_than_usual
from bot.forecast.life_table import LifeTable
from bot.forecast.progress import ProgressOdds
from storage.models import Task, TaskStatus

_REMEMBERED = 100  # past durations for the interval shown to users
MODELS = 200  # per provider, least recently used dropped first; names come from outside and are unbounded
_NAME_LIMIT = 100  # characters of a model's name
FORECASTS = 10_000  # pending progress forecasts; the oldest are dropped first


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """The statistics of one model."""

    table: LifeTable = field(default_factory=LifeTable)
    progress_odds: ProgressOdds = field(default_factory=ProgressOdds)
    durations_s: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def has_learned(self) -> bool:
        """Whether any poll has been counted."""
        return bool(self.durations_s) or not self.table.is_empty


class Estimates:
    """The life tables and past durations of all models."""

    def __init__(self) -> None:
        self._histories: dict[str, OrderedDict[str, _History]] = {}  # by provider and model, last used last
        self._expected: OrderedDict[int, float] = OrderedDict()  # by task id, seconds left by its progress

    def expect(self, task: Task, remaining_s: float | None) -> None:
        """Keep the progress forecast, in seconds, to score it at the next poll; None or 0: no forecast."""
        self._expected.pop(task.id, None)
        if remaining_s and not task.status.is_final:
            self._expected[task.id] = remaining_s
            if len(self._expected) > FORECASTS:
                self._expected.popitem(last=False)

    def learn(self, before: Task, after: Task, *, at: datetime) -> None:
        """Update the statistics with a successful poll at `at`.

        A task's first snapshot is not counted: it was not known to be alive before.
        """
        if before.snapshot is None or before.snapshot.status.is_final:
            return  # a final task is polled again only to confirm it
        since_s, until_s = age_s(after, last_alive_at(before)), age_s(after, at)
        history = self._history(after)
        forecast_s = self._expected.pop(after.id, None)
        has_succeeded = after.status is TaskStatus.SUCCEEDED
        # Progress predicts only a success, so no other end is scored.
        if forecast_s is not None and (has_succeeded or not after.status.is_final):
            history.progress_odds.score(forecast_s, history.table, since_s, until_s, ended=has_succeeded)
        if after.status in {TaskStatus.SUCCEEDED, TaskStatus.FAILED}:
            history.table.ended(since_s, until_s)
            history.durations_s.append((since_s + until_s) / 2)
        elif not after.status.is_final:
            history.table.survived(since_s, until_s)

    def table(self, task: Task) -> LifeTable:
        """The life table of the task's provider and model."""
        return self._history(task).table

    def progress_odds(self, task: Task) -> ProgressOdds:
        """The log odds of the progress forecast for the task's provider and model."""
        return self._history(task).progress_odds

    def eta(self, task: Task, *, at: datetime) -> Eta | None:
        """The remaining time of the task; None if there are too few past durations."""
        return eta(self._history(task).durations_s, age_s(task, at))

    def is_longer_than_usual(self, task: Task, *, at: datetime) -> bool:
        """Whether the task takes longer than the upper bound predicted at submission."""
        return is_longer_than_usual(self._history(task).durations_s, age_s(task, at))

    def to_json(self) -> str:
        """Serialise all statistics, for from_json()."""
        plain = [
            {
                "provider": provider,
                "model": model,
                "table": history.table.to_plain(),
                "progress_odds": history.progress_odds.log_odds,
                "durations_s": list(history.durations_s),
            }
            for provider, histories in self._histories.items()
            for model, history in histories.items()
            if history.has_learned
        ]
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str | None) -> "Estimates":
        """Load what to_json() returned; empty for None or anything else."""
        estimates = cls()
        try:
            estimates._load(json.loads(text or "[]"))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return cls()
        return estimates

    def _load(self, plain: Iterable[Mapping[str, Any]]) -> None:
        for record in plain:
            history = _History(
                table=LifeTable.from_plain(record["table"]),
                progress_odds=ProgressOdds(float(record["progress_odds"])),
                durations_s=deque(map(float, record["durations_s"]), maxlen=_REMEMBERED),
            )
            self._keep(record["provider"], record["model"][:_NAME_LIMIT], history)

    def _history(self, task: Task) -> _History:
        provider, model = task.ref.provider, ((task.snapshot and task.snapshot.model) or "")[:_NAME_LIMIT]
        known = self._histories.get(provider)
        history = known.get(model) if known else None
        if known and history:
            known.move_to_end(model)
        else:
            self._keep(provider, model, history := _History())
        return history

    def _keep(self, provider: str, model: str, history: _History) -> None:
        """Store as most recently used; above the bound, drop the least recently used."""
        histories = self._histories.setdefault(provider, OrderedDict())
        histories[model] = history
        histories.move_to_end(model)
        if len(histories) > MODELS:
            histories.popitem(last=False)


def submitted_at(task: Task) -> datetime:
    """When the task was submitted, by the gateway; at the latest when it was registered here."""
    submitted = task.snapshot.submitted_at if task.snapshot is not None else None
    return min(submitted, task.registered_at) if submitted is not None else task.registered_at


def last_alive_at(task: Task) -> datetime:
    """The time of the last snapshot; before the first, of the registration."""
    return task.snapshot_at or task.registered_at


def age_s(task: Task, at: datetime) -> float:
    """Seconds since submission, not below 0."""
    return max(0.0, (at - submitted_at(task)).total_seconds())
