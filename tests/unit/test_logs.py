"""Nothing secret leaves the process through its log."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from bot.logs import LogFormat, LogLevel, set_up_logging
from bot.redaction import REDACTED

TOKEN = "1234567:hunter2-short"
KEY = "hunter2-gateway-key"
STRANGE_TOKEN = "7654321:AAhunter2hunter2hunter2hunter2hunt"
SIGNED = f"GET https://gw.example/x?sig=hunter2 with {KEY}"

log = logging.getLogger("bot.somewhere")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


class Screen:
    """Standard error, once logging was set up as the program does it."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def begin(self, level: LogLevel = LogLevel.INFO, log_format: LogFormat = LogFormat.CONSOLE) -> None:
        """Set logging up."""
        set_up_logging(level, log_format, [TOKEN, KEY, ""])

    def text(self) -> str:
        """What was written since the last time."""
        for handler in logging.getLogger().handlers:
            handler.flush()
        return self._capfd.readouterr().err


@pytest.fixture
def screen(capfd: pytest.CaptureFixture[str]) -> Screen:
    return Screen(capfd)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://api.telegram.org/bot{TOKEN}/getMe", f"https://api.telegram.org/bot{REDACTED}/getMe"),
        (f"/file/bot{STRANGE_TOKEN}/a.mp4", f"/file/bot{REDACTED}/a.mp4"),
        (f"bot{STRANGE_TOKEN.replace(':', '%3A')}", f"bot{REDACTED}"),
        (f"key={KEY}!", f"key={REDACTED}!"),
        ("Authorization: Bearer hunter2", f"Authorization: Bearer {REDACTED}"),
        ("(b'authorization', b'bearer hunter2')", f"(b'authorization', b'bearer {REDACTED}')"),
        ("Invalid token: sk-hunter2****abcd", f"Invalid token: {REDACTED}"),
        (
            "<https://cdn.example/a.mp4?Expires=1&Signature=hunter2>",
            f"<https://cdn.example/a.mp4?{REDACTED}>",
        ),
        ('"https://cdn.example/a?x[0]=(1)&sig=hunter2"', f'"https://cdn.example/a?{REDACTED}"'),
        (r'"https:\/\/cdn.example\/a.mp4?sig=hunter2"', rf'"https:\/\/cdn.example\/a.mp4?{REDACTED}"'),
        ("proxy http://me:hunter2@p.example:3128", f"proxy http://{REDACTED}@p.example:3128"),
        ("data:video/mp4;base64,aHVudGVyMg==", REDACTED),
        ("data:video/mp4;codecs=avc1;base64,aHVudGVyMg== came", f"{REDACTED} came"),
        ("task 86ecf553-d340-4e21-af6e-a0c6a421c010 at 12:30:15", None),
        ("https://gw.example/v1/videos/task_1 answers 200", None),
    ],
)
def test_secrets_are_cut_out_of_a_line_and_the_rest_stays(screen: Screen, text: str, shown: str | None):
    screen.begin()

    log.info("It said %s", text)

    assert screen.text().endswith(f" INFO    bot.somewhere: It said {shown or text}\n")


def test_secrets_are_cut_out_of_arguments_of_every_type(screen: Screen):
    screen.begin()

    log.warning("%r for %s", {"key": KEY}, ValueError(f"no {TOKEN}"))

    assert f"{{'key': '{REDACTED}'}} for no {REDACTED}" in screen.text()


def log_a_failure() -> None:
    """Log an error whose cause and own text hold secrets."""
    try:
        try:
            raise OSError(SIGNED)  # noqa: TRY301 - the point is what stands in the traceback
        except OSError as error:
            raise RuntimeError(STRANGE_TOKEN) from error
    except RuntimeError:
        log.exception("It failed")


@pytest.mark.parametrize("log_format", LogFormat)
def test_secrets_are_cut_out_of_tracebacks_and_their_causes(screen: Screen, log_format: LogFormat):
    screen.begin(log_format=log_format)

    log_a_failure()

    text = screen.text()
    assert "hunter2" not in text
    assert f"RuntimeError: {REDACTED}" in text
    assert f"https://gw.example/x?{REDACTED} with {REDACTED}" in text


