"""python-telegram-bot's client for the configured Bot API server, and the bot's identity there."""

import ssl
from typing import Any

import httpx
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder

from bot.bot_api.request import BotApiRequest, NotBotApi
from bot.config import Settings
from bot.errors import TokenRefused

AnyBuilder = ApplicationBuilder[Any, Any, Any, Any, Any, Any]

# A card is edited every minute: some connections outlive that, so that no result waits for a handshake. Only
# some, as httpcore looks at each that rests whenever there is something to send.
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=4, keepalive_expiry=75.0)


class TelegramAway(Exception):
    """The Bot API server did not respond."""


def create_ssl_context() -> ssl.SSLContext:
    """The TLS context of all routes; honours SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


async def bot_name(settings: Settings) -> str:
    """The bot's user name as Telegram knows it; raises TokenRefused, NotBotApi or TelegramAway."""
    application = application_builder(settings, create_ssl_context()).build()
    try:
        await application.bot.initialize()
    except InvalidToken:
        raise TokenRefused from None
    except NotBotApi:
        raise
    except TelegramError as error:
        raise TelegramAway(error.message) from None
    finally:
        await application.bot.shutdown()
    return str(application.bot.username)


def application_builder(settings: Settings, tls: ssl.SSLContext) -> AnyBuilder:
    """python-telegram-bot towards the configured Bot API server, without its own Updater and JobQueue."""
    proxy = settings.telegram_proxy and settings.telegram_proxy.url
    # http_proxy and all_proxy of the environment are ignored; only TELEGRAM_PROXY counts.
    options: dict[str, Any] = {"verify": tls, "trust_env": False}
    return (
        Application.builder()
        .token(settings.telegram_bot_token)
        .base_url(f"{settings.telegram_api_url}/bot")
        .base_file_url(f"{settings.telegram_api_url}/file/bot")
        .local_mode(settings.telegram_local_mode)
        .updater(None)
        .job_queue(None)
        .request(
            BotApiRequest(64, 20.0, 20.0, 10.0, 10.0, proxy=proxy, httpx_kwargs=options | {"limits": _LIMITS})
        )
        .get_updates_request(BotApiRequest(2, 10.0, 10.0, 10.0, 10.0, proxy=proxy, httpx_kwargs=options))
    )
