import asyncio
import contextlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.drawing.renderer import DrawingFailed, Renderer
from tests.unit.drawing.pictures import EMPTY, days


def script(folder: Path, text: str) -> Path:
    worker = folder / "worker.py"
    worker.write_text(text, encoding="utf-8")
    return worker


def commands() -> Iterator[bytes]:
    """The command lines of all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            yield (process / "cmdline").read_bytes()


async def test_the_worker_draws_the_picture():
    png = await Renderer().render(EMPTY | {"days": days((1, 0)), "title": "最近 30 天"})

    assert Image.open(BytesIO(png)).format == "PNG"


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "pass"])
async def test_a_worker_without_a_picture_is_a_failure(tmp_path: Path, text: str):
    with pytest.raises(DrawingFailed, match="the worker ended with status"):
        await Renderer(worker=script(tmp_path, text)).render(EMPTY)


async def test_a_worker_that_hangs_is_killed(tmp_path: Path):
    worker = script(tmp_path, "import time; time.sleep(60)")
    renderer = Renderer(worker=worker, timeout_s=0.3)

    with pytest.raises(DrawingFailed, match="TimeoutError"):
        await renderer.render(EMPTY)

    assert not any(str(worker).encode() in command for command in commands())


async def test_pictures_are_drawn_one_after_another(tmp_path: Path):
    text = f"""
import os, sys, time
os.mkdir({str(tmp_path / "drawing")!r})
time.sleep(0.1)
os.rmdir({str(tmp_path / "drawing")!r})
sys.stdout.write("PNG")
"""
    renderer = Renderer(worker=script(tmp_path, text))

    assert await asyncio.gather(*(renderer.render(EMPTY) for _ in range(3))) == [b"PNG"] * 3
