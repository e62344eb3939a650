"""Tells the poll of a leader that has not noticed its end from that of another bot with the same token."""

import time
from collections.abc import Callable

from telegram.error import Conflict

PATIENCE_S = 30.0
PAUSE_S = 1.0  # before the next poll


class Conflicts:
    """The conflicts of getUpdates with other polls."""

    def __init__(self, *, is_shared: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """is_shared: another process may have led until just now. clock: seconds that never go back."""
        self._is_shared = is_shared
        self._clock = clock
        self._since = 0.0
        self._last_at: float | None = None
        self._is_of_leader = False

    @property
    def is_of_leader(self) -> bool:
        """Whether the other poll of the last conflict may be that of the leader before."""
        return self._is_of_leader

    def judge(self, conflict: Conflict) -> None:
        """Judge a conflict: the poll of the leader before ends within seconds.

        Conflicts of half a minute are another bot's. A poll in between that succeeds says nothing: two bots
        end each other's polls in turns.
        """
        self._is_of_leader = False
        if self._is_shared and "webhook" not in conflict.message.lower():
            now, last_at = self._clock(), self._last_at
            if last_at is None or now - last_at > PATIENCE_S:
                self._since = now
            self._last_at = now
            self._is_of_leader = now - self._since < PATIENCE_S
