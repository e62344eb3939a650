"""Whether the settings work: what they are, who the bot is, and what each gateway says to its key."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from urllib.parse import urlsplit

from bot import file_modes
from bot.bot_api.request import NotBotApi
from bot.config import Settings, foreign_names
from bot.errors import TokenRefused
from bot.providers import gateways
from bot.providers.base import Provider, ProviderError
from bot.providers.transport import HttpTransport
from bot.redaction import Redactor
from bot.telegram_client import TelegramAway, bot_name, create_ssl_context
from storage.errors import StoreError
from storage.factory import open_store
from storage.models import Cause

OK, WARN, ERROR = "ok", "warn", "error"
_PATIENCE_S = 10.0
_NO_SUCH_TASK = "reelwatch-check-no-such-task"

Row = tuple[str, str, str]  # what, OK, WARN or ERROR, how it stands


async def check(settings: Settings) -> bool:
    """Print the settings and what came of trying them; whether everything works."""
    redact = Redactor(settings.secrets).redact
    _print_table(("setting", "value"), _described(settings), redact)
    async with HttpTransport(tls=create_ssl_context(), proxy=settings.provider_proxy) as transport:
        providers = gateways.build(settings.provider_configs, transport).values()
        rows = await asyncio.gather(
            _telegram(settings),
            _database(settings),
            _download_route(settings),
            *(_key(provider) for provider in providers),
        )
    for host, ahead_s in transport.skews.found().items():
        side = "ahead of" if ahead_s > 0 else "behind"
        rows.append(("clock", WARN, f"{host} is {abs(ahead_s):.0f} s {side} this machine's"))
    if not settings.provider_configs:
        rows.append(("providers", ERROR, "none; set GATEWAY_BASE_URL and GATEWAY_API_KEY"))
    rows += _warnings(settings)
    _print_table(("tried", "", ""), rows, redact)
    return all(state != ERROR for _, state, _ in rows)


def _warnings(settings: Settings) -> Iterable[Row]:
    if not (settings.allows_everyone or settings.allowed_ids or settings.admin_ids):
        yield "people", WARN, "nobody is let in; set ADMINS or ALLOWED_CHATS"
    yield from (("plain http", WARN, sentence) for sentence in settings.sent_in_the_clear)
    for sentence in file_modes.exposed(settings.database_file, settings.downloads_folder):
        yield "files", WARN, sentence
    if foreign := foreign_names():
        yield ".env", WARN, f"ignored, as they are no settings of this program: {', '.join(foreign)}"


async def _download_route(settings: Settings) -> Row:
    """Whether the proxy can be reached; where the videos lie is known only when there is one."""
    what = "downloads"
    if not settings.download_proxy:
        return what, OK, "without a proxy"
    proxy = urlsplit(settings.download_proxy)
    port = proxy.port or (443 if proxy.scheme == "https" else 80)
    name = f"the proxy {proxy.hostname}:{port}"
    try:
        async with asyncio.timeout(_PATIENCE_S):
            _, writer = await asyncio.open_connection(proxy.hostname, port)
    except OSError:
        return what, ERROR, f"{name} does not answer"
    writer.close()
    return what, OK, f"{name} answers"


def _described(settings: Settings) -> Iterable[Sequence[str]]:
    for each in fields(settings):
        if each.name != "providers":
            value = getattr(settings, each.name)
            yield each.name.upper(), "set" if value in settings.secrets else _shown(value)
    for config in settings.provider_configs:
        yield f"provider {config.name}", f"{config.kind} at {config.base_url}"


def _shown(value: object) -> str:
    return "–" if value in ("", None) else str(value)


async def _telegram(settings: Settings) -> Row:
    try:
        return "telegram", OK, f"@{await bot_name(settings)}"
    except (TokenRefused, NotBotApi) as error:
        return "telegram", ERROR, str(error)
    except TelegramAway as error:
        return "telegram", ERROR, f"no answer{_through(settings.telegram_proxy)}: {error}"


async def _database(settings: Settings) -> Row:
    try:
        store = await open_store(settings.database_url)
    except StoreError as error:
        return "database", ERROR, str(error)
    await store.close()
    return "database", OK, settings.database_url


async def _key(provider: Provider) -> Row:
    """A key is right when the gateway says no more than that it does not know the id."""
    what = f"provider {provider.name}"
    try:
        await provider.fetch(_NO_SUCH_TASK)
    except ProviderError as error:
        if error.cause is Cause.TASK_MISSING:
            return what, OK, "the key is accepted"
        return what, ERROR, _refusal(error)
    return what, OK, "answers"


def _refusal(error: ProviderError) -> str:
    match error.cause:
        case Cause.WANTS_HTTPS:
            return f"the gateway wants https: set BASE_URL to {error.message}"
        case Cause.REDIRECTED:
            return f"redirected to {error.message}: check BASE_URL"
        case _:
            return f"{error.cause}: {error.message}".rstrip(": ")


def _through(proxy: str) -> str:
    """Which proxy was asked, without its password."""
    return f" through the proxy {urlsplit(proxy).netloc.rpartition('@')[2]}" if proxy else ""


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]], redact: Callable[[str], str]) -> None:
    lines = [head, *([redact(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()
