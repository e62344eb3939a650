"""python -m bot: run (default), demo, check, health, backup, restore, export, import. Parses and calls."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, TypeVar

import uvloop

from bot import __version__
from bot.config import Settings, SettingsError, load_database, load_health_address, load_settings
from bot.errors import (
    FileRefused,
    ForeignWebhook,
    OutputFailed,
    PortTaken,
    SecondPoller,
    TokenRefused,
)
from bot.logs import LogLevel, log_fields, set_up_logging
from bot.providers.registry import FORMATS
from bot.watching.cadence import Cadence
from storage.errors import StoreError
from storage.postgres_url import PostgresUrl

log = logging.getLogger(__name__)

T = TypeVar("T")

OK, FAILED, UNUSABLE = 0, 1, 2

_DEMO_CADENCE = Cadence(longest_s=1.0, again_s=1.0, slowest_s=2.0, mend_s=5.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program and exit with OK, FAILED, or UNUSABLE: settings or database that can't be used."""
    _occupy_closed_streams()
    arguments = _parser().parse_args(argv)
    # Imported where needed: the container's probe runs every minute and needs hardly any of the program.
    match arguments.command:
        case "demo":
            from bot.demo_state import read_state
            from bot.sandbox.demo import Case, Page, demo

            paths = {kind: wire.path for kind, wire in FORMATS.items()}
            case = Case(file=arguments.case, status_paths=paths) if arguments.case else None
            page = None
            if arguments.web and not arguments.once and case is None:
                page = Page(host=arguments.host, port=arguments.port, read_database=read_state)
            typed = sys.stdin.fileno() if sys.stdin else None
            status = _in_loop(demo(_run_given, once=arguments.once, case=case, page=page, typed=typed))
        case "check":
            from bot.check import check

            status = _with_settings(lambda s: OK if _in_loop(check(s)) else FAILED)
        case "health":
            status = _probe()
        case "backup":
            from bot.backup import backup

            status = _with_database(lambda database: backup(database, arguments.file))
        case "restore":
            from bot.backup import restore

            status = _with_database(lambda database: restore(database, arguments.file))
        case "export":
            from bot.transfer import export_data

            status = _with_database(lambda database: export_data(database, arguments.file))
        case "import":
            from bot.transfer import import_data

            status = _with_database(lambda database: import_data(database, arguments.file))
        case _:
            status = _serve()
    sys.exit(status)


def _occupy_closed_streams() -> None:
    """Open the standard streams that the caller has closed, for which Python has None.

    Else a file that is opened next, such as the database's lock, gets the number of one, and is written to.
    """
    streams: tuple[TextIO | None, ...] = (sys.stdin, sys.stdout, sys.stderr)  # mypy knows of no None
    stdin, stdout, stderr = streams
    if stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open to the end
    if stdout is None:
        os.open(os.devnull, os.O_RDONLY)  # so that a backup that is written to it fails
    if stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reelwatch", description="Watches AI video tasks and posts the videos to Telegram."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("run", help="run the bot (default)")
    tour = commands.add_parser("demo", help="the real bot with a fake Telegram and gateway: needs no token")
    tour.add_argument(
        "--once", action="store_true", help="exit after the tour; 0 if every video arrived once"
    )
    tour.add_argument("--host", default="127.0.0.1", help="where the page listens (127.0.0.1)")
    tour.add_argument(
        "--port", default=8090, type=_port, metavar="N", help="of the page (8090), or the next free one"
    )
    tour.add_argument("--no-web", dest="web", action="store_false", help="only the terminal, no page")
    tour.add_argument("--case", type=Path, metavar="FILE", help="replay one recorded response of a gateway")
    commands.add_parser("check", help="test the settings: bot token, database, each provider's key")
    commands.add_parser("health", help="check that the running bot is alive (needs HEALTH_PORT)")
    copying = commands.add_parser("backup", help="copy the database, also while the bot runs")
    copying.add_argument("file", metavar="FILE", help="the new file; - for standard output")
    restoring = commands.add_parser("restore", help="put a backup in the place of the database")
    restoring.add_argument("file", metavar="FILE", help="the backup; - for standard input")
    exporting = commands.add_parser("export", help="write all data as JSON lines, also while the bot runs")
    exporting.add_argument("file", metavar="FILE", help="the new file; - for standard output")
    importing = commands.add_parser("import", help="put an export into a new or empty database")
    importing.add_argument("file", metavar="FILE", help="the export; - for standard input")
    return parser


