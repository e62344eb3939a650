"""The tasks that all programs poll, and their URLs."""

from dataclasses import dataclass
from enum import StrEnum

KEY = "sk-fake-key-of-the-benchmark"
PATHS = {
    "alibailian": "/alibailian/api/v1/tasks/",
    "newapi": "/v1/video/generations/",
    "jimeng": "/jimeng/fetch/",
    "videos": "/v1/videos/",
}
KINDS = tuple(PATHS)


class Phase(StrEnum):
    """The status of a task."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTask:
    """A task at the gateway, watched in a chat of its own."""

    kind: str
    task_id: str
    chat_id: int

    @property
    def path(self) -> str:
        """The URL of its status."""
        return PATHS[self.kind] + self.task_id


def bench_tasks(count: int) -> list[BenchTask]:
    """This many tasks, evenly of all kinds."""
    return [
        BenchTask(kind=KINDS[n % len(KINDS)], task_id=f"task_{n:032d}", chat_id=1_000_000 + n)
        for n in range(count)
    ]
