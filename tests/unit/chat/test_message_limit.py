"""How many messages of one person in one group are handled."""

from bot.chat.message_limit import MESSAGES_PER_MINUTE, MessageLimit, MessageVerdict


def test_the_first_message_too_many_is_told_and_the_next_ones_are_ignored_for_a_minute():
    now = [0.0]
    limit = MessageLimit(clock=lambda: now[0])
    verdicts = [limit.count("anna") for _ in range(MESSAGES_PER_MINUTE + 3)]
    assert verdicts[:MESSAGES_PER_MINUTE] == [MessageVerdict.HANDLE] * MESSAGES_PER_MINUTE
    assert verdicts[MESSAGES_PER_MINUTE:] == [MessageVerdict.TELL, *[MessageVerdict.IGNORE] * 2]
    assert limit.count("boris") is MessageVerdict.HANDLE

    now[0] = 59.9
    assert limit.count("anna") is MessageVerdict.IGNORE
    now[0] = 60.0
    assert limit.count("anna") is MessageVerdict.HANDLE


def test_a_bounded_number_of_people_is_remembered():
    limit = MessageLimit(clock=lambda: 0.0)
    for _ in range(MESSAGES_PER_MINUTE):
        limit.count("anna")
    for other in range(10_000):
        limit.count(other)
    assert limit.count("anna") is MessageVerdict.HANDLE
