"""The delay before a retry: exponential, bounded, with jitter (see docs/decisions.md)."""

from dataclasses import dataclass, field
from random import Random

_MAX_EXPONENT = 64  # any limit is reached by then; a higher power would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff. The jitter only shortens a delay, so that limit_s is the longest one."""

    first_s: float  # after the first failure
    limit_s: float
    factor: float = 2.0
    jitter: float = 0.2  # the share by which a delay is shortened at most
    random: Random = field(default_factory=Random, repr=False, compare=False)

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, counted from 1."""
        longest_s = min(self.first_s * self.factor ** min(failures - 1, _MAX_EXPONENT), self.limit_s)
        return longest_s * (1 - self.jitter * self.random.random())


# While the database is unavailable; short, as the polls and messages wait for it.
STORE_BACKOFF = Backoff(first_s=1.0, limit_s=2.0)
