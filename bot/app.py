"""The composition root: builds what lasts as long as the process, and what lasts a term; runs until a signal.

With SQLite there is one term. Where several processes share a database (terms.py), a term that is lost ends
all that belongs to it; the health server and the store stay.
"""

import asyncio
import logging
import os
import platform
import signal
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path

from bot import __version__, file_modes
from bot.config import ENV_FILE, Settings, plain_http_warnings
from bot.errors import ForeignWebhook, PortTaken, SecondPoller, TokenRefused
from bot.health.report import HealthReport
from bot.health.systemd import ServiceManager, keep_notified
from bot.http.disk import Disk
from bot.http.exposition import MetricsPage, Sources
from bot.http.server import http_server
from bot.log_lines import spelled
from bot.logs import log_fields
from bot.metrics import Metrics
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.polling.wakeup import Wakeup
from bot.telemetry import Telemetry
from bot.terms import Terms
from bot.updates import build_application, run_updates
from bot.watching.access import Access
from bot.watching.cadence import Cadence
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayReport, GatewayStates
from bot.workers import Resources, run_workers
from storage.errors import StoreError, StoreUnavailable
from storage.factory import open_store, schema_version
from storage.leadership import Term
from storage.store import Store

log = logging.getLogger(__name__)

_TELEGRAM_STOP_S = 1.5  # with the bounds in updates.py and workers.py less than the promised 10 s
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# cli prints their texts.
_EXPECTED = (SecondPoller, ForeignWebhook, TokenRefused, PortTaken, StoreError)


