"""The audit log: who started and who stopped watches, where."""

import logging
import time
from collections.abc import Callable, Collection, Sequence

from bot.chat.once_per import OncePer
from bot.logs import log_fields
from storage.watches import WatchedTask

log = logging.getLogger(__name__)

LINES_PER_MINUTE = 30  # of each kind
_TASKS_PER_LINE = 20


class Audit:
    """Writes a rate-limited log line for each command that starts or stops watches, or looks ids up."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds."""
        self._started_limit = OncePer(0.0, per_minute=LINES_PER_MINUTE, clock=clock)
        self._stopped_limit = OncePer(0.0, per_minute=LINES_PER_MINUTE, clock=clock)

    def started(self, chat_id: int, user_id: int | None, started: Sequence[WatchedTask]) -> None:
        """Log the watches that a user started."""
        suppressed = self._started_limit.suppressed
        if started and self._started_limit.allows("line"):
            names = [str(each.task.ref) for each in started]
            log.info(
                "%s now watches %s",
                _who(chat_id, user_id),
                _listed(names, suppressed),
                extra=log_fields(
                    None, "watched", chat_id=chat_id, user_id=user_id, tasks=names, count=len(names)
                ),
            )

    def looked_up(self, chat_id: int, user_id: int | None, external_ids: Collection[str]) -> None:
        """Log the ids whose provider is to be found; their watches begin without a further line."""
        suppressed = self._started_limit.suppressed
        if self._started_limit.allows("line"):
            ids = list(external_ids)
            log.info(
                "%s asks the providers which of them knows %s",
                _who(chat_id, user_id),
                _listed(ids, suppressed),
                extra=log_fields(
                    None, "looked_up", chat_id=chat_id, user_id=user_id, tasks=ids, count=len(ids)
                ),
            )

    def stopped(self, chat_id: int, user_id: int | None, stopped: Sequence[WatchedTask]) -> None:
        """Log the watches that a user stopped, and whose those of others are."""
        suppressed = self._stopped_limit.suppressed
        if stopped and self._stopped_limit.allows("line"):
            names = [_with_owner(each, user_id) for each in stopped]
            log.info(
                "%s stopped watching %s",
                _who(chat_id, user_id),
                _listed(names, suppressed),
                extra=log_fields(
                    None, "unwatched", chat_id=chat_id, user_id=user_id, tasks=names, count=len(names)
                ),
            )


def _who(chat_id: int, user_id: int | None) -> str:
    """Ids only: names are nobody's business in a log."""
    if chat_id == user_id:
        return f"User {user_id}"
    return f"{'An anonymous user' if user_id is None else f'User {user_id}'} in chat {chat_id}"


def _with_owner(stopped: WatchedTask, user_id: int | None) -> str:
    owner = stopped.watch.user_id
    return f"{stopped.task.ref} (of user {owner})" if owner not in {None, user_id} else str(stopped.task.ref)


def _listed(names: Sequence[str], suppressed: int) -> str:
    more = f" and {len(names) - _TASKS_PER_LINE} more" if len(names) > _TASKS_PER_LINE else ""
    note = f"; {suppressed} commands not logged since the last line" if suppressed else ""
    return ", ".join(names[:_TASKS_PER_LINE]) + more + note
