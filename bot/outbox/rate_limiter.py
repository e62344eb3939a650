"""Flood control of our own: how many calls each chat, each group and Telegram as a whole will bear.

Telegram publishes no exact limits; its FAQ names about one message a second for a chat, twenty a minute
for a group, thirty a second overall (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum

from storage.models import ThrottledChats

# Burst and rate together stay below the figure in any second.
_OVERALL_RPS, _OVERALL_BURST = 25.0, 5.0
_CHAT_RPS, _CHAT_BURST = 1.0, 6.0
_GROUP_CALLS, _GROUP_SPAN_S = 20, 60.5  # half a second for calls that take unequally long on their way
_MOST_OWED = 6  # calls kept free in a group for what was begun there; videos that hang must not close it
_TICK_S = 0.001  # what floating point swallows must not become a wait of nothing

# Set while a call is made that spend() has been told of already.
is_accounted: ContextVar[bool] = ContextVar("is_accounted", default=False)


class Urgency(IntEnum):
    """What a call is for: what is less pressing leaves a chat's last calls to what is more so."""

    MESSAGE = 0  # results, notices, first cards, last states
    REPLY = 1
    EDIT = 2
    REFRESH = 3


# What must be left, this call included: of a chat's tokens, and of a group's calls in a minute.
# A video takes two: its announcement, and the edit that makes it the video.
_TOKENS = {Urgency.MESSAGE: 1.0, Urgency.REPLY: 2.0, Urgency.EDIT: 3.0, Urgency.REFRESH: 5.0}
_CALLS = {Urgency.MESSAGE: 2, Urgency.REPLY: 4, Urgency.EDIT: 10, Urgency.REFRESH: 14}


@dataclass(slots=True)
class TokenBucket:
    """A token bucket."""

    rate: float  # tokens a second
    size: float
    filled_at: float = 0.0
    stopped_until: float = 0.0
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.size

    def level(self, now: float) -> float:
        """Tokens there now; none while stopped."""
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.filled_at) * self.rate)
        self.filled_at = max(now, self.filled_at)
        return 0.0 if now < self.stopped_until else self.tokens

    def take(self, now: float) -> None:
        """One token less, on credit if there is none."""
        self.level(now)
        self.tokens -= 1

    def wait_s(self, level: float, now: float) -> float:
        """How long until there are so many tokens; 0: there are."""
        if self.level(now) >= level:
            return 0.0
        return max(self.stopped_until - now, (level - self.tokens) / self.rate, _TICK_S)


@dataclass(slots=True)
class _Limits:
    """What one chat bears."""

    bucket: TokenBucket
    calls: deque[float] | None  # of a group, when those of the last minute were made
    owed: int = 0  # calls to come for what was begun

    def take(self, now: float) -> None:
        self.bucket.take(now)
        if self.calls is not None:
            self.calls.append(now)

    def wait_s(self, urgency: Urgency, now: float) -> float:
        """How long until the chat bears such a call; 0: it does."""
        return max(self.bucket.wait_s(_TOKENS[urgency], now), self._minute_wait_s(_CALLS[urgency], now))

    def is_rested(self, now: float) -> bool:
        """Whether the chat bears all that a new one does."""
        self._drop_old(now)
        is_full = self.bucket.level(now) >= self.bucket.size
        return is_full and not self.calls and not self.owed and now > self.bucket.stopped_until

    def _minute_wait_s(self, needed: int, now: float) -> float:
        if self.calls is None:
            return 0.0
        self._drop_old(now)
        missing = needed - (_GROUP_CALLS - len(self.calls) - min(self.owed, _MOST_OWED))
        return max(self.calls[missing - 1] + _GROUP_SPAN_S - now, _TICK_S) if missing > 0 else 0.0

    def _drop_old(self, now: float) -> None:
        while self.calls and self.calls[0] + _GROUP_SPAN_S <= now:
            self.calls.popleft()


class ChatRateLimiter:
    """Says which chats may be written to now; a chat that must wait holds up no other."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._overall = TokenBucket(_OVERALL_RPS, _OVERALL_BURST)
        self._chats: dict[int, _Limits] = {}

    def allowance(self) -> int:
        """How many deliveries may be begun now, whatever the chat."""
        return max(0, int(self._overall.level(self._clock())))

    def throttled(self) -> ThrottledChats:
        """The chats that must not be written to now."""
        now = self._clock()
        self._forget(now)
        closed: dict[Urgency, list[int]] = {urgency: [] for urgency in _DELIVERED}
        for chat_id, limits in self._chats.items():
            least = next((urgency for urgency in _DELIVERED if limits.wait_s(urgency, now) > 0), None)
            if least is not None:
                closed[least].append(chat_id)
        return ThrottledChats(
            to_all=closed[Urgency.MESSAGE],
            to_edits=closed[Urgency.EDIT],
            to_refreshes=closed[Urgency.REFRESH],
        )

    def next_free_in_s(self) -> float | None:
        """How long until a chat, or all of Telegram, bears more than now; None: it bears everything."""
        now = self._clock()
        waits_s = [self._overall.wait_s(1.0, now)]
        for limits in self._chats.values():
            waits_s.append(next(filter(None, (limits.wait_s(each, now) for each in _DELIVERED)), 0.0))
        return min((wait_s for wait_s in waits_s if wait_s > 0), default=None)

    def reply_wait_s(self, chat_id: int) -> float:
        """How long until the chat bears an answer to a command; 0: now."""
        limits = self._chats.get(chat_id)
        return limits.wait_s(Urgency.REPLY, self._clock()) if limits else 0.0

    def spend(self, chat_ids: Iterable[int]) -> None:
        """A call to each of these chats is made."""
        now = self._clock()
        for chat_id in chat_ids:
            self._overall.take(now)
            self._of(chat_id).take(now)

    def owe(self, chat_id: int) -> None:
        """Keep a call free in the chat for the end of what is begun there, until owes_no_more()."""
        self._of(chat_id).owed += 1

    def owes_no_more(self, chat_id: int) -> None:
        """The end of what was begun is over, too."""
        self._of(chat_id).owed -= 1

    def pause(self, chat_id: int, seconds: float) -> None:
        """Telegram wants this chat left alone for so long."""
        bucket = self._of(chat_id).bucket
        bucket.stopped_until = max(bucket.stopped_until, self._clock() + seconds)

    def _of(self, chat_id: int) -> _Limits:
        limits = self._chats.get(chat_id)
        if limits is None:
            is_group = chat_id < 0  # groups, supergroups and channels have negative ids
            limits = _Limits(TokenBucket(_CHAT_RPS, _CHAT_BURST), deque() if is_group else None)
            self._chats[chat_id] = limits
        return limits

    def _forget(self, now: float) -> None:
        for chat_id in [chat_id for chat_id, limits in self._chats.items() if limits.is_rested(now)]:
            del self._chats[chat_id]


_DELIVERED = (Urgency.MESSAGE, Urgency.EDIT, Urgency.REFRESH)
