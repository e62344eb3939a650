"""What is done by the hour rather than by the event: cards' elapsed time, and forgetting."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from telegram.ext import JobQueue

from bot.watching.estimate import Estimates
from storage.errors import StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_CARD_AGE = timedelta(seconds=55)  # a card says minutes; more edits would cost results their turn
_CARD_ROUND_S = 30.0
_SAVE_ROUND_S = 60.0
_KEPT = timedelta(days=30)
_PRUNE_ROUND_S = 6 * 3600.0


class Housekeeper:
    """Jobs for python-telegram-bot's JobQueue, which forgets what it misses; nothing here minds."""

    def __init__(
        self,
        store: Store,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        ring: Callable[[], None],
    ) -> None:
        self._store = store
        self._estimates = estimates
        self._clock = clock
        self._ring = ring

    def enlist(self, jobs: JobQueue[Any]) -> None:
        """Put the jobs into the queue."""
        jobs.run_repeating(self._refresh_cards, _CARD_ROUND_S)
        jobs.run_repeating(self._save_estimates, _SAVE_ROUND_S)
        jobs.run_repeating(self._prune, _PRUNE_ROUND_S, first=60.0)

    async def _refresh_cards(self, _: object) -> None:
        now = self._clock()
        try:
            if await self._store.refresh_cards(older_than=now - _CARD_AGE, at=now):
                self._ring()
        except StoreError as error:
            log.warning("Cards keep their old times: %s", error)

    async def _save_estimates(self, _: object) -> None:
        try:
            await self._store.save_learned(self._estimates.to_json())
        except StoreError as error:
            log.warning("What was learned is not saved for now: %s", error)

    async def _prune(self, _: object) -> None:
        try:
            forgotten = await self._store.prune(older_than=self._clock() - _KEPT)
        except StoreError as error:
            log.warning("Nothing is forgotten for now: %s", error)
        else:
            log.info("Forgot %d old tasks.", forgotten)
