"""Asking a probe about a downloaded film, within limits of time and memory."""

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

_PROBE = Path(__file__).with_name(
    "probe_worker.py"
)  # run, never imported: FFmpeg's libraries stay out of the bot
_ROOT = Path(__file__).parents[2]  # of the program: all that a probe can import, and all that it is told
_PATIENCE_S = 90.0
_AT_ONCE = 2  # each may take memory and time up to its bounds
_REST_S = 60.0  # how long a probe is kept for the next film


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a film is."""

    width: int  # pixels, as it is seen
    height: int  # pixels, as it is seen
    duration_s: float | None
    unplayable: str | None  # the part of it that Telegram does not play in place
    thumbnail: Path | None  # JPEG within Telegram's bounds
    faststart_copy: Path | None  # a copy with the index in front, where the file has it at the end


class TruncatedFile(Exception):
    """The film goes on behind the end of the file."""


class Inspector:
    """Asks probes: each about one film at a time, and one of them rests a while for the next."""

    def __init__(
        self, *, probe: Path = _PROBE, patience_s: float = _PATIENCE_S, rest_s: float = _REST_S
    ) -> None:
        """probe: a script that answers paths on its input, line by line."""
        self._probe = probe
        self._patience_s = patience_s
        self._rest_s = rest_s
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._rested: Process | None = None
        self._dismissal: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        confinement.hide()  # whoever runs the bot's code as the same user may else read its key and token
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        probe = self._take()
        if probe is not None:
            await _kill(probe)

    async def inspect(self, path: Path) -> MediaInfo | None:
        """Look into a file; None if no film can be read from it; CutOff. Files made of it lie beside it."""
        async with self._places:
            found = await self._ask(path)
        if found is None:
            log.warning("%s is not a film that can be read", path.name)
            return None
        if not found.pop("is_whole"):
            raise TruncatedFile
        thumbnail, front = found.pop("thumbnail"), found.pop("front")
        return MediaInfo(
            **found,
            thumbnail=path.parent / thumbnail if thumbnail else None,
            faststart_copy=path.parent / front if front else None,
        )

    async def _ask(self, path: Path) -> dict[str, Any] | None:
        probe = self._take() or await _start(self._probe)
        try:
            async with asyncio.timeout(self._patience_s):
                found: dict[str, Any] | None = json.loads(await _answer(probe, path))
        except (TimeoutError, ValueError):
            return None
        else:
            self._keep(probe)
            return found
        finally:
            if probe is not self._rested:
                await _kill(probe)

    def _take(self) -> Process | None:
        """The probe that rests, if there is one that lives."""
        probe, self._rested = self._rested, None
        if self._dismissal is not None:
            self._dismissal.cancel()
        return probe if probe is not None and probe.returncode is None else None

    def _keep(self, probe: Process) -> None:
        """Let it rest, unless another does."""
        if self._rested is not None:
            return
        self._rested = probe
        self._dismissal = asyncio.get_running_loop().call_later(self._rest_s, self._dismiss)

    def _dismiss(self) -> None:
        probe = self._take()
        if probe is not None and probe.stdin is not None:
            probe.stdin.close()  # it ends with its input


async def _start(script: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the probe's neighbours must not be taken for modules of the standard library
        str(script),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"PYTHONPATH": str(_ROOT)},
        start_new_session=True,  # so that its children can be killed with it
    )


async def _answer(probe: Process, path: Path) -> bytes:
    """A line; none of a probe that died."""
    if probe.stdin is None or probe.stdout is None:
        raise RuntimeError("a probe was started without its pipes")
    probe.stdin.write(json.dumps(str(path)).encode() + b"\n")
    return await probe.stdout.readline()


async def _kill(probe: Process) -> None:
    if probe.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(probe.pid, signal.SIGKILL)
        await probe.wait()
