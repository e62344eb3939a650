from bot.chat.once_per import OncePer
from tests.fakes.clock import SteadyClock


def test_a_key_is_allowed_once_in_its_period():
    ticks = SteadyClock()
    limit = OncePer(3600, clock=ticks)
    assert [limit.allows("a"), limit.allows("a"), limit.allows("b")] == [True, False, True]
    ticks.advance(3600)
    assert limit.allows("a")


def test_many_keys_are_allowed_only_so_often_in_a_minute():
    ticks = SteadyClock()
    limit = OncePer(3600, per_minute=3, clock=ticks)
    assert [limit.allows(key) for key in range(5)] == [True, True, True, False, False]
    assert limit.suppressed == 2
    ticks.advance(60)
    assert limit.allows(3)
    assert limit.suppressed == 0


def test_only_so_many_keys_are_remembered():
    limit = OncePer(3600, keys=2, clock=SteadyClock())
    assert [limit.allows(key) for key in "abcab"] == [True, True, True, True, True]
