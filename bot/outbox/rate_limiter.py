"""Client-side rate limits for the Bot API: per chat, per group and minute, and overall.

Calls are counted in one place only, where the bot makes them (bot/outbox/call_rate_limiter.py). Between the
claim of a delivery and its calls, a permit keeps room for them.

Telegram publishes no exact limits; its FAQ says about 1 message per second and chat, 20 per minute and group,
30 per second overall (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
"""

import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

from bot.token_bucket import SHORTEST_WAIT_S, TokenBucket
from storage.outbox import ThrottledChats

# Burst plus rate stay below Telegram's figure in any second.
_OVERALL_RPS, _OVERALL_BURST = 25.0, 5.0
_CHAT_RPS, _CHAT_BURST = 1.0, 6.0
_GROUP_CALLS, _GROUP_SPAN_S = 20, 60.5  # half a second more than a minute, for unequal network latency
_MAX_RESERVED = 6  # calls reserved in a group for videos in progress; hanging videos must not block it


class Urgency(IntEnum):
    """Priority of a call; lower priorities leave the last calls of a chat to higher ones."""

    MESSAGE = 0  # results, notices, first cards, final cards
    REPLY = 1
    EDIT = 2
    REFRESH = 3


# How many tokens of a chat, and calls per minute of a group, must be left, this call included.
# A video takes two calls: the announcement, and the edit into the video.
_TOKENS = {Urgency.MESSAGE: 1.0, Urgency.REPLY: 2.0, Urgency.EDIT: 3.0, Urgency.REFRESH: 5.0}
_CALLS = {Urgency.MESSAGE: 2, Urgency.REPLY: 4, Urgency.EDIT: 10, Urgency.REFRESH: 14}


@dataclass(slots=True)
class _Limits:
    """The limits of one chat."""

    bucket: TokenBucket
    calls: deque[float] | None  # groups only: times of the calls in the last minute
    held: int = 0  # first calls of claimed deliveries, about to be made
    reserved: int = 0  # calls reserved for videos in progress

    def take(self, now: float) -> None:
        self.bucket.take(now)
        if self.calls is not None:
            self.calls.append(now)

    def wait_s(self, urgency: Urgency, now: float) -> float:
        """Seconds until a call of this priority is allowed; 0: now."""
        return max(
            self.bucket.wait_s(_TOKENS[urgency] + self.held, now),
            self._minute_wait_s(_CALLS[urgency] + self.held, now),
        )

    def is_unused(self, now: float) -> bool:
        """Whether the state equals that of a new chat, so that it can be dropped."""
        self._drop_old(now)
        is_full = self.bucket.level(now) >= self.bucket.size
        is_idle = not (self.calls or self.held or self.reserved)
        return is_full and is_idle and now > self.bucket.paused_until

    def _minute_wait_s(self, needed: int, now: float) -> float:
        if self.calls is None:
            return 0.0
        self._drop_old(now)
        missing = needed - (_GROUP_CALLS - len(self.calls) - min(self.reserved, _MAX_RESERVED))
        if missing <= 0:
            return 0.0
        # Beyond the calls made, room is taken by held and reserved ones, made now at the earliest.
        made_at = self.calls[missing - 1] if missing <= len(self.calls) else now
        return max(made_at + _GROUP_SPAN_S - now, SHORTEST_WAIT_S)

    def _drop_old(self, now: float) -> None:
        while self.calls and self.calls[0] + _GROUP_SPAN_S <= now:
            self.calls.popleft()


@dataclass(slots=True)
class Permit:
    """Room for the calls of one claimed delivery; each is used up by the call, or released."""

    limits: _Limits
    is_first_held: bool  # the call that it makes at once
    is_second_reserved: bool  # a video's, after its transfer


# Of the delivery that makes the call; None: a reply, or another call without a claimed delivery.
current_permit: ContextVar[Permit | None] = ContextVar("current_permit", default=None)


