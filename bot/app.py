"""The composition root: builds everything once, runs it until a signal, and stops it in reverse."""

import asyncio
import itertools
import logging
import os
import platform
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from telegram.error import InvalidToken, RetryAfter, TelegramError

from bot import __version__, file_modes
from bot.backoff import Backoff
from bot.bot_api.deadline import CALL_S, within
from bot.bot_api.request import flood_wait_s
from bot.chat import menus, refusals, router
from bot.chat.access_filter import AccessFilter
from bot.chat.audit import Audit
from bot.chat.context import HandlerDeps, context_types
from bot.chat.dispatcher import AnyApplication, Dispatcher, HeldUpdates
from bot.chat.message_limit import MessageLimit
from bot.chat.once_per import OncePer
from bot.chat.reply_queue import ReplyQueue
from bot.chat.rights import Rights
from bot.chat.update_poller import MAX_FLOOD_WAIT_S, UpdatePoller
from bot.chat.webhook_keeper import WebhookKeeper
from bot.chat.webhook_receiver import WebhookReceiver
from bot.config import ENV_FILE, Settings, plain_http_warnings
from bot.drawing.renderer import Renderer
from bot.errors import ForeignWebhook, PortTaken, SecondPoller, TokenRefused
from bot.health.report import HealthReport
from bot.health.systemd import ServiceManager
from bot.http.webhook import webhook_server
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.metrics import Metrics
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.polling.wakeup import Wakeup
from bot.providers.catalog import Catalog
from bot.telegram_client import application_builder
from bot.telemetry import Telemetry
from bot.watching.access import Access
from bot.watching.access_requests import AccessRequests
from bot.watching.cadence import Cadence
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.watching.service import Service
from bot.webhook_settings import path_of
from bot.workers import Resources, run_workers, utc_now
from storage.errors import StoreError, StoreUnavailable
from storage.factory import open_store, schema_version
from storage.store import Store
from storage.watches import WatchLimits

log = logging.getLogger(__name__)

# Bounds of the steps of stopping; with that of the deliveries (workers.py) less than the promised 10 s.
_UPDATES_STOP_S = 2.0
_REPLIES_STOP_S = 1.0
_TELEGRAM_STOP_S = 1.5
_REFUSAL_PERIOD_S = 3600.0  # between two replies to a chat without access
_BUSY_PERIOD_S = 60.0  # between two replies to a chat whose commands are dropped
_STATS_DAYS = 30  # that /stats counts, or as many as are kept
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONNECT_BACKOFF = Backoff(first_s=1.0, limit_s=5.0)  # short: results wait for the first response

# cli prints their texts.
_EXPECTED = (SecondPoller, ForeignWebhook, TokenRefused, PortTaken, StoreError)


