"""Shows the settings and tests them: bot token, database, routes, each provider's key."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import timedelta

from bot import file_modes
from bot.bot_api.request import NotBotApi
from bot.chat.webhook_keeper import reason
from bot.chat.webhooks import host_of
from bot.check_database import ERROR, OK, WARN, Row, database_rows
from bot.config import ENV_FILE, Settings, foreign_names, names_from_files, plain_http_warnings
from bot.errors import TokenRefused
from bot.key_groups import key_groups, providers_of
from bot.providers.base import Provider, ProviderError
from bot.providers.transport import HttpTransport
from bot.proxies.diagnosis import ProxyDiagnosis
from bot.proxies.proxy import Proxy
from bot.redaction import Redactor
from bot.telegram_client import TelegramAway, bot_name, create_ssl_context, webhook_state
from bot.webhook_settings import DEFAULT_PORT
from storage.models import Cause

_NO_SUCH_TASK = "reelwatch-check-no-such-task"

_REFUSALS = {
    Cause.KEY_INVALID: "the gateway rejects the key",
    Cause.KEY_EXHAUSTED: "the key has no credit left",
    Cause.NOT_ALLOWED: "the key may not ask for tasks",
    Cause.UNREACHABLE: "the gateway does not respond",
}


async def check(settings: Settings) -> bool:
    """Print the settings and the outcome of trying them; return whether everything works."""
    redact = Redactor(settings.secrets).redact
    _print_table(("setting", "value"), _described(settings), redact)
    tls = create_ssl_context()
    async with HttpTransport(tls=tls, proxy=settings.provider_proxy) as transport:
        providers = providers_of(key_groups(settings, transport))
        rows = await asyncio.gather(
            _telegram(settings, tls),
            _updates(settings, tls),
            _download_route(settings, tls),
            _downloads_folder(settings),
            *(
                _key(providers[config.name], config.base_url, settings.provider_proxy, tls)
                for config in settings.providers
            ),
        )
    named = settings.allowed_chats.everyone or settings.allowed_chats.ids or settings.admins
    rows += await database_rows(settings.database, shown=str(settings.database_url), names_people=bool(named))
    for host, ahead_s in transport.skews.measured().items():
        side = "ahead of" if ahead_s > 0 else "behind"
        rows.append(("clock", WARN, f"{host} is {abs(ahead_s):.0f} s {side} this machine's"))
    if not settings.providers:
        rows.append(("providers", ERROR, "none; set GATEWAY_BASE_URL and GATEWAY_API_KEY"))
    rows += _warnings(settings)
    _print_table(("tested", "", ""), rows, redact)
    return all(state != ERROR for _, state, _ in rows)


def _warnings(settings: Settings) -> Iterable[Row]:
    yield from (("plain http", WARN, sentence) for sentence in plain_http_warnings(settings))
    exposed = file_modes.exposed(settings.database, settings.downloads_folder, settings=ENV_FILE)
    for sentence in exposed:
        yield "files", WARN, sentence
    if not settings.webhook_url and settings.webhook_port != DEFAULT_PORT:
        yield "webhook", WARN, "WEBHOOK_PORT is ignored, as WEBHOOK_URL is not set"
    if foreign := foreign_names():
        yield ".env", WARN, f"ignored, as they are no settings of this program: {', '.join(foreign)}"


async def _download_route(settings: Settings, tls: ssl.SSLContext) -> Row:
    """Try the proxy with a gateway's host: the hosts of videos are known only with the first video."""
    what = "downloads"
    if settings.download_proxy is None:
        return what, OK, "without a proxy"
    target = settings.providers[0].base_url if settings.providers else None
    trouble = await ProxyDiagnosis(settings.download_proxy, tls=tls).trouble(target)
    if trouble is None:
        return what, OK, f"the proxy {settings.download_proxy} works"
    return what, ERROR if trouble.is_proxys else WARN, str(trouble)


async def _downloads_folder(settings: Settings) -> Row:
    folder = settings.downloads_folder
    problem = file_modes.why_no_videos(folder)
    return "videos", ERROR if problem else OK, problem or f"waiting ones are kept in {folder}"