def _port(text: str) -> int:
    """A port's number; 0: any free one."""
    if not text.isascii() or not text.isdecimal() or int(text) >= 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _with_database(command: Callable[[Path | PostgresUrl], None]) -> int:
    """Run a command that needs no setting but DATABASE_URL."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        command(load_database())
    except SettingsError as error:
        return _complain_of(error)
    except (StoreError, FileRefused) as error:
        _complain(str(error))
        return UNUSABLE
    except OutputFailed as error:
        _complain(str(error))
        return FAILED
    except KeyboardInterrupt:
        _complain("Interrupted before the end.")
        return FAILED
    return OK


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM as SIGINT is handled just now: in an event loop it cancels, and raises at the end."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


def _with_settings(command: Callable[[Settings], int], *, is_log: bool = False) -> int:
    """Read the settings and run; is_log: standard error is the log, so that mistakes have its format."""
    try:
        settings = load_settings()
    except SettingsError as error:
        if is_log:
            set_up_logging(LogLevel.ERROR, error.log_format, ())
        for mistake in error.mistakes:
            if is_log:
                _log_sentence(mistake, "settings_mistake")
            else:
                _complain(mistake)
        return UNUSABLE
    _set_up_process(settings)
    return command(settings)


def _set_up_process(settings: Settings) -> None:
    """Set the time zone, of the times in chats and logs, and the logging."""
    if settings.tz:
        os.environ["TZ"] = settings.tz
        time.tzset()
    set_up_logging(settings.log_level, settings.log_format, settings.secrets)


def _serve() -> int:
    """Run the bot; a signal before the event loop handles signals ends it at once, as no work is running."""
    # Without a handler, process 1 of a container ignores signals: https://man7.org/linux/man-pages/man2/kill.2.html
    # No KeyboardInterrupt: raised in exec(), which makes dataclasses, it changes the status even if caught.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(OK))
    try:
        return _with_settings(lambda s: _in_loop(_run(s)), is_log=True)
    except KeyboardInterrupt:
        return OK


async def _run(settings: Settings, cadence: Cadence | None = None) -> int:
    from bot.app import run

    try:
        await run(settings, cadence)
    except (SecondPoller, ForeignWebhook) as error:
        sentence, status = str(error), FAILED
    except (TokenRefused, StoreError, PortTaken) as error:
        sentence, status = str(error), UNUSABLE
    else:
        return OK
    _log_sentence(sentence, "gave_up")
    return status


async def _run_given(environment: Mapping[str, str]) -> int:
    """The bot as the demo starts it: only the given settings, and short intervals between polls."""
    settings = load_settings(environment)
    _set_up_process(settings)
    return await _run(settings, _DEMO_CADENCE)


def _probe() -> int:
    try:
        address = load_health_address()
    except SettingsError as error:
        return _complain_of(error)
    if address.health_port is None:
        _complain("HEALTH_PORT is not set, so the bot has no health endpoint.")
        return UNUSABLE
    from bot.http.probe import probe

    return OK if probe(address.health_port, address.health_host) else FAILED


def _log_sentence(sentence: str, event: str) -> None:
    """Log why the program ends: on the console the sentence alone."""
    log.error("%s", sentence, extra=log_fields(None, event) | {"is_sentence": True})


def _complain_of(error: SettingsError) -> int:
    for mistake in error.mistakes:
        _complain(mistake)
    return UNUSABLE


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)
