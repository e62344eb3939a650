"""Builds what handles updates from Telegram, and runs it: long polling or the webhook, handlers, replies."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeAlias

from telegram import Update
from telegram.error import InvalidToken, RetryAfter, TelegramError
from telegram.ext import Application, ExtBot

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
from bot.config import Settings
from bot.drawing.renderer import Renderer
from bot.errors import TokenRefused
from bot.http.webhook import webhook_server
from bot.logs import log_fields
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.providers.catalog import Catalog
from bot.telegram_client import AnyBuilder, application_builder
from bot.telemetry import Telemetry
from bot.watching.access import Access
from bot.watching.access_requests import AccessRequests
from bot.watching.service import Service
from bot.webhook_settings import path_of
from bot.workers import Resources
from storage.notifications import Topic
from storage.store import Store
from storage.watches import WatchLimits

log = logging.getLogger(__name__)

AnyClient: TypeAlias = "AnyApplication | ExtBot[None]"

# Bounds of the steps of stopping.
_UPDATES_STOP_S = 2.0
_REPLIES_STOP_S = 1.0
_TELEGRAM_STOP_S = 1.5  # with the bound in workers.py less than the promised 10 s
_REFUSAL_PERIOD_S = 3600.0  # between two replies to a chat without access
_BUSY_PERIOD_S = 60.0  # between two replies to a chat whose commands are dropped
_STATS_DAYS = 30  # that /stats counts, or as many as are kept
_CONNECT_BACKOFF = Backoff(first_s=1.0, limit_s=5.0)  # short: results wait for the first response


def build_access(settings: Settings, store: Store) -> Access:
    """The access list, as the settings have it; the database's is not loaded yet."""
    return Access(
        store,
        everyone=settings.allowed_chats.everyone,
        ids=settings.allowed_chats.ids,
        admin_ids=settings.admins,
        clock=store.now,
        notify=partial(store.notifications.send, Topic.ACCESS),
    )