@pytest.mark.parametrize("log_format", LogFormat)
def test_secrets_are_cut_out_of_the_stack(screen: Screen, log_format: LogFormat):
    screen.begin(log_format=log_format)

    log.info("Here", stack_info=True)  # the stack holds this line, sk-hunter2hunter2 included

    text = screen.text()
    assert "Stack (most recent call last)" in text
    assert f"this line, {REDACTED} included" in text


def test_a_call_whose_arguments_do_not_fit_neither_raises_nor_leaks(screen: Screen):
    screen.begin()

    log.info("%d tasks", KEY)

    text = screen.text()
    assert f"%d tasks ('{REDACTED}',)" in text
    assert "Traceback" not in text


def test_an_exception_that_nothing_catches_is_a_line_with_its_traceback(screen: Screen):
    screen.begin(log_format=LogFormat.JSON)

    try:
        raise RuntimeError(SIGNED)  # noqa: TRY301 - its traceback is the point
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)

    (line,) = map(json.loads, screen.text().splitlines())
    assert (line["level"], line["event"], line["cause"]) == ("CRITICAL", "crashed", "RuntimeError")
    assert line["exception"].endswith(f"RuntimeError: GET https://gw.example/x?{REDACTED} with {REDACTED}")


def test_an_exception_in_a_thread_is_a_line(screen: Screen):
    screen.begin(log_format=LogFormat.JSON)

    def fail() -> None:
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    (line,) = map(json.loads, screen.text().splitlines())
    assert (line["level"], line["event"]) == ("ERROR", "bug")


def test_what_libraries_do_is_shown_at_debug_only(screen: Screen):
    screen.begin()
    logging.getLogger("apscheduler.scheduler").info("Scheduler started")
    assert screen.text() == ""

    screen.begin(LogLevel.DEBUG)
    logging.getLogger("apscheduler.scheduler").info("Scheduler started")
    assert screen.text().endswith(" INFO    apscheduler.scheduler: Scheduler started\n")


def test_the_level_bounds_other_peoples_loggers_too(screen: Screen):
    screen.begin(level=LogLevel.ERROR)

    log.warning("ours")
    logging.getLogger("httpx").warning("theirs")

    assert screen.text() == ""


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "aiohttp.access"])
def test_libraries_that_tell_each_request_are_silenced(screen: Screen, name: str):
    screen.begin(level=LogLevel.DEBUG)

    logging.getLogger(name).info("HTTP Request: POST /bot/getUpdates")

    assert screen.text() == ""


def test_warnings_go_to_the_log(screen: Screen):
    screen.begin()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"{KEY} is deprecated", DeprecationWarning, stacklevel=1)

    assert f"DeprecationWarning: {REDACTED} is deprecated" in screen.text()


def test_setting_up_again_replaces_what_was(screen: Screen):
    screen.begin()
    screen.begin(log_format=LogFormat.JSON)

    log.info("once")

    assert len(screen.text().splitlines()) == 1


def test_a_traceback_that_another_handler_wrote_before_is_cut_as_well(screen: Screen):
    screen.begin()
    early = logging.StreamHandler(io.StringIO())
    early.setFormatter(logging.Formatter())
    logging.getLogger().handlers.insert(0, early)

    log_a_failure()

    text = screen.text()
    assert f"RuntimeError: {REDACTED}" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("name", ["telegram.Bot", "telegram.ext.ExtBot"])
def test_no_update_reaches_the_log_whatever_its_level(screen: Screen, name: str):
    screen.begin(LogLevel.DEBUG)

    logging.getLogger(name).debug("Call to `getUpdates` finished with return value `%s`", ["words"])
    logging.getLogger(name).critical("Error while parsing updates! Received data was %r", ["words"])

    assert screen.text() == ""
