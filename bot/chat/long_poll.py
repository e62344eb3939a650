"""Adapts the timeout of getUpdates to proxies that close idle connections.

A proxy may close a long poll before its timeout. A failed long poll counts as cut off by a proxy only if a
short poll succeeds right after it: during an outage the short poll fails, too.
"""

import logging

from telegram.error import BadRequest, NetworkError, TelegramError, TimedOut

from bot.bot_api.request import NotBotApi, was_never_sent
from bot.logs import log_fields

log = logging.getLogger(__name__)

HELD_S = 1.0  # a poll that ends sooner was not held open

_MAX_S = 25
_SHARE = 0.75  # of the time after which a poll was cut off
_SHARE_OF_TIMEOUT = 0.5  # on a client timeout, when the cut-off happened is unknown
_STEP_S = 5
_CALM_POLLS = 20  # polls without updates before a longer timeout is tried; doubled after each cut-off
_MAX_CALM_POLLS = 320
_EARLY_CUTS = 2  # immediate cut-offs in a row before short polls are used


class LongPollLength:
    """The timeout of the next getUpdates, learnt from how earlier polls ended."""

    def __init__(self) -> None:
        self.seconds = _MAX_S
        self._suspected_s: int | None = None  # the next timeout if the last poll was cut off
        self._early_cuts = 0
        self._calm = 0
        self._calm_needed = _CALM_POLLS // 2  # the first cut-off doubles it to _CALM_POLLS

    def failed(self, error: TelegramError, held_s: float) -> bool:
        """Record a failed long poll; return whether it may have been cut off for its length."""
        self._suspected_s = None
        may_be_cut_off = isinstance(error, NetworkError | NotBotApi) and not isinstance(error, BadRequest)
        if not may_be_cut_off or was_never_sent(error):
            return False
        if held_s >= HELD_S:
            self._early_cuts = 0
            share = _SHARE_OF_TIMEOUT if isinstance(error, TimedOut) else _SHARE
            least_s = 1 if self.seconds > 1 else 0
            self._suspected_s = max(least_s, int(share * min(held_s, self.seconds)))
            return True
        self._early_cuts += 1
        if self._early_cuts >= _EARLY_CUTS:
            self._suspected_s = 0
        return self._early_cuts > _EARLY_CUTS

    def outage(self) -> None:
        """Record a failed short poll: this is an outage, and the failure before it was no cut-off."""
        self._suspected_s, self._early_cuts = None, 0

    def short_succeeded(self) -> None:
        """Record a successful short poll: a suspected cut-off right before it is confirmed."""
        if self._suspected_s is None:
            return
        if self.seconds == _MAX_S:
            log.info(
                "Long polls are cut off; reduced their timeout to %d s.",
                self._suspected_s,
                extra=log_fields(None, "long_poll_shortened"),
            )
        self.seconds, self._suspected_s, self._calm = self._suspected_s, None, 0
        self._calm_needed = min(2 * self._calm_needed, _MAX_CALM_POLLS)

    def succeeded(self, held_s: float, *, is_empty: bool) -> None:
        """Record a successful long poll; after enough polls without updates the timeout grows by _STEP_S."""
        if held_s >= HELD_S:
            self._early_cuts = 0
        if not is_empty:
            return
        self._calm += 1
        if self.seconds == _MAX_S:
            if self._calm >= _CALM_POLLS:
                self._calm_needed = _CALM_POLLS // 2
        elif self._calm >= self._calm_needed:
            self.seconds, self._calm = min(self.seconds + _STEP_S, _MAX_S), 0
