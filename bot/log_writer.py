"""Writes log lines to standard error in a thread: a reader that stalls must not stop the bot."""

import logging
import os
import queue
import select
import threading
import time

_LINES = 1_000  # that wait while nobody reads; of at most 16 kB each
_FLUSH_S = 0.3  # at the end, for the lines that wait
_STDERR = 2


class LogWriter(logging.Handler):
    """A bounded queue and a thread that writes it; lines beyond the bound are lost, and counted in a line.

    Nothing that standard error does (closed, blocked, a full disk) is an error of the caller.
    """

    def __init__(self, descriptor: int = _STDERR, *, lines: int = _LINES) -> None:
        """lines: how many may wait."""
        super().__init__()
        self._descriptor = descriptor
        self._queue: queue.Queue[bytes] = queue.Queue(lines)
        self._lost = 0
        self._is_cut = False  # the last line was written in part
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        line = self._line(record)
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._lost += 1
            return
        if self._thread is None or not self._thread.is_alive():  # a fork has no threads of its parent
            self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Wait, for a bounded time, until the queue is empty."""
        until = time.monotonic() + _FLUSH_S
        while self._queue.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.001)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="replace")

    def _write_all(self) -> None:
        while True:
            line = self._queue.get()
            self._write(line)
            self._queue.task_done()
            if self._lost and self._queue.empty():
                count, self._lost = self._lost, 0
                record = logging.LogRecord(
                    __name__,
                    logging.WARNING,
                    __file__,
                    0,
                    "%d log lines were lost: standard error did not take them.",
                    (count,),
                    None,
                )
                record.event, record.count = "log_lines_lost", count
                self._write(self._line(record))

    def _write(self, line: bytes) -> None:
        rest = b"\n" + line if self._is_cut else line
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:  # whoever shares it has made it non-blocking
                    select.select([], [self._descriptor], [], 1.0)
        except OSError:
            self._lost += 1
        self._is_cut = 0 < len(rest) < len(line)
