"""Builds what handles updates from Telegram, and runs it: long polling or the webhook, handlers, replies."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from telegram.error import InvalidToken, RetryAfter, TelegramError

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
from bot.drawing.renderer import Renderer
from bot.errors import TokenRefused
from bot.http.webhook import webhook_server
from bot.logs import log_fields
from bot.outbox.call_rate_limiter import CallRateLimiter
from bot.providers.catalog import Catalog
from bot.telegram_client import application_builder
from bot.telemetry import Telemetry
from bot.watching.access_requests import AccessRequests
from bot.watching.service import Service
from bot.webhook_settings import path_of
from bot.workers import Resources
from storage.watches import WatchLimits

log = logging.getLogger(__name__)

# Bounds of the steps of stopping.
_UPDATES_STOP_S = 2.0
_REPLIES_STOP_S = 1.0
_REFUSAL_PERIOD_S = 3600.0  # between two replies to a chat without access
_BUSY_PERIOD_S = 60.0  # between two replies to a chat whose commands are dropped
_STATS_DAYS = 30  # that /stats counts, or as many as are kept
_CONNECT_BACKOFF = Backoff(first_s=1.0, limit_s=5.0)  # short: results wait for the first response


def build_application(resources: Resources) -> tuple[AnyApplication, HandlerDeps]:
    """Build the application with its handlers, and their dependencies."""
    settings, store = resources.settings, resources.store
    deps = HandlerDeps(
        service=Service(
            store,
            clock=store.now,
            notify_polling=resources.wakeup.notify,
            notify_delivery=resources.new_delivery.set,
            limits=WatchLimits(per_chat=settings.max_watches, per_person=max(1, settings.max_watches // 2)),
        ),
        catalog=Catalog(settings.providers),
        clock=store.now,
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
            clock=store.now,
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
    limiter = CallRateLimiter(
        resources.rate_limiter, resources.telemetry.metrics, ensure_leads=resources.term.ensure
    )
    builder = application_builder(settings, resources.tls).rate_limiter(limiter)
    application = builder.context_types(context_types(deps)).build()
    router.install(application, deps.allowed)
    return application, deps


async def run_updates(application: AnyApplication, deps: HandlerDeps, resources: Resources) -> None:
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
    async with _update_source(application, dispatcher, deps, resources) as (source, run):
        await _connect(application, resources.telemetry)
        resources.connected.set()
        await application.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(run())
                group.create_task(
                    menus.show_menus(
                        application.bot, resources.settings.language, tuple(resources.access.admin_ids)
                    )
                )
        finally:
            is_on = resources.term.is_on
            await source.stop(_UPDATES_STOP_S if is_on else 0.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(deps.reply_queue.drain(), _REPLIES_STOP_S if is_on else 0.0)
            deps.reply_queue.cancel()


@asynccontextmanager
async def _update_source(
    application: AnyApplication, dispatcher: Dispatcher, deps: HandlerDeps, resources: Resources
) -> AsyncIterator[tuple[UpdatePoller | WebhookReceiver, Callable[[], Coroutine[None, None, None]]]]:
    """Long polling, or the webhook, which listens inside the context; raises PortTaken.

    And what takes updates until it is cancelled.
    """
    settings, telemetry = resources.settings, resources.telemetry
    if not settings.webhook_url:
        poller = UpdatePoller(application, dispatcher, telemetry, resources.term)
        yield poller, poller.run
        return
    receiver = WebhookReceiver(application.bot, dispatcher, deps.held)
    keeper = WebhookKeeper(
        application.bot,
        telemetry,
        url=settings.webhook_url,
        secret=settings.webhook_secret,
        take_arrival=receiver.take_arrival,
    )

    async def receive() -> None:
        receiver.open()
        await keeper.run()

    async with webhook_server(
        receiver.receive,
        path=path_of(settings.webhook_url),
        secret=settings.webhook_secret,
        port=settings.webhook_port or 0,
        host=settings.webhook_host,
    ):
        yield receiver, receive


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
