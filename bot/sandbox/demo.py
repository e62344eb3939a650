"""The demo: a real bot between a fake Telegram and a fake gateway."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bot.sandbox.environment import ANNA, Sandbox, open_sandbox
from bot.sandbox.interactive import run_interactive
from bot.sandbox.tour import Tours
from bot.sandbox.web.mind import Mind
from bot.sandbox.web.server import NoPort, WebPage

RunBot = Callable[[Mapping[str, str]], Awaitable[int]]

_CASE_S = 4.0  # for the messages about one recorded response
_STOP_S = 15.0
_FORGET_S = 10.0  # between two times that old entries are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recorded response of a gateway to replay."""

    file: Path  # JSON: provider, task_id, http_status, headers, body
    status_paths: Mapping[str, str]  # by provider; with {id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the page is served, and how it learns what the bot has in its database."""

    host: str
    port: int
    read_database: Callable[[Path], dict[str, Any]]  # raises OSError


async def demo(
    run_bot: RunBot,
    *,
    once: bool,
    case: Case | None = None,
    page: Page | None = None,
    typed: int | None = None,
    pace: float = 1.0,
) -> int:
    """Run the tour, then the interactive mode; or replay a recorded response.

    Returns the exit status. run_bot: runs a bot with these settings until it is cancelled. page: None: only
    the terminal. typed: the descriptor of what is typed after the tour; None: there is none. pace: a factor
    for all times.
    """
    try:
        async with open_sandbox(pace=pace) as sandbox:
            tours = Tours(sandbox)
            async with _served(sandbox, page, tours):
                if case is not None:
                    play = _replay(sandbox, case)
                elif once:
                    play = _play(sandbox, tours)
                else:
                    play = _play_on(sandbox, tours, typed, has_page=page is not None)
                return await _run(sandbox, run_bot, play, once=once)
    except NoPort as error:
        print(error, file=sys.stderr)
        return 1


@asynccontextmanager
async def _served(sandbox: Sandbox, page: Page | None, tours: Tours) -> AsyncIterator[None]:
    """Serve the page, if one is wanted, before the bot is started."""
    if page is None:
        yield
        return
    mind = Mind(partial(page.read_database, sandbox.database), sandbox.health_url)
    async with WebPage(sandbox, mind.read, tours.play_again).serving(page.host, page.port) as address:
        sandbox.screen.title(f"Open {address} in a browser to see it as a chat.")
        try:
            yield
        finally:
            tours.stop()


async def _run(sandbox: Sandbox, run_bot: RunBot, playing: Coroutine[Any, Any, bool], *, once: bool) -> int:
    """Run the bot until the play is over, or the bot ends by itself, as by Ctrl-C."""
    sandbox.screen.title("Reelwatch demo: the real bot between a fake Telegram and a fake gateway")
    sandbox.screen.print_line("› a user's message   ‹ the bot's message   ✎ an edit by the bot   ▶ a video\n")
    bot = asyncio.ensure_future(run_bot(sandbox.environment))
    play = asyncio.create_task(playing)
    forgetting = asyncio.create_task(_forget_old(sandbox))
    try:
        await asyncio.wait({bot, play}, return_when=asyncio.FIRST_COMPLETED)
        if play.done():
            return 0 if play.result() else 1
        status = bot.result()
        sandbox.screen.print_line(f"\nThe bot has stopped (exit status {status}).")
        return 1 if once or status else 0  # 0: the user pressed Ctrl-C
    finally:
        forgetting.cancel()
        await _end(play)
        await _end(bot)


async def _forget_old(sandbox: Sandbox) -> None:
    while True:
        await asyncio.sleep(_FORGET_S)
        sandbox.forget_old()


async def _play(sandbox: Sandbox, tours: Tours) -> bool:
    await sandbox.wait_for_bot()
    return await tours.play()


async def _play_on(sandbox: Sandbox, tours: Tours, typed: int | None, *, has_page: bool) -> bool:
    """The tour, then what is typed; where that is no terminal, as in a container, a page outlasts its end."""
    is_good = await _play(sandbox, tours)
    if typed is not None and not _is_null(typed):
        await run_interactive(sandbox, tours, typed)
    if has_page and (typed is None or not os.isatty(typed)):
        sandbox.screen.print_line("\nGo on in the browser; Ctrl-C ends.")
        await asyncio.Event().wait()
    return is_good


def _is_null(descriptor: int) -> bool:
    """Whether it is /dev/null, as standard input is in a container that is run without -i."""
    return stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor)


async def _replay(sandbox: Sandbox, case: Case) -> bool:
    await sandbox.wait_for_bot()
    try:
        recorded = json.loads(case.file.read_text(encoding="utf-8"))
        provider, task_id = recorded["provider"], recorded["task_id"]
        sandbox.gateway.replay(
            case.status_paths[provider].replace("{id}", quote(task_id, safe="")),
            http_status=recorded["http_status"],
            headers=recorded["headers"],
            body=recorded["body"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        sandbox.screen.print_line(f"{case.file} is not a recorded response: {error!r}")
        return False
    for text in (f"/watch {provider} {task_id}", f"/status {task_id}"):
        sandbox.telegram.send(ANNA, text)
        await asyncio.sleep(_CASE_S * sandbox.pace)
    return True


async def _end(task: "asyncio.Future[Any]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.wait({task}, timeout=_STOP_S)
