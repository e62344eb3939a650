"""Counters, heartbeats and problems, which /healthz, /metrics and /health report; no I/O."""

import time
from collections import Counter
from collections.abc import Callable, Mapping


class Telemetry:
    """What the process has done and when its loops last turned; one per process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._born = clock()
        self._counters: Counter[str] = Counter()
        self._beats: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Raise a counter."""
        self._counters[name] += by

    def beat(self, loop: str) -> None:
        """Say that a loop turned just now."""
        self._beats[loop] = self._clock()

    def set_problem(self, where: str, what: str | None) -> bool:
        """Say what is wrong somewhere, or None for nothing; whether that is news."""
        known = self._problems.get(where)
        if what is None:
            self._problems.pop(where, None)
        else:
            self._problems[where] = what
        return (known is None) != (what is None)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began."""
        return self._clock() - self._born

    @property
    def counters(self) -> Mapping[str, int]:
        """All counters by name."""
        return self._counters

    @property
    def silences_s(self) -> Mapping[str, float]:
        """Seconds since each loop last turned."""
        now = self._clock()
        return {loop: now - beat for loop, beat in self._beats.items()}

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong at present, by place."""
        return self._problems
