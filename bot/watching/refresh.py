"""One look at one task: ask the provider, see what changed, write what is news."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.providers.base import Provider, ProviderError
from bot.watching import changes
from bot.watching.ageing import AGEING, Ageing
from bot.watching.cadence import Cadence
from bot.watching.changes import Change
from bot.watching.estimate import Estimates, seen_at
from bot.watching.outlook import Outlook, outlook
from storage.models import Snapshot, Stall, Task
from storage.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look came to."""

    task: Task  # as it is now
    outlook: Outlook  # when it may end
    error: ProviderError | None  # why it brought no snapshot
    is_written: bool  # the archive has it
    is_overtaken: bool = False  # somebody else had written the task meanwhile


class Refresher:
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

    def outlook(self, task: Task) -> Outlook:
        """When the task may end, by what is known now."""
        return outlook(task, task, self._estimates)

    async def look(self, task: Task, provider: Provider, *, is_owed: Callable[[], bool]) -> Look:
        """Look once, raising StoreError only; what is no news is written only if somebody waits for it."""
        change, error = await self._ask(task, provider)
        at, ahead = self._clock(), outlook(task, change.task, self._estimates)
        next_look_at = (
            self._cadence.after_look(change.task, ahead, at=at)
            if error is None
            else self._cadence.after_failure(change.task, error, at=at)
        )
        after, events = replace(change.task, next_look_at=next_look_at), change.events
        is_written = bool(events) or _is_news(task, after) or is_owed()
        if is_written:
            if not await self._store.apply(after, events):
                return Look(task=after, outlook=ahead, error=error, is_written=False, is_overtaken=True)
            after = replace(after, version=after.version + 1)
        if error is None:  # only now: a look that cannot be written is repeated, and must not teach twice
            self._estimates.learn(task, after, at=seen_at(after))
            self._estimates.foretold(after, ahead.left_s)
        if events:
            kinds = ", ".join(event.kind for event in events)
            log.info("%s %s: %s", task.ref.provider, task.ref.external_id, kinds)
            self._ring()
        return Look(task=after, outlook=ahead, error=error, is_written=is_written)

    async def _ask(self, task: Task, provider: Provider) -> tuple[Change, ProviderError | None]:
        try:
            snapshot = await provider.fetch(task.ref.external_id)
        except ProviderError as error:
            return changes.failed(task, error, at=self._clock()), error
        change = self._seen(task, snapshot)
        if task.stall is Stall.MOVING and change.task.stall is not Stall.MOVING:
            elsewhere = await provider.fetch_elsewhere(task.ref.external_id)
            if elsewhere is not None and elsewhere.status.is_final:
                change = self._seen(task, elsewhere)
        return change, None

    def _seen(self, task: Task, snapshot: Snapshot) -> Change:
        at = self._clock()
        return self._ageing.aged(task, changes.seen(task, snapshot, at=at), at=at)


def _is_news(before: Task, after: Task) -> bool:
    """Whether there is something to keep of which nobody is told at once."""
    if before.stall is not after.stall:
        return True
    old, new = before.snapshot, after.snapshot
    return old is not None and new is not None and old.clock_ahead_s != new.clock_ahead_s
