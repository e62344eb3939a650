"""The composition root: builds every room, starts the three loops, stops them in reverse."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from httpx_aiohttp import AiohttpTransport
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder, JobQueue
from telegram.request import HTTPXRequest

from bot.chat import router
from bot.chat.context import Door, context_types
from bot.chat.listener import Listener, SecondPoller, TokenRefused
from bot.config import Settings
from bot.health import Health, serve
from bot.outbox.courier import Courier
from bot.outbox.download import Downloader
from bot.outbox.housekeeping import Housekeeper
from bot.outbox.larder import LOCAL_UPLOAD_LIMIT, UPLOAD_LIMIT, Larder
from bot.outbox.sender import Sender
from bot.outbox.texts import Texts
from bot.outbox.video import Ladder
from bot.polling.alarm import Alarm
from bot.polling.book import Line
from bot.polling.budget import Budget
from bot.polling.scheduler import Scheduler
from bot.providers import catalog as providers
from bot.providers.base import Provider
from bot.providers.catalog import Catalog
from bot.telemetry import Telemetry
from bot.watching.cadence import SPARE_PRICE_S, Cadence
from bot.watching.estimate import Estimates
from bot.watching.refresh import Refresher
from bot.watching.service import Service
from storage.factory import open_store
from storage.store import Store

log = logging.getLogger(__name__)

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

# Per account: https://www.alibabacloud.com/help/en/model-studio/rate-limit; the others publish none.
_PUBLISHED_RPS = {"alibailian": 20.0}
_TLS = httpx.create_ssl_context()  # one for all: each costs a start some 50 ms
_LISTENER_STOP_S = 2.0
_COURIER_STOP_S = 5.0
_STOP_S = 1.5
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CONNECT_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class TelegramAway(Exception):
    """Telegram does not answer."""


def utc_now() -> datetime:
    """The clock that everything is handed."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The rooms that run."""

    application: AnyApplication
    listener: Listener
    scheduler: Scheduler
    courier: Courier
    telemetry: Telemetry


async def run(settings: Settings, cadence: Cadence | None = None) -> None:
    """Run until SIGTERM, SIGINT or cancellation; raises StoreError, TokenRefused and SecondPoller."""
    os.environ["PTB_TIMEDELTA"] = "true"  # else python-telegram-bot warns with every RetryAfter
    store = await open_store(settings.database_url)
    try:
        estimates = Estimates.from_json(await store.learned())
        async with _house(
            settings, store, cadence or Cadence(price_by_provider_s=prices_s(settings)), estimates
        ) as house:
            await _work(house)
        await store.save_learned(estimates.to_json())
    finally:
        await store.close()
    log.info("Stopped.")


def provider_transport(settings: Settings) -> AiohttpTransport:
    """The one transport to all gateways: aiohttp's holds up where httpx's own does not."""
    proxy = httpx.Proxy(settings.provider_proxy) if settings.provider_proxy else None
    return AiohttpTransport(verify=_TLS, limits=httpx.Limits(max_connections=200), proxy=proxy)


def build_application(settings: Settings) -> ApplicationBuilder[Any, Any, Any, Any, Any, Any]:
    """python-telegram-bot towards the configured Bot API server, without its own Updater."""
    proxy = settings.telegram_proxy or None
    return (
        Application.builder()
        .token(settings.telegram_bot_token.get_secret_value())
        .base_url(f"{settings.telegram_api_url}/bot")
        .base_file_url(f"{settings.telegram_api_url}/file/bot")
        .local_mode(settings.telegram_local_mode)
        .updater(None)
        .request(HTTPXRequest(64, 20.0, 20.0, 10.0, 10.0, proxy=proxy, httpx_kwargs={"verify": _TLS}))
        .get_updates_request(
            HTTPXRequest(2, 10.0, 10.0, 10.0, 10.0, proxy=proxy, httpx_kwargs={"verify": _TLS})
        )
    )


async def bot_name(settings: Settings) -> str:
    """The bot's user name as Telegram knows it; raises TokenRefused or TelegramAway."""
    application = build_application(settings).build()
    try:
        await application.bot.initialize()
    except InvalidToken:
        raise TokenRefused from None
    except TelegramError as error:
        raise TelegramAway(error.message) from None
    finally:
        await application.bot.shutdown()
    return str(application.bot.username)