async def run(settings: Settings, tls: ssl.SSLContext, cadence: Cadence | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; raises StoreError and what is in bot.errors."""
    async with _stop_signals() as stop:
        for sentence in plain_http_warnings(settings):
            log.warning("%s", sentence, extra=log_fields(None, "plain_http"))
        file_modes.tighten(settings.database, settings.downloads_folder)
        for sentence in file_modes.exposed(settings.database, settings.downloads_folder, settings=ENV_FILE):
            log.warning("%s", sentence, extra=log_fields(None, "files_exposed"))
        os.environ["PTB_TIMEDELTA"] = "true"  # else python-telegram-bot warns with every RetryAfter
        store = await _opened(settings, stop)
        if store is None:
            return
        if problem := file_modes.why_no_videos(settings.downloads_folder):
            log.warning("%s", problem, extra=log_fields(None, "folder_unwritable"))
        _log_start(settings)
        process = _Process(settings, tls, store)
        try:
            await process.run(stop, cadence)
        finally:
            try:
                await store.close()
            except StoreError as error:  # as with a full disk; remaining leases expire
                log.warning(
                    "The database was not closed in order, which does no harm: %s",
                    error,
                    extra=log_fields(None, "close_failed", cause=str(error)),
                )
    uptime_s, videos = process.telemetry.uptime_s, process.telemetry.metrics.videos
    log.info(
        "Stopped after %s; videos delivered: %d",
        spelled(uptime_s),
        videos,
        extra=log_fields(None, "stopped", uptime_s=round(uptime_s), videos=videos),
    )


async def _opened(settings: Settings, stop: asyncio.Event) -> Store | None:
    """Open the store; None: the stop came first."""
    opening = asyncio.ensure_future(
        open_store(settings.database, bot_id=settings.bot_id, version=__version__)
    )
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return opening.result() if opening.done() else None
    finally:
        opening.cancel()
        stopping.cancel()
        await asyncio.gather(opening, stopping, return_exceptions=True)


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


class _Process:
    """What lasts over all terms: the store, telemetry and metrics, the health server, the service manager."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext, store: Store) -> None:
        self.telemetry = Telemetry(
            Metrics([config.name for config in settings.providers], schema=schema_version(settings.database)),
            clock=asyncio.get_running_loop().time,
        )
        self._settings = settings
        self._tls = tls
        self._store = store
        self._resources: Resources | None = None  # of the present term
        self._service_manager = ServiceManager(os.environ)
        self._health = HealthReport(
            store,
            self.telemetry,
            self._gateways,
            is_connected=lambda: self._resources is not None and self._resources.connected.is_set(),
            folder=settings.data_folder,
            clock=store.now,
        )

    async def run(self, stop: asyncio.Event, cadence: Cadence | None) -> None:
        """Serve the health pages, notify the service manager, and run the terms until the stop."""

        async def lead(term: Term) -> None:
            await self._lead(term, stop, cadence)

        try:
            async with self._http_server(), asyncio.TaskGroup() as group:
                group.create_task(self._notify(stop))
                await Terms(self._store.leadership, self.telemetry).run(lead, stop)
        except BaseExceptionGroup as errors:
            raise _expected(errors) or errors from None

    async def _notify(self, stop: asyncio.Event) -> None:
        """Notify the service manager until the stop, and of the stop."""
        async with asyncio.TaskGroup() as group:
            notifying = group.create_task(keep_notified(self._service_manager, self._health))
            await stop.wait()
            log.info("Stopping: finishing work in progress.", extra=log_fields(None, "stopping"))
            self._service_manager.notify(STOPPING="1", STATUS="Stopping: finishing work in progress.")
            notifying.cancel()

    async def _lead(self, term: Term, stop: asyncio.Event, cadence: Cadence | None) -> None:
        """Run the update handlers and the workers until the stop, or until the term is lost."""
        resources = await self._term_resources(term)
        application, deps = build_application(resources)
        self._resources = resources
        try:
            async with asyncio.TaskGroup() as group:
                updates = group.create_task(run_updates(application, deps, resources))
                workers = group.create_task(run_workers(resources, application.bot, cadence))
                await stop.wait()
                updates.cancel()
                workers.cancel()
        except BaseExceptionGroup as errors:
            raise _expected(errors) or errors from None
        finally:
            self._resources = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_TELEGRAM_STOP_S):
                    if application.running:
                        await application.stop()
                    await application.bot.shutdown()

    async def _term_resources(self, term: Term) -> Resources:
        """What the workers and the update handlers share; its gauges are set."""
        settings, store, telemetry = self._settings, self._store, self.telemetry
        access = Access(
            store,
            everyone=settings.allowed_chats.everyone,
            ids=settings.allowed_chats.ids,
            admin_ids=settings.admins,
            clock=store.now,
        )
        with suppress(StoreUnavailable):  # the workers load it again
            await access.load()
        proxy = settings.provider_proxy and str(settings.provider_proxy)
        resources = Resources(
            settings=settings,
            store=store,
            term=term,
            access=access,
            first_admin=FirstAdmin(store, access, clock=store.now),
            telemetry=telemetry,
            health=self._health,
            tls=self._tls,
            wakeup=Wakeup(),
            new_delivery=asyncio.Event(),
            gateways=GatewayStates(clock=store.now, proxy=proxy),
            rate_limiter=ChatRateLimiter(is_takeover=store.leadership.took_over_from is not None),
            connected=asyncio.Event(),
        )
        telemetry.metrics.paused_chats.set_function(resources.rate_limiter.paused)
        telemetry.metrics.allowed_chats.set_function(access.count)
        return resources

    def _gateways(self) -> Sequence[GatewayReport]:
        return self._resources.gateways.reports() if self._resources else ()

    def _http_server(self) -> AbstractAsyncContextManager[None]:
        """The server of health and metrics, if a port is set for it."""
        settings = self._settings
        if settings.health_port is None:
            return nullcontext()
        volumes = {"downloads": settings.downloads_folder}
        if isinstance(settings.database, Path):
            volumes["database"] = settings.database.parent
        disk = Disk(settings.downloads_folder, volumes)
        sources = Sources(
            store=self._store, disk=disk, live=self._health.live, leadership=self._store.leadership
        )
        page = MetricsPage(sources, self.telemetry, self._gateways, clock=self._store.now)
        return http_server(self._health, page, settings.health_port, settings.health_host)


def _expected(errors: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The first of the errors that the command line prints as a sentence."""
    found: BaseException | None = errors.subgroup(_EXPECTED)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


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
