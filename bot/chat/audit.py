"""The audit log: who started a watch, and who stopped a watch of another user."""

import logging
import time
from collections.abc import Callable, Sequence

from bot.chat.once_per import OncePer
from bot.logs import log_fields
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
        suppressed = self._started_limit.suppressed
        if started and self._started_limit.allows("line"):
            text = f"started watches: {_listed([str(each.task.ref) for each in started], suppressed)}"
            _log(text, started, action="watches_started", chat_id=chat_id, user_id=user_id)

    def stopped(self, chat_id: int, user_id: int | None, stopped: Sequence[WatchedTask]) -> None:
        """Log those of the stopped watches that other users had started."""
        others = [each for each in stopped if each.watch.user_id != user_id]
        suppressed = self._stopped_limit.suppressed
        if others and self._stopped_limit.allows("line"):
            names = [f"{each.task.ref} (of user {each.watch.user_id})" for each in others]
            text = f"stopped watches of other users: {_listed(names, suppressed)}"
            _log(text, others, action="watches_stopped", chat_id=chat_id, user_id=user_id)


def _listed(names: Sequence[str], suppressed: int) -> str:
    more = f" and {len(names) - _TASKS_PER_LINE} more" if len(names) > _TASKS_PER_LINE else ""
    note = f"; {suppressed} commands not logged since the last line" if suppressed else ""
    return ", ".join(names[:_TASKS_PER_LINE]) + more + note


def _log(
    text: str, watched: Sequence[WatchedTask], *, action: str, chat_id: int, user_id: int | None
) -> None:
    who = "an anonymous user" if user_id is None else f"user {user_id}"
    task_ids = [each.task.id for each in watched[:_TASKS_PER_LINE]]
    log.info(
        "Chat %d: %s %s",
        chat_id,
        who,
        text,
        extra=log_fields(None, action, chat_id=chat_id, user_id=user_id, task_ids=task_ids),
    )