@contextlib.asynccontextmanager
async def _house(
    settings: Settings, store: Store, cadence: Cadence, estimates: Estimates
) -> AsyncIterator[House]:
    """Everything built and opened, nothing running yet."""
    telemetry = Telemetry()
    alarm, courier_bell = Alarm(), asyncio.Event()
    service = Service(store, clock=utc_now, ring_clock=alarm.ring, ring_courier=courier_bell.set)
    wellness = Health(store, telemetry)
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(provider_transport(settings))
        downloader = await stack.enter_async_context(
            Downloader(allow_private=settings.download_allow_private, proxy=settings.download_proxy)
        )
        catalog = providers.build(settings.provider_configs, transport)
        application = _application(settings, _door(settings, service, catalog, wellness))
        sender = Sender(application.bot, local_mode=settings.telegram_local_mode)
        larder = Larder(
            settings.data_folder / "downloads",
            downloader,
            catalog,
            limit=LOCAL_UPLOAD_LIMIT if settings.telegram_local_mode else UPLOAD_LIMIT,
        )
        ladder = Ladder(store, sender, larder, clock=utc_now)
        texts = Texts(sender, estimates, clock=utc_now)
        refresher = Refresher(store, cadence, estimates, clock=utc_now, ring=courier_bell.set)
        lines = key_lines(settings, catalog)
        housekeeper = Housekeeper(store, estimates, clock=utc_now, ring=courier_bell.set)
        housekeeper.enlist(_job_queue(application))
        if settings.health_port is not None:
            runner = await serve(wellness, settings.health_port)
            stack.push_async_callback(runner.cleanup)
        yield House(
            application=application,
            listener=Listener(application, telemetry),
            scheduler=Scheduler(store, refresher, lines, alarm=alarm, clock=utc_now, telemetry=telemetry),
            courier=Courier(store, texts, ladder, bell=courier_bell, clock=utc_now, telemetry=telemetry),
            telemetry=telemetry,
        )


def _door(settings: Settings, service: Service, catalog: Catalog, wellness: Health) -> Door:
    return Door(
        service=service,
        catalog=catalog,
        clock=utc_now,
        health=wellness.facts,
        language=settings.language,
        allows_everyone=settings.allows_everyone,
        allowed_ids=settings.allowed_ids,
        admin_ids=settings.admin_ids,
    )


def _application(settings: Settings, door: Door) -> AnyApplication:
    application = build_application(settings).context_types(context_types(door)).build()
    router.install(application, door)
    return application


def prices_s(settings: Settings) -> dict[str, float]:
    """Where somebody has named a key's allowance it may be spent; elsewhere a poll keeps its price."""
    named = (config.name for config in settings.provider_configs if settings.max_rps(config.name) is not None)
    return dict.fromkeys(named, SPARE_PRICE_S)


def key_lines(settings: Settings, catalog: Catalog) -> list[Line]:
    """One line a key and host, whatever names and kinds it serves."""
    behind: dict[tuple[str, str], dict[str, Provider]] = {}
    for config, provider in zip(settings.provider_configs, catalog, strict=True):
        behind.setdefault((provider.host, config.api_key), {})[provider.name] = provider
    return [
        Line(providers=named, budget=Budget(_max_rps(settings, named.values()))) for named in behind.values()
    ]


def _max_rps(settings: Settings, providers: Iterable[Provider]) -> float | None:
    """The least that is set or published for any of them; None: not known, to be found out."""
    told = [settings.max_rps(each.name) or _PUBLISHED_RPS.get(each.kind) for each in providers]
    return min((rps for rps in told if rps is not None), default=None)


async def _work(house: House) -> None:
    """Run the loops until a signal or cancellation; raises SecondPoller and TokenRefused."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(house.scheduler.run())
            doors = group.create_task(_open_doors(house))
            await stop.wait()
            log.info("Stopping; what is in hand is finished first.")
            doors.cancel()
            clock.cancel()
    except BaseExceptionGroup as errors:
        raise _known(errors) or errors from None
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)


async def _open_doors(house: House) -> None:
    """Both doors, from the first answer of Telegram until cancelled; the clock turns without them."""
    application = house.application
    await _connect(application, house.telemetry)
    await application.start()
    try:
        await _introduce(application)
        async with asyncio.TaskGroup() as group:
            group.create_task(house.listener.run())
            group.create_task(house.courier.run())
    finally:
        await asyncio.gather(house.listener.stop(_LISTENER_STOP_S), house.courier.drain(_COURIER_STOP_S))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(application.stop(), _STOP_S)
        await application.bot.shutdown()


async def _connect(application: AnyApplication, telemetry: Telemetry) -> None:
    """Ask Telegram who we are until it answers."""
    for failures in itertools.count():
        try:
            await application.initialize()
            await application.bot.delete_webhook(drop_pending_updates=False)
        except InvalidToken:
            raise TokenRefused from None
        except TelegramError as error:
            if telemetry.trouble("telegram", error.message):
                log.warning("Telegram does not answer, trying on: %s", error.message)
            await asyncio.sleep(_CONNECT_PAUSES_S[min(failures, len(_CONNECT_PAUSES_S) - 1)])
        else:
            telemetry.trouble("telegram", None)
            log.info("Here as @%s.", application.bot.username)
            return


async def _introduce(application: AnyApplication) -> None:
    """Put the commands into the menu; the bot works without."""
    try:
        await application.bot.set_my_commands(router.commands_for("en"))
        await application.bot.set_my_commands(router.commands_for("zh"), language_code="zh")
    except TelegramError as error:
        log.warning("The command menu was not set: %s", error.message)


def _job_queue(application: AnyApplication) -> JobQueue[Any]:
    jobs = application.job_queue
    if jobs is None:
        raise RuntimeError("python-telegram-bot was installed without its job-queue extra")
    return jobs


def _known(errors: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one error inside a group that the caller has a sentence for."""
    found: BaseException | None = errors.subgroup((SecondPoller, TokenRefused))
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
