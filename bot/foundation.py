"""What the two halves of the program stand on; beside it, the engine is handed the bot to send with."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from bot.config import Settings
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.polling.wakeup import Wakeup
from bot.telemetry import Telemetry
from bot.watching.access import Access
from bot.watching.gateway_state import GatewayStates
from storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What is there before anything runs."""

    settings: Settings
    store: Store
    access: Access
    telemetry: Telemetry
    tls: ssl.SSLContext  # what certificates() gave: one for all, as each takes its time
    wakeup: Wakeup  # wakes the clock
    new_delivery: asyncio.Event  # wakes the courier
    gateways: GatewayStates  # how each key's gateway does
    rate_limiter: ChatRateLimiter  # what the chats will bear, of messages and of answers
    connected: asyncio.Event  # set when Telegram has answered


def certificates() -> ssl.SSLContext:
    """Whom to believe; SSL_CERT_FILE and SSL_CERT_DIR are heard."""
    return httpx.create_ssl_context()


def utc_now() -> datetime:
    """The clock that everything is handed."""
    return datetime.now(UTC)
