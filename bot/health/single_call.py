"""A call that may hang, such as of a database on a disk that does not respond."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleCall(Generic[T]):
    """Makes the call in the background, one at a time, so that those who wait for it can give up."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    async def result(self, *, timeout_s: float) -> T:
        """The result of the call in progress, else of a new one; raises what it raises, and TimeoutError."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._call())
            self._task.add_done_callback(_retrieve)
        task = self._task
        await asyncio.wait([task], timeout=timeout_s)
        if not task.done():
            raise TimeoutError
        return task.result()


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Take the exception of a call that nobody waits for any more: asyncio would log it."""
    if not task.cancelled():
        task.exception()
