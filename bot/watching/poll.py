"""One look at one task: ask the provider, see what changed, write what is news."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.forecast.estimates import Estimates, last_alive_at
from bot.forecast.prediction import EndPrediction, predict
from bot.providers.base import Provider, ProviderError
from bot.watching import changes
from bot.watching.ageing import AGEING, Ageing
from bot.watching.cadence import Cadence
from bot.watching.changes import Change
from storage.models import Snapshot, Stall, Task
from storage.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What a look came to."""

    task: Task  # as it is now
    prediction: EndPrediction  # when it may end
    error: ProviderError | None  # why it brought no snapshot
    is_written: bool  # the archive has it
    is_superseded: bool = False  # somebody else had written the task meanwhile


class Poller:
    """Looks at tasks; tells nobody but the archive, and rings when there is something to send."""

    def __init__(
        self,
        store: Store,
        cadence: Cadence,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        ring: Callable[[], None],
        ageing: Ageing = AGEING,
    ) -> None:
        self._store = store
        self._cadence = cadence
        self._estimates = estimates
        self._clock = clock
        self._ring = ring
        self._ageing = ageing

    def predict(self, task: Task) -> EndPrediction:
        """When the task may end, by what is known now."""
        return predict(task, task, self._estimates)

    async def poll(self, task: Task, provider: Provider, *, is_owed: Callable[[], bool]) -> PollResult:
        """Look once, raising StoreError only; what is no news is written only if somebody waits for it."""
        change, error = await self._ask(task, provider)
        at, ahead = self._clock(), predict(task, change.task, self._estimates)
        next_poll_at = (
            self._cadence.next_poll_after_success(change.task, ahead, at=at)
            if error is None
            else self._cadence.next_poll_after_failure(change.task, error, at=at)
        )
        after, events = replace(change.task, next_poll_at=next_poll_at), change.events
        is_written = bool(events) or _is_news(task, after) or is_owed()
        if is_written:
            if not await self._store.apply(after, events):
                return PollResult(
                    task=after, prediction=ahead, error=error, is_written=False, is_superseded=True
                )
            after = replace(after, version=after.version + 1)
        if error is None:  # only now: a look that cannot be written is repeated, and must not teach twice
            self._estimates.learn(task, after, at=last_alive_at(after))
            self._estimates.expect(after, ahead.remaining_s)
        if events:
            kinds = ", ".join(event.kind for event in events)
            log.info("%s %s: %s", task.ref.provider, task.ref.external_id, kinds)
            self._ring()
        return PollResult(task=after, prediction=ahead, error=error, is_written=is_written)

    async def _ask(self, task: Task, provider: Provider) -> tuple[Change, ProviderError | None]:
        try:
            snapshot = await provider.fetch(task.ref.external_id)
        except ProviderError as error:
            return changes.on_failure(task, error, at=self._clock()), error
        change = self._seen(task, snapshot)
        if task.stall is Stall.MOVING and change.task.stall is not Stall.MOVING:
            elsewhere = await provider.fetch_elsewhere(task.ref.external_id)
            if elsewhere is not None and elsewhere.status.is_final:
                change = self._seen(task, elsewhere)
        return change, None

    def _seen(self, task: Task, snapshot: Snapshot) -> Change:
        at = self._clock()
        return self._ageing.aged(task, changes.on_snapshot(task, snapshot, at=at), at=at)


def _is_news(before: Task, after: Task) -> bool:
    """Whether there is something to keep of which nobody is told at once."""
    if before.stall is not after.stall:
        return True
    old, new = before.snapshot, after.snapshot
    return old is not None and new is not None and old.clock_ahead_s != new.clock_ahead_s
