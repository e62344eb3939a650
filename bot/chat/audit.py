"""Who asked for what, and who stopped what others had asked for, in the log."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from bot.chat.once_per import OncePer
from storage.models import WatchedTask

log = logging.getLogger(__name__)

LINES_A_MINUTE = 30  # of each sort
_SHOWN = 20  # tasks in one line


class Audit:
    """A line for each command that changes who waits for what; a bounded number of lines."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._asked = OncePer(0.0, per_minute=LINES_A_MINUTE, clock=clock)
        self._stopped = OncePer(0.0, per_minute=LINES_A_MINUTE, clock=clock)

    def asked(self, chat_id: int, user_id: int | None, begun: Sequence[WatchedTask]) -> None:
        """Somebody asked for these tasks, which were not watched there."""
        if begun:
            _note(self._asked, f"Watch: chat {chat_id}, user {user_id}", map(_named, begun))

    def stopped(self, chat_id: int, user_id: int | None, stopped: Sequence[WatchedTask]) -> None:
        """Somebody stopped these watches; those that others had asked for are noted."""
        others = [each for each in stopped if each.watch.user_id != user_id]
        if others:
            tasks = (f"{_named(each)} (of user {each.watch.user_id})" for each in others)
            who = f"chat {chat_id}, user {user_id}"
            _note(self._stopped, f"Stopped what others had asked for: {who}", tasks)


def _note(limit: OncePer, what: str, tasks: Iterable[str]) -> None:
    suppressed = limit.suppressed
    if not limit.allows("line"):
        return
    named = list(tasks)
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    unsaid = f"; {suppressed} commands more were not noted since the last line" if suppressed else ""
    log.info("%s: %s%s%s", what, ", ".join(named[:_SHOWN]), more, unsaid)


def _named(watched: WatchedTask) -> str:
    return f"{watched.task.ref.provider} {watched.task.ref.external_id}"
