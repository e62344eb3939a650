"""python -m bot: run (default), demo, check, health. Parses and calls."""

import argparse
import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bot import __version__, app
from bot.chat.listener import SecondPoller, TokenRefused
from bot.check import check
from bot.config import Settings, SettingsError, load_settings
from bot.health import PortTaken
from bot.logs import set_up_logging
from bot.watching.cadence import Cadence
from storage.errors import StoreError

T = TypeVar("T")

OK, FAILED, UNUSABLE = 0, 1, 2

_HURRIED = Cadence(longest_s=1.0, recheck_s=1.0, slowest_s=2.0, mend_s=5.0)
_PROBE_S = 5.0


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program and exit: 0 well, 1 failed, 2 settings or database that can't be used."""
    arguments = _parser().parse_args(argv)
    match arguments.command:
        case "demo":
            # Loaded by name: its film maker would cost every start of the bot some 200 ms and 18 MB.
            demo = import_module("bot.sandbox.demo").demo
            status = _in_loop(demo(_run_given, once=arguments.once, case=arguments.case))
        case "check":
            status = _with_settings(lambda s: OK if _in_loop(check(s)) else FAILED)
        case "health":
            status = _with_settings(_probe)
        case _:
            status = _with_settings(lambda s: _in_loop(_run(s)))
    sys.exit(status)


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelwatch", description="Watches AI video tasks and brings the videos to Telegram."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("run", help="run the bot (default)")
    tour = commands.add_parser("demo", help="the real bot in a make-believe world: no token, no gateway")
    tour.add_argument("--once", action="store_true", help="end after the tour; 0 if every video arrived once")
    tour.add_argument("--case", type=Path, metavar="FILE", help="replay one recorded answer of a gateway")
    commands.add_parser("check", help="try the settings: bot token, database, each provider's key")
    commands.add_parser("health", help="ask the running bot whether it is well (needs HEALTH_PORT)")
    return parser


def _with_settings(command: Callable[[Settings], int]) -> int:
    try:
        settings = load_settings()
    except SettingsError as error:
        for mistake in error.mistakes:
            _complain(mistake)
        return UNUSABLE
    set_up_logging(settings.log_level, settings.log_format, settings.secrets)
    return command(settings)


async def _run(settings: Settings, cadence: Cadence | None = None) -> int:
    try:
        await app.run(settings, cadence)
    except SecondPoller:
        _complain(
            "Another process fetches updates with this TELEGRAM_BOT_TOKEN (409 Conflict); one token serves "
            "one running bot: stop the other one, or give this one a token of its own."
        )
        return FAILED
    except (TokenRefused, StoreError, PortTaken) as error:
        _complain(str(error))
        return UNUSABLE
    return OK


async def _run_given(environment: Mapping[str, str]) -> int:
    """The bot as the demo starts it: with the given settings alone, and in a hurry."""
    settings = load_settings(environment)
    set_up_logging(settings.log_level, settings.log_format, settings.secrets)
    return await _run(settings, _HURRIED)


def _probe(settings: Settings) -> int:
    if settings.health_port is None:
        _complain("HEALTH_PORT is not set, so there is nobody to ask.")
        return UNUSABLE
    address = f"http://127.0.0.1:{settings.health_port}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=_PROBE_S) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        _complain(error.read().decode())
        return FAILED
    except OSError as error:
        _complain(f"The bot does not answer on port {settings.health_port}: {error}.")
        return FAILED
    return OK


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)
