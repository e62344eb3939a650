"""python-telegram-bot's client for the configured Bot API server, and the bot's identity there."""

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder

from bot.bot_api.request import BotApiRequest, NotBotApi
from bot.bot_api.socks_transport import SocksTransport
from bot.config import Settings
from bot.errors import TokenRefused
from bot.proxies.diagnosis import ProxyDiagnosis
from bot.proxies.proxy import Proxy

AnyBuilder = ApplicationBuilder[Any, Any, Any, Any, Any, Any]

# A card is edited every minute: some connections outlive that, so that no result waits for a handshake. Only
# some, as httpcore looks at each that rests whenever there is something to send.
_CONNECTIONS, _UPDATE_CONNECTIONS = 64, 2
_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=4, keepalive_expiry=75.0)


class TelegramAway(Exception):
    """The Bot API server did not respond."""


def create_ssl_context() -> ssl.SSLContext:
    """The TLS context of all routes; honours SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


async def bot_name(settings: Settings, tls: ssl.SSLContext) -> str:
    """The bot's user name as Telegram knows it; raises TokenRefused, NotBotApi or TelegramAway."""
    application = application_builder(settings, tls).build()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookState:
    """What Telegram knows of the bot's webhook."""

    url: str  # empty: none is set
    pending: int  # updates that wait
    last_error: str | None


async def webhook_state(settings: Settings, tls: ssl.SSLContext) -> WebhookState | None:
    """The webhook as Telegram knows it; None: Telegram does not say."""
    application = application_builder(settings, tls).build()
    try:
        await application.bot.initialize()
        info = await application.bot.get_webhook_info()
    except TelegramError:
        return None
    finally:
        await application.bot.shutdown()
    return WebhookState(url=info.url, pending=info.pending_update_count, last_error=info.last_error_message)


def application_builder(settings: Settings, tls: ssl.SSLContext) -> AnyBuilder:
    """python-telegram-bot towards the configured Bot API server, without its own Updater and JobQueue."""
    proxy = settings.telegram_proxy
    diagnosis = ProxyDiagnosis(proxy, tls=tls) if proxy else None
    calls = _options(proxy, tls, _LIMITS)
    updates = _options(proxy, tls, httpx.Limits(max_connections=_UPDATE_CONNECTIONS))
    return (
        Application.builder()
        .token(settings.telegram_bot_token)
        .base_url(f"{settings.telegram_api_url}/bot")
        .base_file_url(f"{settings.telegram_api_url}/file/bot")
        .local_mode(settings.telegram_local_mode)
        .updater(None)
        .job_queue(None)
        .request(BotApiRequest(_CONNECTIONS, 20.0, 20.0, 10.0, 10.0, httpx_kwargs=calls, diagnosis=diagnosis))
        .get_updates_request(
            BotApiRequest(
                _UPDATE_CONNECTIONS, 10.0, 10.0, 10.0, 10.0, httpx_kwargs=updates, diagnosis=diagnosis
            )
        )
    )


def _options(proxy: Proxy | None, tls: ssl.SSLContext, limits: httpx.Limits) -> dict[str, Any]:
    """httpx's options; only TELEGRAM_PROXY counts, not http_proxy and all_proxy of the environment."""
    if proxy is not None and proxy.is_socks:
        return {"trust_env": False, "transport": SocksTransport(proxy, tls=tls, limits=limits)}
    options: dict[str, Any] = {"trust_env": False, "verify": tls, "limits": limits}
    if proxy is not None:
        options["proxy"] = httpx.Proxy(
            str(proxy),
            auth=None if proxy.user is None else (proxy.user, proxy.password),
            ssl_context=tls if proxy.scheme == "https" else None,
        )
    return options
