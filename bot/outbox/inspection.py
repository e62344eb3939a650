"""Asking the probe about a downloaded film, within limits of time and memory."""

import asyncio
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

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
    is_whole: bool  # False: cut off somewhere
    thumbnail: Path | None  # JPEG within Telegram's bounds
    front: Path | None  # a copy with the index in front, where the file has it at the end


async def inspect(path: Path) -> Facts | None:
    """Look into a file; None if it is not a film that can be read. Files made of it lie beside it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the probe's neighbours must not be taken for modules of the standard library
        str(_PROBE),
        str(path),
        str(path.parent),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            output, _ = await process.communicate()
        found = json.loads(output)
    except (TimeoutError, ValueError):
        log.warning("%s is not a film that can be read", path.name)
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    thumbnail, front = found.pop("thumbnail"), found.pop("front")
    return Facts(
        **found,
        thumbnail=path.parent / thumbnail if thumbnail else None,
        front=path.parent / front if front else None,
    )
