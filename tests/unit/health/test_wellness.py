from bot.health.wellness import Wellness
from bot.redaction import REDACTED, Redactor
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


class CountingArchive(LostArchive):
    """An archive that is well and counts how often it is asked."""

    def __init__(self) -> None:
        self.checks = 0

    async def check(self) -> None:
        self.checks += 1


async def test_many_questions_in_a_few_seconds_check_the_archive_once():
    seconds, archive = SteadyClock(), CountingArchive()
    wellness = Wellness(archive, Telemetry(clock=seconds))

    for _ in range(50):
        assert await wellness.classes() == {}
    assert archive.checks == 1

    seconds.move(11)
    await wellness.classes()
    assert archive.checks == 2


async def test_foreign_words_reach_the_chat_only_through_the_redactor():
    telemetry = Telemetry(clock=SteadyClock())
    telemetry.trouble("telegram", "no /bot1234567:hunter2/getMe")
    redact = Redactor(["1234567:hunter2"]).redact

    assert (await Wellness(CountingArchive(), telemetry, redact=redact).facts())["telegram"] == (
        f"no /bot{REDACTED}/getMe"
    )
    assert await Wellness(CountingArchive(), telemetry).classes() == {"telegram": "fails"}
