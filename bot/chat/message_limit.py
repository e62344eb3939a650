"""The number of messages that one person may send to the bot in one group."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import Enum, auto

MESSAGES_PER_MINUTE = 15  # fewer than the replies that Telegram takes in a group: one more has to fit
_MINUTE_S = 60.0
_KEYS = 10_000


class MessageVerdict(Enum):
    """What is to be done with a message."""

    HANDLE = auto()
    TELL = auto()  # the first one too many
    IGNORE = auto()


class MessageLimit:
    """Counts the messages of each key in the minute that begins with its first one."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: monotonic, seconds. A bounded number of keys is remembered, the oldest evicted first."""
        self._clock = clock
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()  # minute's begin, messages

    def count(self, key: Hashable) -> MessageVerdict:
        """Count a message."""
        now = self._clock()
        begun_at, count = self._counts.get(key, (now, 0))
        if now - begun_at >= _MINUTE_S:
            self._counts.pop(key)
            begun_at, count = now, 0
        self._counts[key] = begun_at, count + 1
        if len(self._counts) > _KEYS:
            self._counts.popitem(last=False)
        if count < MESSAGES_PER_MINUTE:
            return MessageVerdict.HANDLE
        return MessageVerdict.TELL if count == MESSAGES_PER_MINUTE else MessageVerdict.IGNORE
