"""What WEBHOOK_URL and WEBHOOK_PORT must be beside the other settings, and the secret of the webhook."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

DEFAULT_PORT = 8443
_TELEGRAM = "api.telegram.org"
_PORTS = (443, 80, 88, 8443)  # https://core.telegram.org/bots/api#setwebhook
_PURPOSE = b"reelwatch: X-Telegram-Bot-Api-Secret-Token"


def webhook_mistakes(values: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each mistake that concerns several settings; values: those that are set and valid."""
    url = values.get("webhook_url")
    if not url:
        return
    parts = urlsplit(url)
    is_own_server = urlsplit(values.get("telegram_api_url", f"https://{_TELEGRAM}")).hostname != _TELEGRAM
    if parts.scheme != "https" and not is_own_server:
        yield "WEBHOOK_URL is not an https:// address; only a Bot API server of your own sends to http://."
    elif parts.port not in {None, *_PORTS} and not is_own_server:
        ports = ", ".join(map(str, _PORTS))
        yield f"WEBHOOK_URL has the port {parts.port}; Telegram sends to {ports} only."
    port = values.get("webhook_port", DEFAULT_PORT)
    if port == values.get("health_port"):
        yield f"WEBHOOK_PORT and HEALTH_PORT are both {port}; each needs a port of its own."


def path_of(url: str) -> str:
    """The path that Telegram sends updates to."""
    return urlsplit(url).path or "/"


def secret_for(token: str) -> str:
    """The secret of a bot: the same after each start and in each of its processes; not the token's hash."""
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()
