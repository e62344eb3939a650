"""Builds and runs the workers of a term: polling, delivery, maintenance, reports to the admins."""

import asyncio
import gc
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from telegram.ext import ExtBot

from bot.backoff import STORE_BACKOFF
from bot.config import Settings
from bot.forecast.estimates import Estimates
from bot.health.report import HealthReport
from bot.key_groups import key_groups, prices_s, providers_of, reachable_hosts, unconfigured_groups
from bot.logs import log_fields
from bot.maintenance import Housekeeper
from bot.media.cache import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, VideoCache
from bot.media.download import Downloader
from bot.media.own_folder import own_folder
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
from bot.providers.clock_skew import ClockSkews
from bot.providers.transport import HttpTransport
from bot.telemetry import Telemetry
from bot.watching.access import Access
from bot.watching.admin_reports import AdminReports, Admins
from bot.watching.ageing import Ageing
from bot.watching.cadence import Cadence
from bot.watching.card_refresher import CardRefresher
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.watching.poll import Poller
from storage.errors import StoreError, StoreUnavailable
from storage.leadership import Term
from storage.models import Cause
from storage.notifications import Topic
from storage.postgres_url import PostgresUrl
from storage.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

_DELIVERY_STOP_S = 5.0
# After a loss, for deliveries that remove a message of theirs whose id could not be stored; all other calls
# are refused. Less than the time between the loss and the next leader's first call.
_DELIVERY_LOSS_S = 0.8
_NO_PROVIDER = (
    "No provider is configured yet; set GATEWAY_BASE_URL and GATEWAY_API_KEY, "
    "and start the bot again with them (in Docker: docker compose up -d)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What all workers and the update handlers of a term share."""

    settings: Settings
    store: Store
    term: Term
    access: Access
    first_admin: FirstAdmin
    telemetry: Telemetry
    health: HealthReport
    tls: ssl.SSLContext  # one for all routes, as loading certificates takes time
    wakeup: Wakeup  # wakes the polling loop
    new_delivery: asyncio.Event  # wakes the delivery worker
    gateways: GatewayStates
    rate_limiter: ChatRateLimiter  # counts all calls of the bot
    connected: asyncio.Event  # set with the first response of Telegram

    def notify_polling(self) -> None:
        """Wake the polling loop, here or of the process that leads."""
        self.wakeup.notify()
        self.store.notifications.send(Topic.POLLING)

    def notify_delivery(self) -> None:
        """Wake the delivery worker, here or of the process that leads."""
        self.new_delivery.set()
        self.store.notifications.send(Topic.DELIVERY)

    def notify_both(self) -> None:
        """Wake the polling loop and the delivery worker."""
        self.notify_polling()
        self.notify_delivery()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workers:
    scheduler: Scheduler
    admin_reports: AdminReports
    cards: CardRefresher
    delivery: DeliveryWorker
    housekeeper: Housekeeper


async def run_workers(resources: Resources, bot: ExtBot[None], cadence: Cadence | None) -> None:
    """Run all workers until cancelled; raises StoreError.

    1. Make tasks due whose last failure new settings may have fixed.
    2. Load the estimates, waiting while the database can't be read; updates are handled meanwhile.
    3. Start polling, maintenance, the reports to the admins and the refreshes of cards.
    4. Start delivery once Telegram has responded.
    """
    beat = partial(resources.telemetry.beat, "start")
    beat()
    if not gc.get_freeze_count():  # of a later term, it would keep what is left of the ones before
        gc.freeze()
    with suppress(StoreError):  # with a full disk they stay due at their own times
        # Settings are read at the start only.
        maybe_fixed = {cause for cause in Cause if cause.depends_on_settings}
        await resources.store.make_due_again(maybe_fixed, at=resources.store.now())
    estimates = Estimates.from_json(await _when_available(resources.store.load_estimates, beat))
    awaited = await _when_available(resources.store.providers_with_due_tasks, beat)
    build = _build(resources, bot, cadence, estimates=estimates, awaited=awaited)
    async with build as workers, asyncio.TaskGroup() as group:
        group.create_task(workers.scheduler.run())
        group.create_task(workers.housekeeper.run())
        group.create_task(_deliver(workers.delivery, resources))
        group.create_task(workers.admin_reports.run(resources.telemetry))
        group.create_task(workers.cards.run(resources.telemetry))
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
        await worker.drain(_DELIVERY_STOP_S if resources.term.is_on else _DELIVERY_LOSS_S)


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
    settings, store, term = resources.settings, resources.store, resources.term
    notify_delivery, states = resources.new_delivery.set, resources.gateways
    async with AsyncExitStack() as stack:
        skews, proxy = ClockSkews(clock=store.now), settings.provider_proxy
        transport = await stack.enter_async_context(
            HttpTransport(tls=resources.tls, proxy=proxy, ensure_leads=term.ensure, skews=skews)
        )
        downloader = await stack.enter_async_context(
            Downloader(tls=resources.tls, allowed=reachable_hosts(settings), proxy=settings.download_proxy)
        )
        downloader.count_in(resources.telemetry.metrics)
        groups = key_groups(settings, transport, states)
        providers = providers_of(groups)
        groups += unconfigured_groups(providers, awaited)
        if not providers:
            log.warning(_NO_PROVIDER, extra=log_fields(None, "no_provider"))
        cadence = cadence or Cadence(price_by_provider_s=prices_s(settings))
        ageing = Ageing(rest=settings.rest_days)
        poller = Poller(store, cadence, estimates, clock=store.now, notify=notify_delivery, ageing=ageing)
        folder = settings.downloads_folder
        if isinstance(settings.database, PostgresUrl):
            folder = stack.enter_context(own_folder(folder))
        cache = VideoCache(
            folder,
            downloader,
            providers,
            inspector=await stack.enter_async_context(Inspector()),
            limit=LOCAL_UPLOAD_LIMIT if settings.telegram_local_mode else UPLOAD_LIMIT,
        )
        scheduler = _scheduler(resources, poller, groups, stack)
        yield _Workers(
            scheduler=scheduler,
            admin_reports=AdminReports(
                store,
                states,
                admins=Admins(ids=resources.access.admin_ids, language=settings.language),
                waiting=scheduler.waiting,
                clock=resources.store.now,
                notify=notify_delivery,
            ),
            cards=CardRefresher(store, states.reports, clock=store.now, notify=notify_delivery),
            delivery=_delivery(resources, bot, estimates, cache),
            housekeeper=Housekeeper(
                store,
                estimates,
                clock=resources.store.now,
                notify=notify_delivery,
                kept=settings.keep_days,
                telemetry=resources.telemetry,
            ),
        )


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
            clock=resources.store.now,
            problem_of=problem_of,
            example_ids=Catalog(resources.settings.providers).example_ids,
        ),
        VideoDelivery(store, sender, cache, clock=resources.store.now),
        new_delivery=resources.new_delivery,
        clock=resources.store.now,
        telemetry=resources.telemetry,
    )


def _scheduler(
    resources: Resources, poller: Poller, groups: Sequence[KeyGroup], stack: AsyncExitStack
) -> Scheduler:
    """The polling loop, with its gauges, which go when the stack ends."""
    metrics, wakeup = resources.telemetry.metrics, resources.wakeup
    scheduler = Scheduler(
        resources.store,
        poller,
        groups,
        wakeup=wakeup,
        clock=resources.store.now,
        telemetry=resources.telemetry,
    )
    resources.gateways.count_waiting = scheduler.waiting
    gauges = PollingGauges(groups, metrics, overdue_s=scheduler.overdue_s, now=wakeup.now)
    collectors = metrics.registry
    collectors.register(gauges)
    stack.callback(collectors.unregister, gauges)
    return scheduler
