"""A chat is gone only after two "chat not found" reports."""

from datetime import timedelta

from bot.outbox.doubted_chats import CONFIRM_AFTER, DoubtedChats
from tests.fakes.clock import NOON
from tests.fakes.places import ANNA, GROUP

LATER = NOON + CONFIRM_AFTER


def test_a_chat_is_gone_after_two_reports_some_minutes_apart():
    doubted = DoubtedChats()

    assert not doubted.not_found(ANNA, at=NOON)
    assert not doubted.not_found(ANNA, at=NOON + timedelta(seconds=5))
    assert doubted.not_found(ANNA, at=LATER)


def test_a_message_sent_in_between_resets_the_report():
    doubted = DoubtedChats()
    doubted.not_found(ANNA, at=NOON)
    doubted.answered(ANNA)

    assert not doubted.not_found(ANNA, at=LATER)


def test_reports_are_kept_per_chat():
    doubted = DoubtedChats()
    doubted.not_found(ANNA, at=NOON)

    assert not doubted.not_found(GROUP, at=LATER)


def test_the_number_of_kept_reports_is_bounded():
    doubted = DoubtedChats()
    for chat_id in range(1, 10_002):
        doubted.not_found(chat_id, at=NOON)

    assert not doubted.not_found(1, at=LATER)
    assert doubted.not_found(10_001, at=LATER)
