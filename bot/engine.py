"""What goes on whether or not people write: the clock, the courier, the housekeeper, the health server.

Apart from the door, and loaded after it has opened, since it takes as long to load as all the rest.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from telegram.ext import ExtBot

from bot.config import Settings
from bot.forecast.estimates import Estimates
from bot.foundation import Foundation, utc_now
from bot.http import server
from bot.http.report import HealthReport
from bot.maintenance import Housekeeper
from bot.media.cache import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, VideoCache
from bot.media.download import Downloader
from bot.media.probe import Inspector
from bot.outbox.admin_reports import AdminReports, Admins
from bot.outbox.sender import Sender
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.outbox.worker import DeliveryWorker
from bot.polling.leased_tasks import KeyGroup
from bot.polling.rate_limiter import AdaptiveRateLimiter
from bot.polling.scheduler import Scheduler
from bot.private_hosts import PrivateHosts
from bot.providers import gateways
from bot.providers.base import Provider
from bot.providers.gateways import Gateways
from bot.providers.parsing.links import origin
from bot.providers.transport import HttpTransport
from bot.watching.access import Access
from bot.watching.ageing import Ageing
from bot.watching.cadence import SPARE_POLL_PRICE_S, Cadence
from bot.watching.gateway_state import GatewayStates
from bot.watching.poll import Poller
from storage.errors import StoreError, StoreUnavailable
from storage.models import Cause
from storage.store import Store

log = logging.getLogger(__name__)

# Per account: https://www.alibabacloud.com/help/en/model-studio/rate-limit; the others publish none.
_PUBLISHED_RPS = {"alibailian": 20.0}
_COURIER_STOP_S = 5.0
_STORE_PAUSE_S = 2.0
_NO_PROVIDER = (
    "No provider is configured yet; set GATEWAY_BASE_URL and GATEWAY_API_KEY, "
    "and start the bot again with them (in Docker: docker compose up -d)."
)
# What other settings mend, and settings are read at the start only.
_MAYBE_MENDED = {
    Cause.KEY_INVALID,
    Cause.KEY_EXHAUSTED,
    Cause.NOT_ALLOWED,
    Cause.NOT_CONFIGURED,
    Cause.ROUTE_MISSING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loops:
    scheduler: Scheduler
    admin_reports: AdminReports
    worker: DeliveryWorker
    housekeeper: Housekeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class _Learned:
    """What the database knows at the start."""

    estimates: Estimates
    awaited_providers: Set[str]  # the names of those that tasks wait for


async def drive(foundation: Foundation, bot: ExtBot[None], cadence: Cadence | None) -> None:
    """Turn until cancelled, the courier once Telegram has answered; raises StoreError and PortTaken."""
    # What a look makes dies with it: to search all of it for circles every 700 objects costs the polls time.
    gc.set_threshold(20_000, 20, 20)
    gc.freeze()
    with suppress(StoreError):  # where the disk is full, they are looked at later
        await foundation.store.make_due_again(_MAYBE_MENDED, at=utc_now())
    learned = await _load(foundation.store)
    async with _open(foundation, bot, cadence, learned) as loops, asyncio.TaskGroup() as group:
        group.create_task(loops.scheduler.run())
        group.create_task(loops.housekeeper.run())
        group.create_task(_deliver(loops.worker, foundation))
        group.create_task(_report(loops.admin_reports, foundation.connected))


async def _load(store: Store) -> _Learned:
    """What the database knows at the start, as soon as it can be read; people are answered meanwhile."""
    while True:
        try:
            return _Learned(
                estimates=Estimates.from_json(await store.load_estimates()),
                awaited_providers=await store.providers_with_due_tasks(),
            )
        except StoreUnavailable:
            await asyncio.sleep(_STORE_PAUSE_S)


async def _stop_those_not_let_in(access: Access) -> None:
    """As soon as the database can be written to; before that nothing is delivered either."""
    while True:
        try:
            return await access.enforce()
        except StoreUnavailable:
            await asyncio.sleep(_STORE_PAUSE_S)


async def _report(reports: AdminReports, connected: asyncio.Event) -> None:
    await connected.wait()
    await reports.run()


async def _deliver(worker: DeliveryWorker, foundation: Foundation) -> None:
    await _stop_those_not_let_in(foundation.access)
    await foundation.connected.wait()
    try:
        await worker.run()
    finally:
        await worker.drain(_COURIER_STOP_S)


@asynccontextmanager
async def _open(
    foundation: Foundation, bot: ExtBot[None], cadence: Cadence | None, learned: _Learned
) -> AsyncIterator[_Loops]:
    """Everything built and opened, nothing running yet."""
    settings, store, telemetry = foundation.settings, foundation.store, foundation.telemetry
    ring, states = foundation.new_delivery.set, foundation.gateways
    estimates = learned.estimates
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(
            HttpTransport(tls=foundation.tls, proxy=settings.provider_proxy)
        )
        downloader = await stack.enter_async_context(
            Downloader(
                tls=foundation.tls,
                allowed=reachable_hosts(settings),
                proxy=settings.download_proxy,
            )
        )
        providers = gateways.build(settings.provider_configs, transport)
        if not providers:
            log.warning(_NO_PROVIDER)
        cadence = cadence or Cadence(price_by_provider_s=prices_s(settings))
        ageing = Ageing(rest=timedelta(days=settings.rest_days))
        poller = Poller(store, cadence, estimates, clock=utc_now, ring=ring, ageing=ageing)
        sender = _sender(foundation, bot)
        cache = VideoCache(
            settings.downloads_folder,
            downloader,
            providers,
            inspector=await stack.enter_async_context(Inspector()),
            limit=LOCAL_UPLOAD_LIMIT if settings.telegram_local_mode else UPLOAD_LIMIT,
        )
        if settings.health_port is not None:
            health_report = HealthReport(store, telemetry, states.reports)
            await stack.enter_async_context(
                server.http_server(health_report, settings.health_port, settings.health_host)
            )
        scheduler = _scheduler(foundation, poller, providers, learned.awaited_providers)
        yield _Loops(
            scheduler=scheduler,
            admin_reports=AdminReports(
                store,
                sender.send,
                states,
                admins=Admins(ids=settings.admin_ids, language=settings.language),
                waiting=scheduler.waiting,
                clock=utc_now,
            ),
            worker=DeliveryWorker(
                store,
                TextDelivery(sender, estimates, clock=utc_now, problem_of=states.problem_of),
                VideoDelivery(store, sender, cache, clock=utc_now),
                new_delivery=foundation.new_delivery,
                clock=utc_now,
                telemetry=telemetry,
            ),
            housekeeper=Housekeeper(
                store, estimates, clock=utc_now, ring=ring, kept=timedelta(days=settings.keep_days)
            ),
        )


def _sender(foundation: Foundation, bot: ExtBot[None]) -> Sender:
    return Sender(
        bot,
        foundation.rate_limiter,
        local_mode=foundation.settings.telegram_local_mode,
        migrated=foundation.access.migrated,
    )


def _scheduler(foundation: Foundation, poller: Poller, providers: Gateways, awaited: Set[str]) -> Scheduler:
    lines = key_lines(foundation.settings, providers.values(), foundation.gateways)
    return Scheduler(
        foundation.store,
        poller,
        [*lines, *_orphaned(providers, awaited)],
        wakeup=foundation.wakeup,
        clock=utc_now,
        telemetry=foundation.telemetry,
    )


def reachable_hosts(settings: Settings) -> PrivateHosts:
    """The private hosts that videos may come from: what is set, and the gateways' own."""
    homes = [origin(config.base_url) for config in settings.provider_configs]
    return settings.download_allow_private.with_origins((home[1], home[2]) for home in homes if home)