def build_application(
    resources: Resources, problem_of: Callable[[str], str | None]
) -> tuple[AnyApplication, HandlerDeps]:
    """Build the application with its handlers, and their dependencies.

    problem_of: why a provider's tasks can't be polled; None: they can.
    """
    settings, store = resources.settings, resources.store
    deps = HandlerDeps(
        service=Service(
            store,
            clock=store.now,
            notify_polling=resources.notify_polling,
            notify_delivery=resources.notify_delivery,
            limits=WatchLimits(per_chat=settings.max_watches, per_person=max(1, settings.max_watches // 2)),
        ),
        catalog=Catalog(settings.providers),
        clock=store.now,
        health=resources.health.describe,
        stats_days=max(1, min(settings.keep_days.days, _STATS_DAYS)),
        draw=Renderer().render,
        problem_of=problem_of,
        language=settings.language,
        access=resources.access,
        requests=AccessRequests(
            store,
            resources.access,
            language=settings.language,
            clock=store.now,
            notify=resources.notify_both,
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
    application = _builder(resources).context_types(context_types(deps)).build()
    router.install(application, deps.allowed)
    return application, deps


def build_bot(resources: Resources) -> ExtBot[None]:
    """A client for a term, where the updates are handled by an application that outlasts it."""
    bot: ExtBot[None] = _builder(resources).build().bot
    return bot


def _builder(resources: Resources) -> AnyBuilder:
    limiter = CallRateLimiter(
        resources.rate_limiter, resources.telemetry.metrics, ensure_leads=resources.term.ensure
    )
    return application_builder(resources.settings, resources.tls).rate_limiter(limiter)


async def run_updates(application: AnyApplication, deps: HandlerDeps, resources: Resources) -> None:
    """Handle updates, from the first response of Telegram until cancelled; raises PortTaken."""
    bot = application.bot
    if resources.settings.webhook_url:
        receiver = webhook_receiver(application, deps, resources)
        async with receiving(receiver, application, deps, resources):
            receiver.open()
            await keep_webhook(bot, resources, receiver)
        return
    dispatcher = _dispatcher(application, deps, resources)
    poller = UpdatePoller(application, dispatcher, resources.telemetry, resources.term)
    async with _handling(application, deps, resources, poller), asyncio.TaskGroup() as group:
        group.create_task(poller.run())
        group.create_task(_show_menus(bot, resources))


def webhook_receiver(
    application: AnyApplication,
    deps: HandlerDeps,
    resources: Resources,
    *,
    prepare: Callable[[Update], Awaitable[None]] | None = None,
) -> WebhookReceiver:
    """What handles the updates of receiving(), once it is open; prepare: as in WebhookReceiver."""
    dispatcher = _dispatcher(application, deps, resources)
    return WebhookReceiver(application.bot, dispatcher, prepare=prepare)


@asynccontextmanager
async def receiving(
    receiver: WebhookReceiver, application: AnyApplication, deps: HandlerDeps, resources: Resources
) -> AsyncIterator[None]:
    """Listen to the webhook, from before the first response of Telegram; raises PortTaken."""
    settings = resources.settings
    async with (
        webhook_server(
            receiver.receive,
            path=path_of(settings.webhook_url),
            secret=settings.webhook_secret,
            port=settings.webhook_port or 0,
            host=settings.webhook_host,
        ),
        _handling(application, deps, resources, receiver),
    ):
        yield


async def keep_webhook(bot: ExtBot[None], resources: Resources, receiver: WebhookReceiver) -> None:
    """Set the webhook and watch it until cancelled; raises ForeignWebhook, SecondPoller, TokenRefused."""
    keeper = WebhookKeeper(
        bot,
        resources.telemetry,
        url=resources.settings.webhook_url,
        secret=resources.settings.webhook_secret,
        take_arrival=receiver.take_arrival,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(_show_menus(bot, resources))
        await keeper.run()


def _dispatcher(application: AnyApplication, deps: HandlerDeps, resources: Resources) -> Dispatcher:
    return Dispatcher(
        application,
        resources.telemetry,
        deps.held,
        kind_of=lambda update: router.kind_of(
            update, deps.allowed, application.bot.username, deps.catalog.id_formats
        ),
        refuse=lambda update: refusals.too_busy(update, deps),
    )


@asynccontextmanager
async def _handling(
    application: AnyApplication,
    deps: HandlerDeps,
    resources: Resources,
    source: UpdatePoller | WebhookReceiver,
) -> AsyncIterator[None]:
    """Connect to Telegram; at the end, stop the source and send the replies that wait."""
    await connect(application, resources.telemetry)
    resources.connected.set()
    await application.start()
    try:
        yield
    finally:
        is_on = resources.term.is_on
        await source.stop(_UPDATES_STOP_S if is_on else 0.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(deps.reply_queue.drain(), _REPLIES_STOP_S if is_on else 0.0)
        deps.reply_queue.cancel()


async def _show_menus(bot: ExtBot[None], resources: Resources) -> None:
    await menus.show_menus(bot, resources.settings.language, tuple(resources.access.admin_ids))


async def shut_down(client: AnyClient) -> None:
    """Close the connections to Telegram."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_TELEGRAM_STOP_S):
            if isinstance(client, Application) and client.running:
                await client.stop()
            await _bot_of(client).shutdown()


def _bot_of(client: AnyClient) -> ExtBot[None]:
    return client if isinstance(client, ExtBot) else client.bot


async def connect(client: AnyClient, telemetry: Telemetry) -> None:
    """Call getMe until Telegram responds; raises TokenRefused."""
    bot = _bot_of(client)
    for failures in itertools.count(1):
        try:
            telemetry.beat("updates")
            await within(CALL_S, client.initialize())
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
                bot.username,
                extra=log_fields(None, "connected"),
            )
            return
