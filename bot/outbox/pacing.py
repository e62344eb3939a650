"""Flood control of our own: how many calls each chat, each group and Telegram as a whole will bear.

Telegram publishes no exact limits; its FAQ names about one message a second for a chat, twenty a minute
for a group, thirty a second overall (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

from collections.abc import Iterable
from dataclasses import dataclass

# Burst and rate together stay below the figure in any second, or any minute of a group.
_OVERALL_RPS, _OVERALL_BURST = 25.0, 5.0
_CHAT_RPS, _CHAT_BURST = 1.0, 6.0
_GROUP_RPS, _GROUP_BURST = 12 / 60, 8.0
_RESERVE = 2.0  # tokens that only new messages may use


@dataclass(slots=True)
class Bucket:
    """A token bucket; seconds are those of one steady clock."""

    rate: float
    size: float
    tokens: float
    filled_at: float
    stopped_until: float = 0.0

    def level(self, now: float) -> float:
        """Tokens there now; none while stopped."""
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.filled_at) * self.rate)
        self.filled_at = max(now, self.filled_at)
        return 0.0 if now < self.stopped_until else self.tokens

    def full_to(self, level: float, now: float) -> float:
        """When there will be so many tokens."""
        self.level(now)
        return max(self.stopped_until, now + max(0.0, level - self.tokens) / self.rate)


class Pacer:
    """Says which chats may be written to now; a chat that must wait holds up no other."""

    def __init__(self) -> None:
        self._overall = _bucket(_OVERALL_RPS, _OVERALL_BURST)
        self._chats: dict[int, Bucket] = {}

    def allowance(self, now: float) -> int:
        """How many deliveries may be begun now, whatever the chat."""
        return int(self._overall.level(now))

    def closed(self, now: float, *, for_edits: bool) -> list[int]:
        """The chats that must not be written to now; edits leave the last tokens to the rest."""
        needed = 1.0 + (_RESERVE if for_edits else 0.0)
        self._forget(now)
        return [chat_id for chat_id, bucket in self._chats.items() if bucket.level(now) < needed]

    def opens_at(self, now: float) -> float | None:
        """When the first closed chat opens for all, or the whole does; None: nothing is closed."""
        times = [
            bucket.full_to(needed, now)
            for bucket in self._chats.values()
            for needed in (1.0, 1.0 + _RESERVE)
            if bucket.level(now) < needed
        ]
        if self._overall.level(now) < 1:
            times.append(self._overall.full_to(1.0, now))
        return min(times, default=None)

    def spend(self, chat_ids: Iterable[int], now: float) -> None:
        """A call to each of these chats is made."""
        for chat_id in chat_ids:
            self._overall.tokens -= 1
            self._bucket(chat_id, now).tokens -= 1

    def stop(self, chat_id: int, seconds: float, now: float) -> None:
        """Telegram wants this chat left alone for so long."""
        bucket = self._bucket(chat_id, now)
        bucket.stopped_until = max(bucket.stopped_until, now + seconds)

    def _bucket(self, chat_id: int, now: float) -> Bucket:
        bucket = self._chats.get(chat_id)
        if bucket is None:
            # Groups, supergroups and channels have negative ids.
            limits = (_GROUP_RPS, _GROUP_BURST) if chat_id < 0 else (_CHAT_RPS, _CHAT_BURST)
            bucket = self._chats[chat_id] = _bucket(*limits)
        bucket.level(now)
        return bucket

    def _forget(self, now: float) -> None:
        rested = [
            chat_id
            for chat_id, bucket in self._chats.items()
            if bucket.level(now) >= bucket.size and now > bucket.stopped_until
        ]
        for chat_id in rested:
            del self._chats[chat_id]


def _bucket(rate: float, size: float) -> Bucket:
    return Bucket(rate=rate, size=size, tokens=size, filled_at=0.0)
