"""One look at one task: ask the provider, see what changed, write it down."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.providers.base import Provider, ProviderError
from bot.watching import changes
from bot.watching.cadence import Cadence
from storage.models import Task
from storage.store import Store

log = logging.getLogger(__name__)


class Refresher:
    """Looks at tasks; tells nobody but the archive, and rings when there is something to send."""

    def __init__(
        self, store: Store, cadence: Cadence, *, clock: Callable[[], datetime], ring: Callable[[], None]
    ) -> None:
        self._store = store
        self._cadence = cadence
        self._clock = clock
        self._ring = ring

    async def look(self, task: Task, provider: Provider) -> ProviderError | None:
        """Look once and write what came of it; the error if the look failed, raising StoreError only."""
        error: ProviderError | None = None
        try:
            snapshot = await provider.fetch(task.ref.external_id)
        except ProviderError as refusal:
            error = refusal
            change = changes.failed(task, refusal, at=self._clock())
            next_look_at = self._cadence.after_failure(change.task, provider.kind, refusal, at=self._clock())
        else:
            change = changes.seen(task, snapshot, at=self._clock())
            next_look_at = self._cadence.after_look(change.task, provider.kind, at=self._clock())
        written = await self._store.apply(
            replace(change.task, next_look_at=next_look_at, lease_until=None), change.events
        )
        if written and change.events:
            log.info(
                "%s %s: %s", task.ref.provider, task.ref.external_id, ", ".join(e.kind for e in change.events)
            )
            self._ring()
        return error
