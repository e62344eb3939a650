"""What is done by the hour rather than by the event: cards' elapsed time, and forgetting."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bot.forecast.estimates import Estimates
from storage.errors import StoreError
from storage.store import Store

log = logging.getLogger(__name__)

_CARD_AGE = timedelta(seconds=55)  # a card says minutes
_CARD_ROUND_S = 2.0
_CARDS_A_ROUND = 8  # four a second at the most, however many there are
_SAVE_ROUND_S = 60.0
_PRUNE_ROUND_S = 3600.0
_PRUNE_ROWS = 500  # of each kind in one transaction, for which all other writes wait
_PRUNE_PAUSE_S = 0.1
# However soon what has ended is to be forgotten, a task that has not ended is given so long.
_LEAST_PATIENCE = timedelta(days=7)


class Housekeeper:
    """Three rounds that go on until cancelled; one that is missed is made up for by the next."""

    def __init__(
        self,
        store: Store,
        estimates: Estimates,
        *,
        clock: Callable[[], datetime],
        ring: Callable[[], None],
        kept: timedelta = timedelta(days=30),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._estimates = estimates
        self._clock = clock
        self._ring = ring
        self._kept = kept
        self._sleep = sleep

    async def run(self) -> None:
        """Turn until cancelled; what was learned is saved at the end."""
        try:
            async with asyncio.TaskGroup() as rounds:
                rounds.create_task(self._every(_CARD_ROUND_S, self._refresh_cards))
                rounds.create_task(self._every(_SAVE_ROUND_S, self._save_estimates))
                rounds.create_task(self._every(_PRUNE_ROUND_S, self._prune))
        finally:
            await self._save_estimates()

    async def _every(self, round_s: float, chore: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._sleep(round_s)
            await chore()

    async def _refresh_cards(self) -> None:
        now = self._clock()
        try:
            if await self._store.refresh_cards(older_than=now - _CARD_AGE, limit=_CARDS_A_ROUND, at=now):
                self._ring()
        except StoreError as error:
            log.warning("Cards keep their old times: %s", error)

    async def _save_estimates(self) -> None:
        try:
            await self._store.save_estimates(self._estimates.to_json())
        except StoreError as error:
            log.warning("What was learned is not saved for now: %s", error)

    async def _prune(self) -> None:
        now, forgotten, stopped = self._clock(), 0, 0
        before, unchanged_before = now - self._kept, now - max(self._kept, _LEAST_PATIENCE)
        try:
            while more := await self._store.stop_unchanged(
                since_before=unchanged_before, limit=_PRUNE_ROWS, at=now
            ):
                stopped += more
                self._ring()
                await self._sleep(_PRUNE_PAUSE_S)
            while pruned := await self._store.prune(older_than=before, limit=_PRUNE_ROWS):
                forgotten += pruned
                await self._sleep(_PRUNE_PAUSE_S)
        except StoreError as error:
            log.warning("Nothing is forgotten for now: %s", error)
        if stopped:
            log.info("Stopped %d watches of tasks that have not changed for all that time.", stopped)
        if forgotten:
            log.info("Forgot %d old rows.", forgotten)
