import pytest

from bot.outbox.results import (
    ChatGone,
    LinkOnly,
    Migrated,
    Refusal,
    Refused,
    RetryAfter,
    SendResult,
    Sent,
    Transient,
    Unknown,
)
from bot.outbox.retry import GIVE_UP_AFTER, retry_delay_s
from tests.fakes.jitter import are_jittered


def test_a_flood_wait_is_kept_with_a_margin():
    assert retry_delay_s(1, RetryAfter(17)) == 17.5


@pytest.mark.parametrize("result", [Migrated(-1009), ChatGone("blocked")])
def test_a_migrated_or_gone_chat_is_retried_at_once(result: SendResult):
    assert retry_delay_s(1, result) == 0


def test_retries_of_a_liftable_refusal_back_off_up_to_five_minutes():
    refused = Refused(Refusal.NO_RIGHTS, "")
    waits = [retry_delay_s(attempts, refused) for attempts in range(1, 11)]

    assert are_jittered(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300])


def test_a_given_retry_delay_is_used():
    assert retry_delay_s(9, Transient("", retry_in_s=4.0)) == 4.0


def test_an_unreachable_telegram_leaves_the_delay_to_the_circuit_breaker():
    assert retry_delay_s(100_000, Transient("away")) == 0


@pytest.mark.parametrize("reason", [Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.OTHER])
def test_a_liftable_refusal_is_retried_for_hours_and_then_permanent(reason: Refusal):
    waits = [retry_delay_s(attempts, Refused(reason, "")) for attempts in range(1, GIVE_UP_AFTER + 1)]

    assert sum(wait for wait in waits if wait) > 15 * 3600
    assert waits[-1] is None
    assert None not in waits[:-1]


@pytest.mark.parametrize(
    "result",
    [
        Sent(1),
        Unknown("lost"),
        LinkOnly("unreachable"),
        Refused(Refusal.TOO_LARGE, ""),
        Refused(Refusal.BAD_FILE, ""),
        Refused(Refusal.NO_MESSAGE, ""),
    ],
)
def test_final_results_are_not_retried(result: SendResult):
    assert retry_delay_s(1, result) is None
