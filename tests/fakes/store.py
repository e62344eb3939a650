"""An archive whose disk can fail."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from storage.errors import StoreUnavailable
from storage.models import Task, TaskEvent
from storage.sqlite.store import SqliteStore


class BrittleStore(SqliteStore):
    """A real archive; while `broken`, it fails in whatever the clock's loop asks of it."""

    broken = False
    served = 0  # how many questions of the loop went well
    refused = 0  # how many failed

    async def claim_due(
        self, quota: Mapping[str, int], *, at: datetime, lease_s: float, ahead_s: float = 0.0
    ) -> list[Task]:
        self._fail_if_broken()
        return await super().claim_due(quota, at=at, lease_s=lease_s, ahead_s=ahead_s)

    async def take_touched(self) -> list[Task]:
        self._fail_if_broken()
        return await super().take_touched()

    async def renew_tasks(self, tasks: Sequence[Task], *, at: datetime, lease_s: float) -> set[int]:
        self._fail_if_broken()
        return await super().renew_tasks(tasks, at=at, lease_s=lease_s)

    async def check(self) -> None:
        self._fail_if_broken()
        await super().check()

    async def apply(self, task: Task, events: Sequence[TaskEvent]) -> bool:
        self._fail_if_broken()
        return await super().apply(task, events)

    def _fail_if_broken(self) -> None:
        if self.broken:
            self.refused += 1
            raise StoreUnavailable("The disk is full.")
        self.served += 1
