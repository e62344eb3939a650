"""Retry delays with exponential backoff: (attempts, result) → seconds, or None to stop."""

from bot.backoff import Backoff
from bot.outbox.results import ChatGone, Migrated, Refusal, Refused, RetryAfter, SendResult, Transient

GIVE_UP_AFTER = 240  # refusals that a person might lift; more than fifteen hours in total
_MAY_BE_LIFTED = {Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.NO_METHOD, Refusal.OTHER}
_BACKOFF = Backoff(first_s=2.0, limit_s=300.0)


def retry_delay_s(attempts: int, result: SendResult) -> float | None:
    """Seconds until the next attempt; None: sent, unknown outcome, or permanent failure."""
    match result:
        case RetryAfter(seconds=seconds):
            return seconds + 0.5  # Telegram counts in whole seconds
        case Migrated() | ChatGone():
            return 0.0  # the store has rewritten or suspended the chat's rows
        case Transient(retry_in_s=retry_in_s):
            return 0.0 if retry_in_s is None else retry_in_s  # 0: TelegramRoute sets the delay
        case Refused(reason=reason) if reason in _MAY_BE_LIFTED and attempts < GIVE_UP_AFTER:
            return _BACKOFF.delay_s(attempts)
        case _:
            return None
