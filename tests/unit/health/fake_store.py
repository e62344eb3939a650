"""A store whose check and workload tests decide."""

import asyncio
from datetime import datetime

from storage.errors import StoreError
from storage.figures import Workload
from storage.leadership import Leadership, SoleLeadership
from tests.fakes.health import IDLE


class FakeStore:
    """Raises `error` if it is set; while `responds` is clear, calls wait."""

    def __init__(self, leadership: Leadership | None = None) -> None:
        self.leadership = leadership or SoleLeadership()
        self.error: StoreError | None = None
        self.responds = asyncio.Event()
        self.responds.set()
        self.checks = 0
        self.checks_in_progress = 0

    async def check(self) -> None:
        """Count a check."""
        self.checks += 1
        self.checks_in_progress += 1
        try:
            await self._respond()
        finally:
            self.checks_in_progress -= 1

    async def workload(self, *, at: datetime) -> Workload:
        """Nothing to do."""
        await self._respond()
        return IDLE

    async def _respond(self) -> None:
        await self.responds.wait()
        if self.error:
            raise self.error
