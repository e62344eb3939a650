"""The one-time code that makes its sender the first admin of a bot that nobody may use yet."""

import hashlib
import hmac
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from bot.logs import hide_in_logs, log_fields
from bot.watching.access import Access
from storage.store import Store

log = logging.getLogger(__name__)

_BYTES = 12  # of the code: 96 bits
_PERIOD_S = 3600.0
TRIES_OF_A_USER = 5  # in each period
_TRIES = 100  # of all users


class FirstAdmin:
    """Logs the code once, and checks what users send."""

    def __init__(
        self,
        store: Store,
        access: Access,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """monotonic: seconds."""
        self._store = store
        self._access = access
        self._clock = clock
        self._monotonic = monotonic
        # Of the code; another replica, which leads, may have made it. Only its hash, as others can read that.
        self.digest: str | None = None
        self._tries: deque[tuple[float, int]] = deque(maxlen=_TRIES)  # when, and by which user

    @property
    def is_awaited(self) -> bool:
        """Whether the code makes its sender an admin now."""
        return self.digest is not None and self._access.is_unclaimed

    def show_code(self) -> None:
        """Log a new code, if nobody may use the bot; later lines don't show it. Requires loaded access."""
        if not self._access.is_unclaimed:
            return
        code = secrets.token_hex(_BYTES)
        self.digest = _digest(code)
        log.warning(
            "Nobody may use this bot yet. To become its admin, send it in a private chat: /start %s",
            code,
            extra=log_fields(None, "first_admin_awaited"),
        )
        hide_in_logs(code)

    async def claim(self, code: str, user_id: int) -> bool:
        """Make the user an admin if the code is right; StoreError. A wrong code counts as a try."""
        if self.digest is None or not self._access.is_unclaimed or not self._may_try(user_id):
            return False
        if not hmac.compare_digest(_digest(code).encode(), self.digest.encode()):
            log.warning(
                "User %d sent a wrong code for the first admin.",
                user_id,
                extra=log_fields(None, "first_admin_refused", user_id=user_id),
            )
            return False
        if not await self._store.add_first_admin(user_id, at=self._clock()):
            return False
        self._access.add_admin(user_id)
        self.digest = None
        log.info(
            "User %d is the first admin now.", user_id, extra=log_fields(None, "admin_added", user_id=user_id)
        )
        return True

    def _may_try(self, user_id: int) -> bool:
        now = self._monotonic()
        recent = [user for tried_at, user in self._tries if now - tried_at < _PERIOD_S]
        if len(recent) >= _TRIES or recent.count(user_id) >= TRIES_OF_A_USER:
            return False
        self._tries.append((now, user_id))
        return True


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()
