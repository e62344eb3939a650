"""Kills its own process at a chosen await of a chosen coroutine."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from typing import Any

AnyCoroutine = Coroutine[Any, Any, Any]


class KillAtAwait:
    """Counts the steps of all coroutines of one name; each await has two: suspension and resumption."""

    def __init__(self, name: str, *, burns_at: int | None = None) -> None:
        """name: __qualname__ of the coroutine function. burns_at: from 1; None never."""
        self.name = name
        self.steps = 0
        self._burns_at = burns_at

    def step(self) -> None:
        """Count a step; kill the process with SIGKILL at the chosen one."""
        self.steps += 1
        if self.steps == self._burns_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop whose tasks are instrumented."""
        loop = asyncio.new_event_loop()

        def factory(
            loop: asyncio.AbstractEventLoop, coroutine: AnyCoroutine, **options: Any
        ) -> asyncio.Task[Any]:
            if getattr(coroutine, "__qualname__", None) == self.name:
                coroutine = _KillingCoroutine(coroutine, self.step)
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)  # type: ignore[arg-type]  # typeshed wants a Future-typed protocol
        return loop


class _KillingCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine wrapper that reports each suspension and resumption."""

    def __init__(self, inner: AnyCoroutine, step: Callable[[], None]) -> None:
        self._inner = inner
        self._step = step
        self._was_suspended = False

    def send(self, value: Any) -> Any:
        if self._was_suspended:
            self._step()
        awaited = self._inner.send(value)
        self._was_suspended = True
        self._step()
        return awaited

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()
