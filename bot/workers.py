"""Builds and runs the workers: polling, delivery, maintenance, reports to the admins, the health server."""

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from telegram.ext import ExtBot

from bot.backoff import STORE_BACKOFF
from bot.config import Settings
from bot.forecast.estimates import Estimates
from bot.health.report import HealthReport
from bot.health.systemd import ServiceManager, keep_notified
from bot.http.disk import Disk
from bot.http.exposition import MetricsPage, Sources
from bot.http.server import http_server
from bot.key_groups import key_groups, prices_s, providers_of, reachable_hosts, unconfigured_groups
from bot.logs import log_fields
from bot.maintenance import Housekeeper
from bot.media.cache import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, VideoCache
from bot.media.download import Downloader
from bot.media.probe import Inspector
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.outbox.sender import Sender
from bot.outbox.text_delivery import TextDelivery
from bot.outbox.video_delivery import VideoDelivery
from bot.outbox.worker import DeliveryWorker
from bot.polling.gauges import PollingGauges
from bot.polling.leased_tasks import KeyGroup
from bot.polling.scheduler import Scheduler
from bot.polling.wakeup import Wakeup
from bot.providers.catalog import Catalog
from bot.providers.transport import HttpTransport
from bot.telemetry import Telemetry
from bot.watching.access import Access
from bot.watching.admin_reports import AdminReports, Admins
from bot.watching.ageing import Ageing
from bot.watching.cadence import Cadence
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.watching.poll import Poller
from storage.errors import StoreError, StoreUnavailable
from storage.models import Cause
from storage.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

