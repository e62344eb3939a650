"""Whatever standard error does, the bot goes on."""

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator

import pytest

from bot.log_lines import ConsoleFormatter
from bot.log_writer import LogWriter

PIPE_BYTES = 4096


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("bot", logging.INFO, "", 0, text, None, None)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def writer_to(descriptor: int, *, lines: int = 1000) -> LogWriter:
    writer = LogWriter(descriptor, lines=lines)
    writer.setFormatter(ConsoleFormatter())
    return writer


def read_until(descriptor: int, is_whole: Callable[[str], bool]) -> str:
    """What is written, as soon as it is whole."""
    os.set_blocking(descriptor, False)
    text = b""

    def has_read_all() -> bool:
        nonlocal text
        with contextlib.suppress(BlockingIOError):
            text += os.read(descriptor, 100_000)
        return is_whole(text.decode())

    wait_for(has_read_all)
    return text.decode()


def test_lines_arrive_in_order_and_flushing_waits_for_them(pipe: tuple[int, int]):
    writer = writer_to(pipe[1])

    for number in range(20):
        writer.emit(record(f"line {number}"))
    writer.flush()

    text = os.read(pipe[0], PIPE_BYTES).decode()
    assert [line.split()[-1] for line in text.splitlines()] == [str(n) for n in range(20)]


def test_a_reader_that_stalls_holds_nobody_up_and_the_lines_lost_are_counted(pipe: tuple[int, int]):
    writer = writer_to(pipe[1], lines=50)
    begun = time.monotonic()

    for _ in range(1000):
        writer.emit(record("x" * 200))
    writer.flush()

    assert time.monotonic() - begun < 20
    text = read_until(pipe[0], lambda text: "were lost" in text)
    kept = text.count("xxx\n")
    assert 50 <= kept < 100
    assert f"{1000 - kept} log lines were lost" in text


def test_standard_error_that_is_closed_is_no_error(pipe: tuple[int, int]):
    writer = writer_to(pipe[1])
    os.close(pipe[0])

    writer.emit(record("into a pipe without a reader"))
    writer.flush()
    os.close(pipe[1])
    writer.emit(record("into nothing"))
    writer.flush()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_a_full_disk_is_no_error():
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        os.write(full, b"x")
    writer = writer_to(full)

    for _ in range(5):
        writer.emit(record("into a full disk"))
    writer.flush()
    os.close(full)


def test_a_pipe_that_somebody_made_non_blocking_gets_whole_lines(pipe: tuple[int, int]):
    os.set_blocking(pipe[1], False)
    writer = writer_to(pipe[1])

    for number in range(40):
        writer.emit(record(f"{number} " + "y" * 400))
    lines = read_until(pipe[0], lambda text: text.count("\n") == 40).splitlines()
    assert len(lines) == 40
    assert all(line.endswith("y" * 400) for line in lines)
