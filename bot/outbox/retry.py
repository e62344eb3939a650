"""When to try a delivery again, or to give up: (attempts, result) → seconds or None."""

from bot.outbox.results import ChatGone, Migrated, Refusal, Refused, RetryAfter, SendResult, Transient

GIVE_UP_AFTER = 200  # refusals that a person might lift; more than fifteen hours at the longest wait
_MAY_BE_LIFTED = {Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.NO_METHOD, Refusal.OTHER}
_FIRST_S = 2.0
_LONGEST_S = 300.0


def retry_delay_s(attempts: int, result: SendResult) -> float | None:
    """Seconds until the next try; None: it was sent, may have been sent, or never will be."""
    match result:
        case RetryAfter(seconds=seconds):
            return seconds + 0.5  # Telegram counts in whole seconds
        case Migrated() | ChatGone():
            return 0.0  # the archive rewrote the chat's rows, or parked them
        case Transient(again_s=again_s):
            return 0.0 if again_s is None else again_s  # 0: the route says when
        case Refused(reason=reason) if reason in _MAY_BE_LIFTED and attempts < GIVE_UP_AFTER:
            return _longer_each_time(attempts)
        case _:
            return None


def _longer_each_time(attempts: int) -> float:
    return min(_FIRST_S * 2.0 ** min(attempts - 1, 20), _LONGEST_S)
