"""The composition root: builds everything once, runs it until a signal, and stops it in reverse."""

import asyncio
import logging
import os
import platform
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot import __version__, file_modes
from bot.config import ENV_FILE, Settings, plain_http_warnings
from bot.errors import ForeignWebhook, PortTaken, SecondPoller, TokenRefused
from bot.health.report import HealthReport
from bot.health.systemd import ServiceManager
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.metrics import Metrics
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.polling.wakeup import Wakeup
from bot.telemetry import Telemetry
from bot.updates import build_application, run_updates
from bot.watching.access import Access
from bot.watching.cadence import Cadence
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.workers import Resources, run_workers, utc_now
from storage.errors import StoreError, StoreUnavailable
from storage.factory import open_store, schema_version
from storage.store import Store

log = logging.getLogger(__name__)

_TELEGRAM_STOP_S = 1.5  # with the bounds in updates.py and workers.py less than the promised 10 s
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# cli prints their texts.
_EXPECTED = (SecondPoller, ForeignWebhook, TokenRefused, PortTaken, StoreError)


async def run(settings: Settings, tls: ssl.SSLContext, cadence: Cadence | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; raises StoreError and what is in bot.errors."""
    for sentence in plain_http_warnings(settings):
        log.warning("%s", sentence, extra=log_fields(None, "plain_http"))
    file_modes.tighten(settings.database, settings.downloads_folder)
    for sentence in file_modes.exposed(settings.database, settings.downloads_folder, settings=ENV_FILE):
        log.warning("%s", sentence, extra=log_fields(None, "files_exposed"))
    os.environ["PTB_TIMEDELTA"] = "true"  # else python-telegram-bot warns with every RetryAfter
    store = await open_store(settings.database, bot_id=settings.bot_id)
    if problem := file_modes.why_no_videos(settings.downloads_folder):
        log.warning("%s", problem, extra=log_fields(None, "folder_unwritable"))
    _log_start(settings)
    telemetry = _telemetry(settings)
    try:
        await _run(await _resources(settings, tls, store, telemetry), cadence)
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
    metrics = Metrics(
        [config.name for config in settings.providers], schema=schema_version(settings.database)
    )
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


async def _resources(
    settings: Settings, tls: ssl.SSLContext, store: Store, telemetry: Telemetry
) -> Resources:
    """What the workers and the update handlers share; its gauges are set."""
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
            folder=settings.data_folder,
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
    telemetry.metrics.paused_chats.set_function(resources.rate_limiter.paused)
    telemetry.metrics.allowed_chats.set_function(access.count)
    return resources


async def _run(resources: Resources, cadence: Cadence | None) -> None:
    """Run the update handlers and the workers until a signal or cancellation."""
    application, deps = build_application(resources)
    try:
        async with _stop_signals() as stop, asyncio.TaskGroup() as group:
            updates = group.create_task(run_updates(application, deps, resources))
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
