"""A token bucket that can be paused."""

SHORTEST_WAIT_S = 0.001  # rounding must not turn a wait into 0


class TokenBucket:
    """Fills at a rate up to a size; a request takes a token. Times are seconds of a monotonic clock.

    rate and size may be changed at any time. The balance may become negative: some requests don't wait.
    """

    def __init__(self, rate: float, size: float, *, tokens: float | None = None) -> None:
        """rate: tokens per second. tokens: at the start; None: as many as it holds."""
        self.rate = rate
        self.size = size
        self.paused_until = 0.0
        self._tokens = size if tokens is None else tokens
        self._filled_at = 0.0

    def level(self, now: float) -> float:
        """Tokens available now; 0 while paused."""
        self._tokens = min(self.size, self._tokens + max(0.0, now - self._filled_at) * self.rate)
        self._filled_at = max(now, self._filled_at)
        return 0.0 if now < self.paused_until else self._tokens

    def take(self, now: float) -> None:
        """Take one token."""
        self.level(now)
        self._tokens -= 1

    def wait_s(self, level: float, now: float) -> float:
        """Seconds until so many tokens are available; 0: now."""
        if self.level(now) >= level:
            return 0.0
        filled_in_s = self._filled_at - now + (level - self._tokens) / self.rate
        return max(self.paused_until - now, filled_in_s, SHORTEST_WAIT_S)

    def pause(self, until: float, *, tokens: float | None = None) -> None:
        """Allow nothing before that time. tokens: the number then; None: as many as fill meanwhile."""
        self.paused_until = max(self.paused_until, until)
        if tokens is not None:
            self._tokens, self._filled_at = tokens, self.paused_until
