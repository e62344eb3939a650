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
from collections.abc import AsyncIterator, Coroutine
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
from bot.replica import WebhookReplica
from bot.telegram_client import create_ssl_context
from bot.telemetry import Telemetry
from bot.terms import Terms
from bot.updates import AnyClient, build_access, build_application, build_bot, run_updates, shut_down
from bot.watching.cadence import Cadence
from bot.watching.first_admin import FirstAdmin
from bot.watching.gateway_state import GatewayStates
from bot.watching.leader_state import KnownGateways
from bot.workers import Resources, run_workers
from storage.errors import StoreError, StoreUnavailable
from storage.factory import open_store, open_unfenced_store, schema_version
from storage.leadership import Term
from storage.postgres_url import PostgresUrl
from storage.store import Store

log = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# cli prints their texts.
_EXPECTED = (SecondPoller, ForeignWebhook, TokenRefused, PortTaken, StoreError)


async def run(settings: Settings, cadence: Cadence | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; raises StoreError and what is in bot.errors."""
    async with _stop_signals() as stop:
        for sentence in plain_http_warnings(settings):
            log.warning("%s", sentence, extra=log_fields(None, "plain_http"))
        file_modes.tighten(settings.database, settings.downloads_folder)
        for sentence in file_modes.exposed(settings.database, settings.downloads_folder, settings=ENV_FILE):
            log.warning("%s", sentence, extra=log_fields(None, "files_exposed"))
        os.environ["PTB_TIMEDELTA"] = "true"  # else python-telegram-bot warns with every RetryAfter
        # Certificates take some hundredths of a second to load, and hold no lock meanwhile.
        store, tls = await asyncio.gather(_opened(settings, stop), asyncio.to_thread(create_ssl_context))
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
        self._gateways = KnownGateways()
        self._service_manager = ServiceManager(os.environ)
        self._health = HealthReport(
            store,
            self.telemetry,
            self._gateways.reports,
            is_connected=lambda: self._resources is not None and self._resources.connected.is_set(),
            folder=settings.data_folder,
            clock=store.now,
        )
        # By long polling, only the leader takes updates; with SQLite there is one process.
        self._replica: WebhookReplica | None = None
        if settings.webhook_url and isinstance(settings.database, PostgresUrl):
            self._replica = WebhookReplica(
                settings,
                tls,
                open_unfenced_store(settings.database, now=store.now),
                telemetry=self.telemetry,
                health=self._health,
                gateways=self._gateways,
            )

    async def run(self, stop: asyncio.Event, cadence: Cadence | None) -> None:
        """Serve the health pages, notify the service manager, and run the terms until the stop."""

        async def lead(term: Term) -> None:
            await self._lead(term, stop, cadence)

        try:
            async with self._http_server(), asyncio.TaskGroup() as group:
                group.create_task(self._notify(stop))
                if self._replica is not None:
                    group.create_task(_until(stop, self._replica.run()))
                await Terms(self._store.leadership, self.telemetry).run(lead, stop)
        except ExceptionGroup as errors:
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
        self._resources, self._gateways.own = resources, resources.gateways
        client: AnyClient
        if self._replica is None:
            client, deps = build_application(resources, resources.gateways.problem_of)
            bot, updates = client.bot, run_updates(client, deps, resources)
        else:
            client = bot = build_bot(resources)
            updates = self._replica.lead(bot, resources)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until(stop, updates))
                group.create_task(_until(stop, run_workers(resources, bot, cadence)))
        finally:
            self._resources = self._gateways.own = None
            await shut_down(client)

    async def _term_resources(self, term: Term) -> Resources:
        """What the workers and the update handlers share; its gauges are set."""
        settings, store, telemetry = self._settings, self._store, self.telemetry
        lasting = self._replica.resources if self._replica else None
        access = lasting.access if lasting else build_access(settings, store)
        with suppress(StoreUnavailable):  # the workers load it again
            await access.load()
        proxy = settings.provider_proxy and str(settings.provider_proxy)
        resources = Resources(
            settings=settings,
            store=store,
            term=term,
            access=access,
            first_admin=lasting.first_admin if lasting else FirstAdmin(store, access, clock=store.now),
            telemetry=telemetry,
            health=self._health,
            tls=self._tls,
            wakeup=lasting.wakeup if lasting else Wakeup(),
            new_delivery=lasting.new_delivery if lasting else asyncio.Event(),
            gateways=GatewayStates(clock=store.now, proxy=proxy),
            rate_limiter=ChatRateLimiter(is_takeover=store.leadership.took_over_from is not None),
            connected=asyncio.Event(),
        )
        telemetry.metrics.paused_chats.set_function(resources.rate_limiter.paused)
        telemetry.metrics.allowed_chats.set_function(access.count)
        return resources

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
        page = MetricsPage(sources, self.telemetry, self._gateways.own_reports, clock=self._store.now)
        return http_server(self._health, page, settings.health_port, settings.health_host)


async def _until(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run until the stop; raises what the work raises."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work)
        await stop.wait()
        working.cancel()


def _expected(errors: ExceptionGroup[Exception]) -> Exception | None:
    """The first of the errors that the command line prints as a sentence."""
    found: Exception | None = errors.subgroup(_EXPECTED)
    while isinstance(found, ExceptionGroup):
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
