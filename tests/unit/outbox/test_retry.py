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


def test_a_flood_is_waited_out_and_a_little_more():
    assert retry_delay_s(1, RetryAfter(17)) == 17.5


@pytest.mark.parametrize("result", [Migrated(-1009), ChatGone("blocked")])
def test_the_next_try_waits_only_for_the_archive_when_the_chat_moved_or_is_lost(result: SendResult):
    assert retry_delay_s(1, result) == 0


def test_waits_for_what_an_admin_may_yet_allow_double_up_to_five_minutes():
    refused = Refused(Refusal.NO_RIGHTS, "")
    waits = [retry_delay_s(attempts, refused) for attempts in range(1, 11)]

    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_who_knows_when_to_try_again_is_heard():
    assert retry_delay_s(9, Transient("", retry_in_s=4.0)) == 4.0


def test_what_waits_for_telegram_alone_is_tried_as_soon_as_the_route_allows():
    assert retry_delay_s(100_000, Transient("away")) == 0


@pytest.mark.parametrize("reason", [Refusal.NO_RIGHTS, Refusal.NO_THREAD, Refusal.OTHER])
def test_what_an_admin_may_yet_allow_is_tried_for_hours_and_then_given_up(reason: Refusal):
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
def test_what_is_done_or_never_will_be_is_not_tried_again(result: SendResult):
    assert retry_delay_s(1, result) is None