class ChatRateLimiter:
    """Rate limits of all chats; a throttled chat does not delay the others."""

    def __init__(self, *, is_takeover: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """is_takeover: another process may have made calls until now, so that no burst is left.

        clock: monotonic seconds.
        """
        self._clock = clock
        self._emptied_at = clock() if is_takeover else None
        self._overall = self._bucket(_OVERALL_RPS, _OVERALL_BURST)
        self._chats: dict[int, _Limits] = {}
        self._held = 0  # of all chats

    def available(self) -> int:
        """How many deliveries the overall limit allows now."""
        return max(0, int(self._overall.level(self._clock()) - self._held))

    def throttled(self) -> ThrottledChats:
        """The chats without a free call now, per priority."""
        now = self._clock()
        for chat_id in [chat_id for chat_id, limits in self._chats.items() if limits.is_unused(now)]:
            del self._chats[chat_id]
        throttled: dict[Urgency, list[int]] = {urgency: [] for urgency in _DELIVERED}
        for chat_id, limits in self._chats.items():
            least = next((urgency for urgency in _DELIVERED if limits.wait_s(urgency, now) > 0), None)
            if least is not None:
                throttled[least].append(chat_id)
        return ThrottledChats(
            to_all=throttled[Urgency.MESSAGE],
            to_edits=throttled[Urgency.EDIT],
            to_refreshes=throttled[Urgency.REFRESH],
        )

    def next_free_in_s(self) -> float | None:
        """Seconds until some limit allows more than now; None: nothing is throttled."""
        now = self._clock()
        waits_s = [self._overall.wait_s(1.0 + self._held, now)]
        for limits in self._chats.values():
            waits_s.append(next(filter(None, (limits.wait_s(each, now) for each in _DELIVERED)), 0.0))
        return min((wait_s for wait_s in waits_s if wait_s > 0), default=None)

    def reply_wait_s(self, chat_id: int) -> float:
        """Seconds until the chat allows a reply to a command; 0: now."""
        limits = self._chats.get(chat_id)
        return limits.wait_s(Urgency.REPLY, self._clock()) if limits else 0.0

    def spend(self, chat_id: int | None, permit: Permit | None = None) -> None:
        """Count one call; it uses up the first or second one of the permit. chat_id: None, as of getMe."""
        now = self._clock()
        if permit is not None and permit.is_first_held:
            self.release_first(permit)
        elif permit is not None:
            self.release(permit)
        self._overall.take(now)
        if chat_id is not None:
            self._of(chat_id).take(now)

    def hold(self, chat_id: int, *, is_video: bool) -> Permit:
        """Keep room for the calls of a claimed delivery, until they are made or released."""
        limits = self._of(chat_id)
        limits.held += 1
        self._held += 1
        limits.reserved += is_video
        return Permit(limits, is_first_held=True, is_second_reserved=is_video)

    def release_first(self, permit: Permit) -> None:
        """Release the first call, if it was not made: a video's message may be there already."""
        self._held -= permit.is_first_held
        permit.limits.held -= permit.is_first_held
        permit.is_first_held = False

    def release(self, permit: Permit) -> None:
        """Release what is left."""
        self.release_first(permit)
        permit.limits.reserved -= permit.is_second_reserved
        permit.is_second_reserved = False

    def pause(self, chat_id: int, seconds: float) -> None:
        """Pause the chat for a flood wait."""
        self._of(chat_id).bucket.pause(self._clock() + seconds)

    def paused(self) -> int:
        """How many chats are paused for a flood wait."""
        now = self._clock()
        return sum(limits.bucket.paused_until > now for limits in self._chats.values())

    def _of(self, chat_id: int) -> _Limits:
        limits = self._chats.get(chat_id)
        if limits is None:
            is_group = chat_id < 0  # groups, supergroups and channels have negative ids
            limits = _Limits(self._bucket(_CHAT_RPS, _CHAT_BURST), deque() if is_group else None)
            self._chats[chat_id] = limits
        return limits

    def _bucket(self, rate: float, size: float) -> TokenBucket:
        bucket = TokenBucket(rate, size)
        if self._emptied_at is not None:
            bucket.pause(self._emptied_at, tokens=1.0)
        return bucket


_DELIVERED = (Urgency.MESSAGE, Urgency.EDIT, Urgency.REFRESH)
