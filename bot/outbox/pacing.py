"""Flood control of our own: how many calls each chat, each group and Telegram as a whole will bear.

Telegram publishes no exact limits; its FAQ names about one message a second for a chat, twenty a minute
for a group, thirty a second overall (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from storage.models import Closed

# Burst and rate together stay below the figure in any second, or any minute of a group.
_OVERALL_RPS, _OVERALL_BURST = 25.0, 5.0
_CHAT_RPS, _CHAT_BURST = 1.0, 6.0
_GROUP_RPS, _GROUP_BURST = 12 / 60, 8.0
# Tokens in a chat: what is less pressing leaves the last ones to what is more so.
_FOR_MESSAGES, _FOR_EDITS, _FOR_REFRESHES = 1.0, 3.0, 5.0
_TICK_S = 0.001  # what floating point swallows must not become a wait of nothing


@dataclass(slots=True)
class Bucket:
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


class Pacer:
    """Says which chats may be written to now; a chat that must wait holds up no other."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock = clock
        self._overall = Bucket(_OVERALL_RPS, _OVERALL_BURST)
        self._chats: dict[int, Bucket] = {}

    def allowance(self) -> int:
        """How many deliveries may be begun now, whatever the chat."""
        return max(0, int(self._overall.level(self._clock())))

    def closed(self) -> Closed:
        """The chats that must not be written to now."""
        now = self._clock()
        self._forget(now)
        levels = [(chat_id, bucket.level(now)) for chat_id, bucket in self._chats.items()]
        return Closed(
            to_all=[chat_id for chat_id, level in levels if level < _FOR_MESSAGES],
            to_edits=[chat_id for chat_id, level in levels if _FOR_MESSAGES <= level < _FOR_EDITS],
            to_refreshes=[chat_id for chat_id, level in levels if _FOR_EDITS <= level < _FOR_REFRESHES],
        )

    def opens_in_s(self) -> float | None:
        """How long until a chat, or all of Telegram, bears more than now; None: it bears everything."""
        now = self._clock()
        waits_s = [self._overall.wait_s(_FOR_MESSAGES, now)]
        waits_s += [_next_wait_s(bucket, now) for bucket in self._chats.values()]
        return min((wait_s for wait_s in waits_s if wait_s > 0), default=None)

    def spend(self, chat_ids: Iterable[int]) -> None:
        """A call to each of these chats is made."""
        now = self._clock()
        for chat_id in chat_ids:
            self._overall.take(now)
            self._bucket(chat_id).take(now)

    def stop(self, chat_id: int, seconds: float) -> None:
        """Telegram wants this chat left alone for so long."""
        bucket = self._bucket(chat_id)
        bucket.stopped_until = max(bucket.stopped_until, self._clock() + seconds)

    def _bucket(self, chat_id: int) -> Bucket:
        bucket = self._chats.get(chat_id)
        if bucket is None:
            # Groups, supergroups and channels have negative ids.
            limits = (_GROUP_RPS, _GROUP_BURST) if chat_id < 0 else (_CHAT_RPS, _CHAT_BURST)
            bucket = self._chats[chat_id] = Bucket(*limits)
        return bucket

    def _forget(self, now: float) -> None:
        rested = [
            chat_id
            for chat_id, bucket in self._chats.items()
            if bucket.level(now) >= bucket.size and now > bucket.stopped_until
        ]
        for chat_id in rested:
            del self._chats[chat_id]


def _next_wait_s(bucket: Bucket, now: float) -> float:
    """How long until the chat bears more than now; 0: it bears everything."""
    level = bucket.level(now)
    for needed in (_FOR_MESSAGES, _FOR_EDITS, _FOR_REFRESHES):
        if level < needed:
            return bucket.wait_s(needed, now)
    return 0.0
