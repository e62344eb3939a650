import asyncio
import os
from pathlib import Path

import pytest

from bot.outbox.inspection import CutOff, Facts, inspect
from bot.sandbox.film import make_film


async def test_a_film_s_facts_are_told(film: Path):
    assert await inspect(film) == Facts(
        width=320,
        height=180,
        duration_s=2.0,
        codec="h264",
        is_playable=True,
        thumbnail=film.parent / "film.mp4.jpg",
        front=None,
    )


async def test_a_copy_with_its_index_in_front_lies_beside_the_film(film: Path):
    film.write_bytes(make_film(index_first=False))

    facts = await inspect(film)

    assert facts is not None
    assert facts.front == film.parent / "film.mp4.mp4"
    assert facts.front.stat().st_size > 0


async def test_a_film_that_is_cut_off_is_no_film_to_send(film: Path):
    film.write_bytes(film.read_bytes()[:-1000])

    with pytest.raises(CutOff):
        await inspect(film)


async def test_junk_has_no_facts(film: Path, caplog: pytest.LogCaptureFixture):
    film.write_bytes(b"junk")

    assert await inspect(film) is None
    assert "film.mp4 is not a film that can be read" in caplog.text


async def test_a_probe_that_hangs_is_killed(film: Path, tmp_path: Path):
    hanging = tmp_path / "hanging.py"
    hanging.write_text(
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[2], 'pid').write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )

    assert await inspect(film, probe=hanging, patience_s=1.5) is None

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_probe_dies_with_the_question(film: Path, tmp_path: Path):
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    hanging = tmp_path / "hanging.py"
    hanging.write_text(
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[2], 'pid').write_text(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    asked = asyncio.create_task(inspect(film, probe=hanging))
    number = int(await asyncio.to_thread(pid.read_text))

    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)

    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


async def test_the_probe_learns_nothing_from_the_bot_s_environment(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")
    telling = tmp_path / "telling.py"
    telling.write_text(
        "import os, pathlib, sys\npathlib.Path(sys.argv[2], 'told').write_text(str(dict(os.environ)))\n"
    )

    await inspect(film, probe=telling)

    assert "TELEGRAM" not in (tmp_path / "told").read_text()
