"""The audit log: who started a watch, and who stopped a watch of another user."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from bot.chat.once_per import OncePer
from storage.models import WatchedTask

log = logging.getLogger(__name__)

LINES_PER_MINUTE = 30  # of each kind
_TASKS_PER_LINE = 20


class Audit:
    """Writes a rate-limited log line for each command that starts or stops watches."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds."""
        self._started_limit = OncePer(0.0, per_minute=LINES_PER_MINUTE, clock=clock)
        self._stopped_limit = OncePer(0.0, per_minute=LINES_PER_MINUTE, clock=clock)

    def started(self, chat_id: int, user_id: int | None, started: Sequence[WatchedTask]) -> None:
        """Log the watches that a user started."""
        if started:
            _write(self._started_limit, f"Watch: chat {chat_id}, user {user_id}", map(_task_name, started))

    def stopped(self, chat_id: int, user_id: int | None, stopped: Sequence[WatchedTask]) -> None:
        """Log those of the stopped watches that other users had started."""
        others = [each for each in stopped if each.watch.user_id != user_id]
        if others:
            tasks = (f"{_task_name(each)} (of user {each.watch.user_id})" for each in others)
            who = f"chat {chat_id}, user {user_id}"
            _write(self._stopped_limit, f"Stopped watches of other users: {who}", tasks)


def _write(limit: OncePer, what: str, tasks: Iterable[str]) -> None:
    suppressed = limit.suppressed
    if not limit.allows("line"):
        return
    names = list(tasks)
    more = f" and {len(names) - _TASKS_PER_LINE} more" if len(names) > _TASKS_PER_LINE else ""
    omitted = f"; {suppressed} commands not logged since the last line" if suppressed else ""
    log.info("%s: %s%s%s", what, ", ".join(names[:_TASKS_PER_LINE]), more, omitted)


def _task_name(watched: WatchedTask) -> str:
    return f"{watched.task.ref.provider} {watched.task.ref.external_id}"
