"""How long a getUpdates may be held.

Something on the way, such as a proxy, may end long polls sooner than they end by themselves. What looks like
that is only taken for it when a poll that is not held succeeds right after it: in an outage that fails, too.
"""

import logging

from telegram.error import BadRequest, NetworkError, TelegramError, TimedOut

from bot.bot_api.request import NotBotApi, was_never_sent

log = logging.getLogger(__name__)

HELD_S = 1.0  # what ends sooner was not held

_LONGEST_S = 25
_SHARE = 0.75  # of the time after which a poll was ended
_SHARE_OF_TIMEOUT = 0.5  # nobody said when it was ended
_STEP_S = 5
_CALM_POLLS = 20  # without updates, before a longer one is tried; twice as many each time that it was cut off
_CALM_POLLS_AT_MOST = 320
_CUTS_AT_ONCE = 2  # in a row are no accident


class LongPollLength:
    """Learns from how polls end how long the next may be."""

    def __init__(self) -> None:
        self.seconds = _LONGEST_S
        self._suspected_s: int | None = None  # the length that the last poll would have had to have
        self._cuts_at_once = 0
        self._calm = 0
        self._calm_wanted = _CALM_POLLS // 2  # the first cut makes it _CALM_POLLS

    def failed(self, error: TelegramError, held_s: float) -> bool:
        """Note how a poll of this length failed; whether it may just have been too long."""
        self._suspected_s = None
        is_like_a_cut = isinstance(error, NetworkError | NotBotApi) and not isinstance(error, BadRequest)
        if not is_like_a_cut or was_never_sent(error):
            return False
        if held_s >= HELD_S:
            self._cuts_at_once = 0
            share = _SHARE_OF_TIMEOUT if isinstance(error, TimedOut) else _SHARE
            self._suspected_s = self._at_least_one(int(share * min(held_s, self.seconds)))
            return True
        self._cuts_at_once += 1
        if self._cuts_at_once >= _CUTS_AT_ONCE:
            self._suspected_s = 0
        return self._cuts_at_once > _CUTS_AT_ONCE

    def outage(self) -> None:
        """A poll that was not held failed: whatever failed before says nothing of the length."""
        self._suspected_s, self._cuts_at_once = None, 0

    def short_succeeded(self) -> None:
        """A poll that was not held succeeded: one that failed right before was too long."""
        if self._suspected_s is None:
            return
        if self.seconds == _LONGEST_S:
            log.info("Long polls are ended on the way to Telegram: they last %d s now.", self._suspected_s)
        self.seconds, self._suspected_s, self._calm = self._suspected_s, None, 0
        self._calm_wanted = min(2 * self._calm_wanted, _CALM_POLLS_AT_MOST)

    def succeeded(self, held_s: float, *, is_empty: bool) -> None:
        """A poll of this length succeeded: after many without updates, a longer one is tried."""
        if held_s >= HELD_S:
            self._cuts_at_once = 0
        if not is_empty:
            return
        self._calm += 1
        if self.seconds == _LONGEST_S:
            if self._calm >= _CALM_POLLS:
                self._calm_wanted = _CALM_POLLS // 2
        elif self._calm >= self._calm_wanted:
            self.seconds, self._calm = min(self.seconds + _STEP_S, _LONGEST_S), 0

    def _at_least_one(self, seconds: int) -> int:
        return max(seconds, 1 if self.seconds > 1 else 0)
