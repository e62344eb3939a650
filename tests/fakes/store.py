"""A store whose disk can fail."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from storage.errors import StoreUnavailable
from storage.models import Task, TaskEvent
from storage.sqlite.store import SqliteStore


class BrittleStore(SqliteStore):
    """A real store; while `broken`, the methods of the polling loop fail.

    While it `refuses_writes`, only methods that always write fail. While `gate` is clear, apply() waits;
    while `sweep_gate` is clear, claim_due() waits.
    """

    broken = False
    refuses_writes = False
    refused = 0  # failed calls of the loop
    applied = 0  # calls of apply()
    waiting = 0  # apply() calls that wait at the gate
    calls_in_progress = 0  # calls of the loop that have not returned

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.gate = asyncio.Event()
        self.gate.set()
        self.sweep_gate = asyncio.Event()
        self.sweep_gate.set()

    async def crash(self) -> None:
        """End like a killed process, without releasing leases."""
        await self._file.close()

    async def claim_due(
        self, quota: Mapping[str, int], *, at: datetime, lease_s: float, ahead_s: float = 0.0
    ) -> list[Task]:
        await self.sweep_gate.wait()
        with self._question():
            return await super().claim_due(quota, at=at, lease_s=lease_s, ahead_s=ahead_s)

    async def take_poll_requests(self) -> list[Task]:
        with self._question():
            return await super().take_poll_requests()

    async def renew_tasks(self, tasks: Sequence[Task], *, at: datetime, lease_s: float) -> Mapping[int, int]:
        with self._question():
            return await super().renew_tasks(tasks, at=at, lease_s=lease_s)

    async def check(self) -> None:
        with self._question(is_writing=True):
            await super().check()

    async def apply(self, task: Task, events: Sequence[TaskEvent]) -> bool:
        self._fail_if_broken(is_writing=True)
        self.applied += 1
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        return await super().apply(task, events)

    @contextmanager
    def _question(self, *, is_writing: bool = False) -> Iterator[None]:
        self._fail_if_broken(is_writing=is_writing)
        self.calls_in_progress += 1
        try:
            yield
        finally:
            self.calls_in_progress -= 1

    def _fail_if_broken(self, *, is_writing: bool) -> None:
        if self.broken or (is_writing and self.refuses_writes):
            self.refused += 1
            raise StoreUnavailable("The disk is full.")
