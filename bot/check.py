"""Whether the settings work: what they are, who the bot is, and what each gateway says to its key."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields

from bot import app
from bot.config import Settings
from bot.errors import TokenRefused
from bot.foundation import certificates
from bot.providers import gateways
from bot.providers.base import Provider, ProviderError
from bot.providers.http import HttpTransport
from bot.redaction import Redactor
from storage.errors import StoreError
from storage.factory import open_store
from storage.models import Cause

_NO_SUCH_TASK = "reelwatch-check-no-such-task"

Row = tuple[str, bool, str]  # what, whether it is well, how it stands


async def check(settings: Settings) -> bool:
    """Print the settings and what came of trying them; whether everything works."""
    redact = Redactor(settings.secrets).redact
    _print_table(("setting", "value"), _described(settings), redact)
    async with HttpTransport(tls=certificates(), proxy=settings.provider_proxy) as transport:
        providers = gateways.build(settings.provider_configs, transport).values()
        rows = await asyncio.gather(
            _telegram(settings), _database(settings), *(_key(provider) for provider in providers)
        )
    if not settings.provider_configs:
        rows.append(("providers", False, "none; set GATEWAY_BASE_URL and GATEWAY_API_KEY"))
    results = ((what, "ok" if well else "FAILED", how) for what, well, how in rows)
    _print_table(("tried", "", ""), results, redact)
    return all(well for _, well, _ in rows)


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
        return "telegram", True, f"@{await app.bot_name(settings)}"
    except TokenRefused as error:
        return "telegram", False, str(error)
    except app.TelegramAway as error:
        return "telegram", False, f"no answer: {error}"


async def _database(settings: Settings) -> Row:
    try:
        store = await open_store(settings.database_url)
    except StoreError as error:
        return "database", False, str(error)
    await store.close()
    return "database", True, settings.database_url


async def _key(provider: Provider) -> Row:
    """A key is right when the gateway says no more than that it does not know the id."""
    what = f"provider {provider.name}"
    try:
        await provider.fetch(_NO_SUCH_TASK)
    except ProviderError as error:
        if error.cause is Cause.TASK_MISSING:
            return what, True, "the key is accepted"
        return what, False, f"{error.cause}: {error.message}".rstrip(": ")
    return what, True, "answers"


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]], redact: Callable[[str], str]) -> None:
    lines = [head, *([redact(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()
