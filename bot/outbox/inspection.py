"""Asking the probe about a downloaded film, within limits of time and memory."""

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_PROBE = Path(__file__).with_name("probe.py")  # run, never imported: FFmpeg's libraries stay out of the bot
_PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a film is."""

    width: int  # pixels, as it is seen
    height: int  # pixels, as it is seen
    duration_s: float | None
    codec: str
    is_playable: bool  # Telegram plays it in place
    thumbnail: Path | None  # JPEG within Telegram's bounds
    front: Path | None  # a copy with the index in front, where the file has it at the end


class CutOff(Exception):
    """The film goes on behind the end of the file."""


async def inspect(path: Path, *, probe: Path = _PROBE, patience_s: float = _PATIENCE_S) -> Facts | None:
    """Look into a file; None if it is not a film that can be read; CutOff. Files made of it lie beside it."""
    found = await _ask(probe, path, patience_s)
    if found is None:
        return None
    if not found.pop("is_whole"):
        raise CutOff
    thumbnail, front = found.pop("thumbnail"), found.pop("front")
    return Facts(
        **found,
        thumbnail=path.parent / thumbnail if thumbnail else None,
        front=path.parent / front if front else None,
    )


async def _ask(probe: Path, path: Path, patience_s: float) -> dict[str, Any] | None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the probe's neighbours must not be taken for modules of the standard library
        str(probe),
        str(path),
        str(path.parent),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(patience_s):
            output, _ = await process.communicate()
        found: dict[str, Any] = json.loads(output)
    except (TimeoutError, ValueError):
        log.warning("%s is not a film that can be read", path.name)
        return None
    else:
        return found
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
