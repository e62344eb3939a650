import asyncio
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


async def test_the_worker_draws_the_picture():
    png = await Renderer().render(EMPTY | {"days": days((1, 0)), "title": "最近 30 天"})

    assert Image.open(BytesIO(png)).format == "PNG"


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "pass"])
async def test_a_worker_without_a_picture_is_a_failure(tmp_path: Path, text: str):
    with pytest.raises(DrawingFailed, match="the worker ended with status"):
        await Renderer(worker=script(tmp_path, text)).render(EMPTY)


async def test_a_worker_that_hangs_is_killed(tmp_path: Path):
    text = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    renderer = Renderer(worker=script(tmp_path, text), timeout_s=1.0)

    with pytest.raises(DrawingFailed, match="TimeoutError"):
        await renderer.render(EMPTY)

    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


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