def prices_s(settings: Settings) -> Mapping[str, float]:
    """Where somebody has named a key's allowance it may be spent; elsewhere a poll keeps its price."""
    named = (config.name for config in settings.provider_configs if settings.max_rps(config.name) is not None)
    return dict.fromkeys(named, SPARE_POLL_PRICE_S)


def key_lines(settings: Settings, providers: Iterable[Provider], states: GatewayStates) -> list[KeyGroup]:
    """One line a key and host, whatever names and kinds it serves."""
    behind: dict[tuple[str, str], dict[str, Provider]] = {}
    for config, provider in zip(settings.provider_configs, providers, strict=True):
        behind.setdefault((provider.host, config.api_key), {})[provider.name] = provider
    return [
        KeyGroup(
            providers=named,
            limiter=AdaptiveRateLimiter(_max_rps(settings, named.values())),
            state=states.add(list(named), host),
        )
        for (host, _), named in behind.items()
    ]


def _orphaned(providers: Gateways, awaited: Set[str]) -> list[KeyGroup]:
    """Of the providers that tasks wait for and nobody has configured, so that their chats are told."""
    names = sorted(awaited - providers.keys())
    if names:
        log.warning("Tasks wait for providers that are not configured: %s", ", ".join(names))
    return [KeyGroup(providers={name: providers[name]}, limiter=AdaptiveRateLimiter(None)) for name in names]


def _max_rps(settings: Settings, providers: Iterable[Provider]) -> float | None:
    """The least that is set or published for any of them; None: not known, to be found out."""
    told = [settings.max_rps(each.name) or _PUBLISHED_RPS.get(each.kind) for each in providers]
    return min((rps for rps in told if rps is not None), default=None)
