from bot.health.wellness import Wellness
from bot.telemetry import Telemetry
from tests.fakes.clock import SteadyClock
from tests.unit.health.lost_archive import LostArchive


async def test_facts_for_the_chat_name_turns_counts_and_troubles():
    seconds = SteadyClock()
    telemetry = Telemetry(clock=seconds)
    telemetry.beat("clock")
    telemetry.count("updates", 2)
    seconds.move(7)

    facts = await Wellness(LostArchive(), telemetry).facts()

    assert facts == {
        "up": "7 s",
        "clock turned": "7 s ago",
        "updates": "2",
        "archive": "The disk is gone.",
    }
