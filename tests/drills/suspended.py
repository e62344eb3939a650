"""Runs the bot as on a machine that is suspended while the process is frozen: its steady clocks stand still.

A leader believes in its lease by a steady clock. Where that stands still, too, only the fence is left;
without it (WITHOUT_FENCE=1) videos are sent twice, so the drill that does this would notice a broken fence.
"""

import asyncio
import os
import threading
import time
from dataclasses import replace
from typing import Any

import uvloop

from bot.cli import main
from storage.postgres import store
from storage.postgres.guards import Fence
from storage.postgres.leadership import PostgresLeadership

_SUSPENDED_S = 2.0  # between two readings of the clock, which are usually much closer
_TICK_S = 0.1


class _Clock:
    """Seconds, without those in which the process was frozen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = time.monotonic()
        self._frozen_s = 0.0
        threading.Thread(target=self._tick, daemon=True).start()

    def __call__(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now - self._read_at > _SUSPENDED_S:
                self._frozen_s += now - self._read_at
            self._read_at = now
            return now - self._frozen_s

    def _tick(self) -> None:
        while True:
            self()
            time.sleep(_TICK_S)


_clock = _Clock()


class _Loop(asyncio.SelectorEventLoop):
    def time(self) -> float:
        return _clock()


class _Leadership(PostgresLeadership):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"timing": replace(options["timing"], now_s=_clock)})


if __name__ == "__main__":
    uvloop.new_event_loop = _Loop  # type: ignore[assignment]  # what the command line calls
    store.PostgresLeadership = _Leadership  # type: ignore[attr-defined]
    if os.environ.get("WITHOUT_FENCE"):
        Fence.condition = lambda _: "SELECT 1"  # type: ignore[assignment,method-assign]
    main()
