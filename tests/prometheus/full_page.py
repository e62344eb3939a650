"""A page of /metrics with every metric that a bot can have."""

from pathlib import Path

from bot.http.disk import Disk
from bot.http.exposition import MetricsPage
from bot.media.download import Downloader
from bot.metrics import Metrics
from bot.polling.gauges import PollingGauges
from bot.polling.leased_tasks import KeyGroup
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.telemetry import Telemetry
from bot.watching.gateway_state import GatewayState
from storage.factory import schema_version
from storage.models import Cause
from storage.store import Store
from tests.fakes.clock import NOON
from tests.fakes.leadership import FakeLeadership
from tests.fakes.provider import ScriptedProvider
from tests.unit.http.lost_store import sources

LOOPS = ("polling", "delivery", "updates", "reports", "cards", "estimates", "pruning")


async def full_page(store: Store, *groups_of_names: tuple[str, ...]) -> str:
    """The page of a bot with these providers, each tuple behind one key; polls failed for every cause."""
    names = [name for each in groups_of_names for name in each]
    telemetry = Telemetry(Metrics(names, schema=schema_version()))
    metrics = telemetry.metrics
    for name in names:
        for cause in Cause:
            metrics.polls_of(name).ended(cause)
    for loop in LOOPS:
        telemetry.beat(loop)
    Downloader().count_in(metrics)
    groups = [
        KeyGroup(
            providers={name: ScriptedProvider({}, name=name) for name in each},
            limiter=AdaptiveRateLimiter(20),
            state=GatewayState(each, "gateway.example", at=NOON),
        )
        for each in groups_of_names
    ]
    metrics.registry.register(PollingGauges(groups, metrics, overdue_s=dict, now=lambda: 0.0))
    reports = [group.state.report(NOON) for group in groups if group.state]
    folder = Path()
    disk = Disk(folder, {"database": folder, "downloads": folder})
    leadership = FakeLeadership(epoch=7, is_held=True)
    page = MetricsPage(sources(store, disk, leadership=leadership), telemetry, lambda: reports)
    return (await page.render()).decode()
