from bot.http.report import HealthReport
from bot.redaction import REDACTED, Redactor
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayReport, GatewayStatus
from storage.store import Store
from tests.fakes.clock import NOON, SteadyClock
from tests.unit.http.lost_store import LostStore


async def test_facts_contain_heartbeats_counters_and_problems():
    seconds = SteadyClock()
    telemetry = Telemetry(clock=seconds)
    telemetry.beat("polling")
    telemetry.metrics.updates.inc(2)
    telemetry.metrics.polls_of("wan").ended(None)
    seconds.advance(7)

    facts = await HealthReport(LostStore(), telemetry).facts()

    assert facts == {
        "up": "7 s",
        "polling ran": "7 s ago",
        "polls": "1",
        "updates": "2",
        "database": "The disk is gone.",
    }


class CountingStore(LostStore):
    """A writable store that counts its checks."""

    def __init__(self) -> None:
        self.checks = 0

    async def check(self) -> None:
        self.checks += 1


async def test_the_store_is_checked_once_for_many_calls_within_seconds():
    seconds, store = SteadyClock(), CountingStore()
    health_report = HealthReport(store, Telemetry(clock=seconds))

    for _ in range(50):
        assert await health_report.public_problems() == {}
    assert store.checks == 1

    seconds.advance(11)
    await health_report.public_problems()
    assert store.checks == 2


async def test_error_texts_are_redacted_in_facts_and_absent_from_classes():
    telemetry = Telemetry(clock=SteadyClock())
    telemetry.set_problem("telegram", "no /bot1234567:hunter2/getMe")
    redact = Redactor(["1234567:hunter2"]).redact

    assert (await HealthReport(CountingStore(), telemetry, redact=redact).facts())["telegram"] == (
        f"no /bot{REDACTED}/getMe"
    )
    assert await HealthReport(CountingStore(), telemetry).public_problems() == {"telegram": "fails"}


def report(status: GatewayStatus) -> GatewayReport:
    return GatewayReport(
        names=("veo", "wan"), host="gateway.example", status=status, since=NOON, http_status=503
    )


async def test_a_gateway_outage_is_a_fact_and_no_problem_of_the_process(store: Store):
    health_report = HealthReport(store, Telemetry(), lambda: [report(GatewayStatus.AWAY)])

    assert (await health_report.facts())["gateway gateway.example veo,wan"] == (
        "away since 2025-06-01 12:00:00 UTC, HTTP 503"
    )
    assert await health_report.problems() == {}
