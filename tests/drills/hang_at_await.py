"""Lets a chosen coroutine hang at a chosen await, in an event loop whose time can pass faster."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

AnyCoroutine = Coroutine[Any, Any, Any]


class HangAtAwait:
    """Counts the suspensions of all coroutines of one name; from the chosen one on, they never resume."""

    def __init__(self, name: str, *, at: int, speed: float, marker: str) -> None:
        """name: __qualname__ of the coroutine function. at: from 1. speed: of the loop's time.

        marker: a file that is made when it hangs.
        """
        self.name = name
        self._at = at
        self._speed = speed
        self._marker = Path(marker)
        self._suspensions = 0

    @property
    def hangs(self) -> bool:
        """Whether the time has come."""
        return self._suspensions >= self._at

    def suspended(self) -> None:
        """Count a suspension."""
        self._suspensions += 1
        if self._suspensions == self._at:
            self._marker.touch()

    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop whose tasks are instrumented."""
        loop = _FastLoop(self._speed)

        def factory(
            loop: asyncio.AbstractEventLoop, coroutine: AnyCoroutine, **options: Any
        ) -> asyncio.Task[Any]:
            if getattr(coroutine, "__qualname__", None) == self.name:
                coroutine = _HangingCoroutine(coroutine, self)
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)  # type: ignore[arg-type]  # typeshed wants a Future-typed protocol
        return loop


class _HangingCoroutine(Coroutine[Any, Any, Any]):
    """A coroutine wrapper that waits for ever once its time has come, even if it is cancelled."""

    def __init__(self, inner: AnyCoroutine, drill: HangAtAwait) -> None:
        self._inner = inner
        self._drill = drill

    def send(self, value: Any) -> Any:
        return self._resume(self._inner.send, value)

    def throw(self, *error: Any) -> Any:
        return self._resume(self._inner.throw, *error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def _resume(self, resume: Callable[..., Any], *arguments: Any) -> Any:
        if self._drill.hangs:
            return asyncio.get_running_loop().create_future().__await__().send(None)
        awaited = resume(*arguments)
        self._drill.suspended()
        return awaited


class _FastSelector(selectors.DefaultSelector):
    """Waits for a part of the time that the loop means."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Any:
        return super().select(None if timeout is None else timeout / self._speed)


class _FastLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        super().__init__(_FastSelector(speed))
        self._speed = speed

    def time(self) -> float:
        return time.monotonic() * self._speed