def _described(settings: Settings) -> Iterable[Sequence[str]]:
    from_files = names_from_files()
    for each in fields(settings):
        if each.name != "providers":
            value = getattr(settings, each.name)
            source = " (from file)" if each.name in from_files else ""
            yield each.name.upper(), f"{'set' if value in settings.secrets else _shown(value)}{source}"
    for config in settings.providers:
        key = ", key from file" if f"providers__{config.name}__api_key" in from_files else ""
        yield f"provider {config.name}", f"{config.kind} at {config.base_url}{config.path}{key}"


def _shown(value: object) -> str:
    match value:
        case None | "":
            return "–"
        case timedelta():
            return f"{value / timedelta(days=1):g}"
        case frozenset():
            return ", ".join(map(str, sorted(value))) or "–"
        case _:
            return str(value) or "–"


async def _telegram(settings: Settings, tls: ssl.SSLContext) -> Row:
    try:
        return "telegram", OK, f"@{await bot_name(settings, tls)}{_through(settings.telegram_proxy)}"
    except (TokenRefused, NotBotApi) as error:
        return "telegram", ERROR, str(error)
    except TelegramAway as error:
        return "telegram", ERROR, str(error) if settings.telegram_proxy else f"no response: {error}"


async def _updates(settings: Settings, tls: ssl.SSLContext) -> Row:
    """How updates come, and what Telegram says about the webhook; it is set by the running bot only."""
    what, url = "updates", settings.webhook_url
    found = await webhook_state(settings, tls)
    known = found.url if found else ""
    if not url:
        if known:
            host = host_of(known)
            return what, WARN, f"by long polling; the bot will remove the webhook to {host} that is set"
        return what, OK, "by long polling"
    route = f"{url} (webhook) must lead to {settings.webhook_host}:{settings.webhook_port}"
    if found is None or not known:
        return what, OK, f"{route}; the bot sets it at its start"
    if known != url:
        return what, WARN, f"{route}; the bot will replace the webhook to {host_of(known)} that is set"
    waiting = f"{route}; it is set, and {found.pending} updates wait"
    if found.last_error and found.pending:
        return what, WARN, f"{waiting}; Telegram's last error: {reason(found.last_error)}"
    return what, OK, waiting


async def _key(provider: Provider, base_url: str, proxy: Proxy | None, tls: ssl.SSLContext) -> Row:
    """Poll an id that no gateway has: a valid key gets the response that the task is missing."""
    what = f"provider {provider.name}"
    try:
        await provider.fetch(_NO_SUCH_TASK)
    except ProviderError as error:
        if error.cause is Cause.TASK_MISSING:
            return what, OK, f"the key is accepted{_through(proxy)}"
        if error.cause is Cause.UNREACHABLE and proxy is not None:
            trouble = await ProxyDiagnosis(proxy, tls=tls).trouble(base_url)
            return what, ERROR, str(trouble or f"{_refusal(error)}{_through(proxy)}")
        return what, ERROR, _refusal(error)
    return what, OK, f"the gateway responds{_through(proxy)}"


def _through(proxy: Proxy | None) -> str:
    return f", through the proxy {proxy}" if proxy else ""


def _refusal(error: ProviderError) -> str:
    match error.cause:
        case Cause.PROXY:
            return error.message
        case Cause.KEY_INVALID | Cause.KEY_EXHAUSTED | Cause.NOT_ALLOWED | Cause.UNREACHABLE:
            return f"{_REFUSALS[error.cause]}: {error.message}".rstrip(": ")
        case Cause.WANTS_HTTPS:
            return f"the gateway requires https: set BASE_URL to {error.message}"
        case Cause.ROUTE_MISSING:
            return f"the gateway has no such path: check BASE_URL and PATH ({error.message})"
        case Cause.REDIRECTED:
            return f"redirected to {error.message}: check BASE_URL"
        case _:
            return f"{error.cause}: {error.message}".rstrip(": ")


def _print_table(head: Sequence[str], rows: Iterable[Sequence[str]], redact: Callable[[str], str]) -> None:
    lines = [head, *([redact(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()
