"""Jitter under a test's control."""

from collections.abc import Sequence
from random import Random


class _Zero(Random):
    def random(self) -> float:
        return 0.0


NO_JITTER = _Zero()  # each delay of a Backoff is its longest


def are_jittered(delays_s: Sequence[float | None], longest_s: Sequence[float]) -> bool:
    """Whether each delay is the longest one or up to a fifth shorter."""
    return len(delays_s) == len(longest_s) and all(
        delay_s is not None and 0.8 * longest <= delay_s <= longest
        for delay_s, longest in zip(delays_s, longest_s, strict=True)
    )
