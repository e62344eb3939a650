"""Whether the database takes writes; a response takes about a second at most, also while the disk hangs."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from bot.health.single_call import SingleCall
from storage.errors import LeadershipLost, StoreBusy, StoreError, StoreFull, StoreUnreachable

GOOD_FOR_S = 20.0  # how long a good result is reused: each check is a write
_BAD_FOR_S = 2.0
_RESPONSE_S = 1.0
PATIENCE_S = 20.0  # a check that waits for longer has failed


class DatabaseState(StrEnum):
    """Whether the database takes writes, and if not, why."""

    OK = "ok"
    FULL = "full"  # the disk is full, or it fails
    FAILING = "failing"  # read-only, damaged, gone
    AWAY = "away"  # its server can't be reached
    HUNG = "hung"  # no response, or another process keeps it locked


class CheckedStore(Protocol):
    """The part of the store that is used here."""

    async def check(self) -> None:
        """Raise StoreError unless the store is writable."""


class StoreCheck:
    """Checks at most one at a time; while one waits, the last result counts, until PATIENCE_S have passed."""

    def __init__(
        self, store: CheckedStore, *, clock: Callable[[], float], response_s: float = _RESPONSE_S
    ) -> None:
        """clock: seconds that never go back. response_s: how long state() waits for a check."""
        self._call = SingleCall(store.check)
        self._clock = clock
        self._response_s = response_s
        self._state = DatabaseState.OK
        self._ended_s: float | None = None  # when a check last ended with a result
        self._waiting_since_s: float | None = None  # None: no check waits

    async def state(self) -> DatabaseState:
        """The state as last checked."""
        now_s = self._clock()
        reused_s = GOOD_FOR_S if self._state is DatabaseState.OK else _BAD_FOR_S
        if self._ended_s is not None and now_s - self._ended_s < reused_s:
            return self._state
        try:
            await self._call.result(timeout_s=self._response_s)
        except (TimeoutError, StoreBusy):
            self._wait(since_s=now_s)
        except StoreFull:
            self._end(DatabaseState.FULL)
        except StoreUnreachable:
            self._end(DatabaseState.AWAY)
        except LeadershipLost:
            pass  # the term is about to end; the database responds
        except StoreError:
            self._end(DatabaseState.FAILING)
        else:
            self._end(DatabaseState.OK)
        return self._state

    def _wait(self, *, since_s: float) -> None:
        if self._waiting_since_s is None:
            self._waiting_since_s = since_s
        if self._clock() - self._waiting_since_s >= PATIENCE_S:
            self._state = DatabaseState.HUNG

    def _end(self, state: DatabaseState) -> None:
        self._state, self._ended_s, self._waiting_since_s = state, self._clock(), None