_DELIVERY_STOP_S = 5.0
_NO_PROVIDER = (
    "No provider is configured yet; set GATEWAY_BASE_URL and GATEWAY_API_KEY, "
    "and start the bot again with them (in Docker: docker compose up -d)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What all workers and the update handlers share."""

    settings: Settings
    store: Store
    access: Access
    first_admin: FirstAdmin
    telemetry: Telemetry
    health: HealthReport
    service_manager: ServiceManager
    tls: ssl.SSLContext  # one for all routes, as loading certificates takes time
    wakeup: Wakeup  # wakes the polling loop
    new_delivery: asyncio.Event  # wakes the delivery worker
    gateways: GatewayStates
    rate_limiter: ChatRateLimiter  # counts all calls of the bot
    connected: asyncio.Event  # set with the first response of Telegram

    def wake_loops(self) -> None:
        """Wake the polling loop and the delivery worker."""
        self.wakeup.notify()
        self.new_delivery.set()


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workers:
    scheduler: Scheduler
    admin_reports: AdminReports
    delivery: DeliveryWorker
    housekeeper: Housekeeper


async def run_workers(resources: Resources, bot: ExtBot[None], cadence: Cadence | None) -> None:
    """Run all workers until cancelled; raises StoreError and PortTaken.

    1. Start the server of health and metrics, and the notifications of the service manager.
    2. Make tasks due whose last failure new settings may have fixed.
    3. Load the estimates, waiting while the database can't be read; updates are handled meanwhile.
    4. Start polling, maintenance and the reports to the admins.
    5. Start delivery once Telegram has responded.
    """
    async with _http_server(resources), asyncio.TaskGroup() as group:
        group.create_task(keep_notified(resources.service_manager, resources.health))
        group.create_task(_work(resources, bot, cadence))


async def _work(resources: Resources, bot: ExtBot[None], cadence: Cadence | None) -> None:
    beat = partial(resources.telemetry.beat, "start")
    beat()
    # A poll's objects die with it; a collection every 700 allocations would only cost the polls time.
    gc.set_threshold(20_000, 20, 20)
    gc.freeze()
    with suppress(StoreError):  # with a full disk they stay due at their own times
        # Settings are read at the start only.
        maybe_fixed = {cause for cause in Cause if cause.depends_on_settings}
        await resources.store.make_due_again(maybe_fixed, at=utc_now())
    estimates = Estimates.from_json(await _when_available(resources.store.load_estimates, beat))
    awaited = await _when_available(resources.store.providers_with_due_tasks, beat)
    build = _build(resources, bot, cadence, estimates=estimates, awaited=awaited)
    async with build as workers, asyncio.TaskGroup() as group:
        group.create_task(workers.scheduler.run())
        group.create_task(workers.housekeeper.run())
        group.create_task(_deliver(workers.delivery, resources))
        group.create_task(workers.admin_reports.run(resources.telemetry))
        resources.telemetry.end("start")


async def _when_available(call: Callable[[], Awaitable[T]], beat: Callable[[], None]) -> T:
    """The result of the call, which is retried while the database is unavailable, with a beat each time."""
    failures = 0
    while True:
        beat()
        try:
            return await call()
        except StoreUnavailable:
            failures += 1
            await asyncio.sleep(STORE_BACKOFF.delay_s(failures))


async def _deliver(worker: DeliveryWorker, resources: Resources) -> None:
    telemetry = resources.telemetry
    # Stops the watches of chats that lost access.
    await _when_available(resources.access.enforce, partial(telemetry.beat, "delivery"))
    resources.first_admin.show_code()
    await telemetry.wait("delivery", resources.connected)
    try:
        await worker.run()
    finally:
        await worker.drain(_DELIVERY_STOP_S)


@asynccontextmanager
async def _build(
    resources: Resources,
    bot: ExtBot[None],
    cadence: Cadence | None,
    *,
    estimates: Estimates,
    awaited: Set[str],
) -> AsyncIterator[_Workers]:
    """Build and open everything; nothing runs yet. awaited: the providers of unfinished tasks, by name."""
    settings, store = resources.settings, resources.store
    notify_delivery, states = resources.new_delivery.set, resources.gateways
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(
            HttpTransport(tls=resources.tls, proxy=settings.provider_proxy)
        )
        downloader = await stack.enter_async_context(
            Downloader(
                tls=resources.tls,
                allowed=reachable_hosts(settings),
                proxy=settings.download_proxy,
            )
        )
        downloader.count_in(resources.telemetry.metrics)
        groups = key_groups(settings, transport, states)
        providers = providers_of(groups)
        groups += unconfigured_groups(providers, awaited)
        if not providers:
            log.warning(_NO_PROVIDER, extra=log_fields(None, "no_provider"))
        cadence = cadence or Cadence(price_by_provider_s=prices_s(settings))
        ageing = Ageing(rest=settings.rest_days)
        poller = Poller(store, cadence, estimates, clock=utc_now, notify=notify_delivery, ageing=ageing)
        cache = VideoCache(
            settings.downloads_folder,
            downloader,
            providers,
            inspector=await stack.enter_async_context(Inspector()),
            limit=LOCAL_UPLOAD_LIMIT if settings.telegram_local_mode else UPLOAD_LIMIT,
        )
        scheduler = _scheduler(resources, poller, groups)
        yield _Workers(
            scheduler=scheduler,
            admin_reports=AdminReports(
                store,
                states,
                admins=Admins(ids=resources.access.admin_ids, language=settings.language),
                waiting=scheduler.waiting,
                clock=utc_now,
                notify=notify_delivery,
            ),
            delivery=_delivery(resources, bot, estimates, cache),
            housekeeper=Housekeeper(
                store,
                estimates,
                clock=utc_now,
                notify=notify_delivery,
                kept=settings.keep_days,
                telemetry=resources.telemetry,
            ),
        )


def _http_server(resources: Resources) -> AbstractAsyncContextManager[None]:
    """The server of health and metrics, if a port is set for it."""
    settings = resources.settings
    if settings.health_port is None:
        return nullcontext()
    volumes = {"downloads": settings.downloads_folder}
    if isinstance(settings.database, Path):
        volumes["database"] = settings.database.parent
    disk = Disk(settings.downloads_folder, volumes)
    sources = Sources(store=resources.store, disk=disk, live=resources.health.live)
    page = MetricsPage(sources, resources.telemetry, resources.gateways.reports, clock=utc_now)
    return http_server(resources.health, page, settings.health_port, settings.health_host)


def _delivery(
    resources: Resources, bot: ExtBot[None], estimates: Estimates, cache: VideoCache
) -> DeliveryWorker:
    store, problem_of = resources.store, resources.gateways.problem_of
    sender = Sender(
        bot,
        resources.rate_limiter,
        local_mode=resources.settings.telegram_local_mode,
        migrated=resources.access.migrated,
    )
    return DeliveryWorker(
        store,
        TextDelivery(
            sender,
            estimates,
            clock=utc_now,
            problem_of=problem_of,
            example_ids=Catalog(resources.settings.providers).example_ids,
        ),
        VideoDelivery(store, sender, cache, clock=utc_now),
        new_delivery=resources.new_delivery,
        clock=utc_now,
        telemetry=resources.telemetry,
    )


def _scheduler(resources: Resources, poller: Poller, groups: Sequence[KeyGroup]) -> Scheduler:
    """The polling loop, with its gauges."""
    metrics, wakeup = resources.telemetry.metrics, resources.wakeup
    scheduler = Scheduler(
        resources.store,
        poller,
        groups,
        wakeup=wakeup,
        clock=utc_now,
        telemetry=resources.telemetry,
    )
    resources.gateways.count_waiting = scheduler.waiting
    metrics.registry.register(PollingGauges(groups, metrics, overdue_s=scheduler.overdue_s, now=wakeup.now))
    return scheduler