async def run(settings: Settings, tls: ssl.SSLContext, cadence: Cadence | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; raises StoreError and what is in bot.errors."""
    for sentence in plain_http_warnings(settings):
        log.warning("%s", sentence, extra=log_fields(None, "plain_http"))
    database = settings.database_url.file
    file_modes.tighten(database, settings.downloads_folder)
    for sentence in file_modes.exposed(database, settings.downloads_folder, settings=ENV_FILE):
        log.warning("%s", sentence, extra=log_fields(None, "files_exposed"))
    os.environ["PTB_TIMEDELTA"] = "true"  # else python-telegram-bot warns with every RetryAfter
    store = await open_store(database)
    if problem := file_modes.why_not_writable(settings.downloads_folder):
        log.warning("%s", problem, extra=log_fields(None, "folder_unwritable"))
    _log_start(settings)
    telemetry = _telemetry(settings)
    try:
        access = await _access(settings, store)
        proxy = settings.provider_proxy and str(settings.provider_proxy)
        gateways, connected = GatewayStates(clock=utc_now, proxy=proxy), asyncio.Event()
        resources = Resources(
            settings=settings,
            store=store,
            access=access,
            first_admin=FirstAdmin(store, access, clock=utc_now),
            telemetry=telemetry,
            health=HealthReport(
                store,
                telemetry,
                gateways.reports,
                is_connected=connected.is_set,
                folder=database.parent,
                clock=utc_now,
            ),
            service_manager=ServiceManager(os.environ),
            tls=tls,
            wakeup=Wakeup(),
            new_delivery=asyncio.Event(),
            gateways=gateways,
            rate_limiter=ChatRateLimiter(),
            connected=connected,
        )
        metrics = resources.telemetry.metrics
        metrics.paused_chats.set_function(resources.rate_limiter.paused)
        metrics.allowed_chats.set_function(access.count)
        await _run(resources, cadence)
    finally:
        try:
            await store.close()
        except StoreError as error:  # as with a full disk; remaining leases expire
            log.warning(
                "The database was not closed in order, which does no harm: %s",
                error,
                extra=log_fields(None, "close_failed", cause=str(error)),
            )
    uptime_s, videos = telemetry.uptime_s, telemetry.metrics.videos
    log.info(
        "Stopped after %s; videos delivered: %d",
        spelled(uptime_s),
        videos,
        extra=log_fields(None, "stopped", uptime_s=round(uptime_s), videos=videos),
    )


def _log_start(settings: Settings) -> None:
    providers = [f"{each.name} ({each.host})" for each in settings.providers]
    python, mode = platform.python_version(), "webhook" if settings.webhook_url else "long polling"
    log.info(
        "Reelwatch %s on Python %s has started; updates by %s; providers: %s",
        __version__,
        python,
        mode,
        ", ".join(providers) or "none",
        extra=log_fields(None, "started", version=__version__, python=python, mode=mode, providers=providers),
    )


def _telemetry(settings: Settings) -> Telemetry:
    metrics = Metrics([config.name for config in settings.providers], schema=schema_version())
    return Telemetry(metrics, clock=asyncio.get_running_loop().time)


async def _access(settings: Settings, store: Store) -> Access:
    """The access list; the workers load it again if the database is unavailable now."""
    access = Access(
        store,
        everyone=settings.allowed_chats.everyone,
        ids=settings.allowed_chats.ids,
        admin_ids=settings.admins,
        clock=utc_now,
    )
    with suppress(StoreUnavailable):
        await access.load()
    return access


def _application(resources: Resources) -> tuple[AnyApplication, HandlerDeps]:
    """Build the application with its handlers, and their dependencies."""
    settings, store = resources.settings, resources.store
    deps = HandlerDeps(
        service=Service(
            store,
            clock=utc_now,
            notify_polling=resources.wakeup.notify,
            notify_delivery=resources.new_delivery.set,
            limits=WatchLimits(per_chat=settings.max_watches, per_person=max(1, settings.max_watches // 2)),
        ),
        catalog=Catalog(settings.providers),
        clock=utc_now,
        health=resources.health.describe,
        stats_days=max(1, min(settings.keep_days.days, _STATS_DAYS)),
        draw=Renderer().render,
        problem_of=resources.gateways.problem_of,
        language=settings.language,
        access=resources.access,
        requests=AccessRequests(
            store,
            resources.access,
            language=settings.language,
            clock=utc_now,
            notify=resources.wake_loops,
        ),
        first_admin=resources.first_admin,
        message_limit=MessageLimit(),
        allowed=AccessFilter(resources.access),
        rights=Rights(resources.access),
        audit=Audit(),
        held=HeldUpdates(can_postpone=bool(settings.webhook_url)),
        reply_queue=ReplyQueue(),
        refusals=OncePer(_REFUSAL_PERIOD_S),
        busy_replies=OncePer(_BUSY_PERIOD_S),
    )
    limiter = CallRateLimiter(resources.rate_limiter, resources.telemetry.metrics)
    builder = application_builder(settings, resources.tls).rate_limiter(limiter)
    application = builder.context_types(context_types(deps)).build()
    router.install(application, deps.allowed)
    return application, deps


async def _run(resources: Resources, cadence: Cadence | None) -> None:
    """Run the update handlers and the workers until a signal or cancellation."""
    application, deps = _application(resources)
    try:
        async with _stop_signals() as stop, asyncio.TaskGroup() as group:
            updates = group.create_task(_run_updates(application, deps, resources))
            workers = group.create_task(run_workers(resources, application.bot, cadence))
            await stop.wait()
            log.info("Stopping: finishing work in progress.", extra=log_fields(None, "stopping"))
            resources.service_manager.notify(STOPPING="1", STATUS="Stopping: finishing work in progress.")
            updates.cancel()
            workers.cancel()
    except BaseExceptionGroup as errors:
        expected: BaseException | None = errors.subgroup(_EXPECTED)
        while isinstance(expected, BaseExceptionGroup):
            expected = expected.exceptions[0]
        raise expected or errors from None
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELEGRAM_STOP_S):
                if application.running:
                    await application.stop()
                await application.bot.shutdown()


@asynccontextmanager
async def _stop_signals() -> AsyncIterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


async def _run_updates(application: AnyApplication, deps: HandlerDeps, resources: Resources) -> None:
    """Handle updates, from the first response of Telegram until cancelled."""
    dispatcher = Dispatcher(
        application,
        resources.telemetry,
        deps.held,
        kind_of=lambda update: router.kind_of(
            update, deps.allowed, application.bot.username, deps.catalog.id_formats
        ),
        refuse=lambda update: refusals.too_busy(update, deps),
    )
    async with _update_source(application, dispatcher, deps, resources) as source:
        await _connect(application, resources.telemetry)
        resources.connected.set()
        await application.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(source.run())
                group.create_task(
                    menus.show_menus(
                        application.bot, resources.settings.language, tuple(resources.access.admin_ids)
                    )
                )
        finally:
            await source.stop(_UPDATES_STOP_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(deps.reply_queue.drain(), _REPLIES_STOP_S)
            deps.reply_queue.cancel()


@asynccontextmanager
async def _update_source(
    application: AnyApplication, dispatcher: Dispatcher, deps: HandlerDeps, resources: Resources
) -> AsyncIterator[UpdatePoller | WebhookReceiver]:
    """Long polling, or the webhook, which listens inside the context; raises PortTaken."""
    settings, telemetry = resources.settings, resources.telemetry
    if not settings.webhook_url:
        yield UpdatePoller(application, dispatcher, deps.held, telemetry)
        return
    keeper = WebhookKeeper(
        application.bot, telemetry, url=settings.webhook_url, secret=settings.webhook_secret
    )
    receiver = WebhookReceiver(application.bot, dispatcher, deps.held, keeper)
    async with webhook_server(
        receiver.receive,
        path=path_of(settings.webhook_url),
        secret=settings.webhook_secret,
        port=settings.webhook_port or 0,
        host=settings.webhook_host,
    ):
        yield receiver


async def _connect(application: AnyApplication, telemetry: Telemetry) -> None:
    """Call getMe until Telegram responds."""
    for failures in itertools.count(1):
        try:
            telemetry.beat("updates")
            await within(CALL_S, application.initialize())
        except InvalidToken:
            raise TokenRefused from None
        except TelegramError as error:
            if telemetry.set_problem("telegram", error.message):
                log.warning(
                    "Telegram is not responding, retrying: %s",
                    error.message,
                    extra=log_fields(None, "telegram_down", cause=error.message),
                )
            requested_s = min(flood_wait_s(error), MAX_FLOOD_WAIT_S) if isinstance(error, RetryAfter) else 0.0
            await telemetry.sleep("updates", max(_CONNECT_BACKOFF.delay_s(failures), requested_s))
        else:
            telemetry.set_problem("telegram", None)
            log.info(
                "Connected to Telegram as @%s.",
                application.bot.username,
                extra=log_fields(None, "connected"),
            )
            return
