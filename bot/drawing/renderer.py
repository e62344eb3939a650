"""Runs the worker that draws the picture of /stats."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from bot.drawing.content import StatsPicture

_WORKER = Path(__file__).with_name("worker.py")
_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 10.0  # less than a handler has


class DrawingFailed(Exception):
    """The worker ended without a picture, or did not end in time."""


class Renderer:
    """Draws one picture at a time."""

    def __init__(self, *, worker: Path = _WORKER, timeout_s: float = _TIMEOUT_S) -> None:
        """worker: a script that reads JSON from stdin and prints a PNG."""
        self._worker = worker
        self._timeout_s = timeout_s
        self._is_drawing = asyncio.Lock()

    async def render(self, picture: StatsPicture) -> bytes:
        """The picture as PNG; raises DrawingFailed."""
        try:
            async with asyncio.timeout(self._timeout_s), self._is_drawing:
                return await self._run(json.dumps(picture).encode())
        except (TimeoutError, OSError) as error:
            raise DrawingFailed(f"No picture was drawn: {error!r}.") from error

    async def _run(self, content: bytes) -> bytes:
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # modules beside the script must not shadow the standard library
            str(self._worker),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={"PYTHONPATH": str(_ROOT)},
        )
        try:
            png, _ = await worker.communicate(content)
        finally:
            if worker.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()
        if worker.returncode or not png:
            raise DrawingFailed(f"No picture was drawn: the worker ended with status {worker.returncode}.")
        return png
