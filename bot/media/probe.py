"""Probes downloaded video files in worker processes, with limits on time, memory and concurrency.

The worker (probe_worker.py) reads one path per line of its stdin and prints one JSON line per path.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bot.media import confinement

log = logging.getLogger(__name__)

# Run as a script, never imported: FFmpeg's libraries stay out of the bot's process.
_WORKER = Path(__file__).with_name("probe_worker.py")
_ROOT = Path(__file__).parents[2]  # the PYTHONPATH of the worker, and its whole environment
_TIMEOUT_S = 90.0  # of one file
_CONCURRENCY = 2  # workers; each may use memory and CPU up to its limits
_IDLE_S = 60.0  # how long an idle worker is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What the probe found out about a playable or unplayable video file."""

    width: int  # pixels, as displayed
    height: int  # pixels, as displayed
    duration_s: float | None
    unplayable: str | None  # the codec or container that Telegram does not play inline
    thumbnail: Path | None  # JPEG within Telegram's limits
    faststart_copy: Path | None  # a copy with the index at the start, or remuxed; None: not needed


class TruncatedFile(Exception):
    """The container declares more bytes than the file has."""


class Inspector:
    """Runs probe workers: each handles one file at a time, and one idle worker is kept for reuse."""

    def __init__(
        self, *, worker: Path = _WORKER, timeout_s: float = _TIMEOUT_S, idle_s: float = _IDLE_S
    ) -> None:
        """worker: a script that reads paths from stdin and prints a JSON line for each."""
        self._script = worker
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._idle: Process | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        confinement.hide()  # a compromised worker of the same user must not read the bot's memory
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker = self._take_idle()
        if worker is not None:
            await _kill(worker)

    async def inspect(self, path: Path) -> MediaInfo | None:
        """Probe a file; None if it is not a readable video. Raises TruncatedFile.

        The thumbnail and the copy are written beside the file.
        """
        async with self._slots:
            found = await self._probe(path)
        if found is None:
            log.debug("%s is not a readable video", path.name)
            return None
        if not found.pop("is_complete"):
            raise TruncatedFile
        thumbnail, faststart_copy = found.pop("thumbnail"), found.pop("faststart_copy")
        return MediaInfo(
            **found,
            thumbnail=path.parent / thumbnail if thumbnail else None,
            faststart_copy=path.parent / faststart_copy if faststart_copy else None,
        )

    async def _probe(self, path: Path) -> dict[str, Any] | None:
        """The worker's result for a file; None if it could not read the file, or not in time."""
        worker = self._take_idle() or await _start(self._script)
        try:
            async with asyncio.timeout(self._timeout_s):
                assert worker.stdin is not None  # noqa: S101 - for the type checker
                assert worker.stdout is not None  # noqa: S101 - for the type checker
                worker.stdin.write(json.dumps(str(path)).encode() + b"\n")
                found: dict[str, Any] | None = json.loads(await worker.stdout.readline())
        except (TimeoutError, ValueError):  # ValueError: an empty line, as the worker has died
            return None
        else:
            if self._idle is None:
                self._idle = worker
                self._idle_timer = asyncio.get_running_loop().call_later(self._idle_s, self._stop_idle)
            return found
        finally:
            if worker is not self._idle:
                await _kill(worker)

    def _take_idle(self) -> Process | None:
        """Take the idle worker, if it is still running."""
        worker, self._idle = self._idle, None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        return worker if worker is not None and worker.returncode is None else None

    def _stop_idle(self) -> None:
        worker = self._take_idle()
        if worker is not None and worker.stdin is not None:
            worker.stdin.close()  # the worker exits at the end of its input


async def _start(script: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # modules beside the script must not shadow the standard library
        str(script),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"PYTHONPATH": str(_ROOT)},
        start_new_session=True,  # a process group, so that _kill() reaches its children
    )


async def _kill(worker: Process) -> None:
    if worker.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        await worker.wait()
