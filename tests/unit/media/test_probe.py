import asyncio
import os
from collections.abc import AsyncIterator
from itertools import accumulate
from pathlib import Path

import pytest

from bot.media.probe import Inspector, MediaInfo, TruncatedFile
from bot.sandbox.sample_video import make_film

# A worker that records its pid and environment, and prints null.
RECORDING = """
import json, os, pathlib, sys
for line in sys.stdin:
    path = pathlib.Path(json.loads(line))
    path.with_name("pids").open("a").write(f"{os.getpid()}\\n")
    path.with_name("environment").write_text(str(dict(os.environ)))
    print("null", flush=True)
"""
# A worker that records when it starts and ends to probe a file.
TIMED = """
import json, pathlib, sys, time
for line in sys.stdin:
    path = pathlib.Path(json.loads(line))
    with path.with_name("work").open("a") as work:
        print("+1", file=work, flush=True)
        time.sleep(0.1)
        print("-1", file=work, flush=True)
    print("null", flush=True)
"""
# A worker whose child never ends.
HANGING = """
import json, os, pathlib, sys, time
path = pathlib.Path(json.loads(sys.stdin.readline()))
if os.fork() == 0:
    path.with_name("pid").write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
async def inspector() -> AsyncIterator[Inspector]:
    async with Inspector() as inspector:
        yield inspector


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    script = tmp_path / "recording.py"
    script.write_text(RECORDING)
    return script


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    return script


def pids(film: Path) -> list[int]:
    """The pids of the workers, per request."""
    return [int(line) for line in film.with_name("pids").read_text().split()]


async def until_gone(pid: int) -> None:
    """Wait until there is no such process; its parent may take a moment to reap it."""
    async with asyncio.timeout(10):
        while True:
            if not _is_running(pid):
                return
            await asyncio.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_video_is_described(film: Path, inspector: Inspector):
    assert await inspector.inspect(film) == MediaInfo(
        width=320,
        height=180,
        duration_s=2.0,
        unplayable=None,
        thumbnail=film.parent / "film.mp4.jpg",
        faststart_copy=None,
    )


async def test_the_faststart_copy_is_beside_the_file(film: Path, inspector: Inspector):
    film.write_bytes(make_film(index_first=False))

    info = await inspector.inspect(film)

    assert info is not None
    assert info.faststart_copy == film.parent / "faststart" / "film.mp4"
    assert info.faststart_copy.stat().st_size > 0


async def test_a_truncated_file_is_reported(film: Path, inspector: Inspector):
    film.write_bytes(film.read_bytes()[:-1000])

    with pytest.raises(TruncatedFile):
        await inspector.inspect(film)


async def test_junk_is_not_described_and_does_not_affect_other_files(
    film: Path, inspector: Inspector, caplog: pytest.LogCaptureFixture
):
    junk = film.with_name("junk.mp4")
    junk.write_bytes(b"junk")

    assert await inspector.inspect(junk) is None
    assert "junk.mp4 is not a readable video" in caplog.text
    assert await inspector.inspect(film) is not None


async def test_a_worker_is_reused(film: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(film)
        await inspector.inspect(film)

    first, second = pids(film)
    assert first == second


async def test_concurrent_files_are_probed_in_parallel(film: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await asyncio.gather(inspector.inspect(film), inspector.inspect(film))
        await inspector.inspect(film)

    first, second, third = pids(film)
    assert first != second
    assert third in {first, second}


async def test_at_most_two_files_are_probed_at_once(film: Path, tmp_path: Path):
    timed = tmp_path / "timed.py"
    timed.write_text(TIMED)
    async with Inspector(worker=timed) as inspector:
        await asyncio.gather(*(inspector.inspect(film) for _ in range(8)))

    steps = [int(line) for line in film.with_name("work").read_text().split()]
    assert len(steps) == 16
    assert max(accumulate(steps)) == 2


async def test_an_idle_worker_is_stopped(film: Path, recording: Path):
    async with Inspector(worker=recording, idle_s=0.0) as inspector:
        await inspector.inspect(film)

        await until_gone(pids(film)[0])
        await inspector.inspect(film)

    first, second = pids(film)
    assert first != second


async def test_a_dead_worker_is_replaced(film: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(film)
        os.kill(pids(film)[0], 9)
        await until_gone(pids(film)[0])

        await inspector.inspect(film)
        await inspector.inspect(film)

    assert len(set(pids(film))) == 2


async def test_a_hanging_worker_is_killed_with_its_child(film: Path, tmp_path: Path, hanging: Path):
    async with Inspector(worker=hanging, timeout_s=1.5) as inspector:
        assert await inspector.inspect(film) is None

    await until_gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_request_kills_the_worker(film: Path, tmp_path: Path, hanging: Path):
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    async with Inspector(worker=hanging) as inspector:
        asked = asyncio.create_task(inspector.inspect(film))
        number = int(await asyncio.to_thread(pid.read_text))

        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

        await until_gone(number)


async def test_closing_stops_the_idle_worker(film: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(film)

    await until_gone(pids(film)[0])


async def test_the_worker_does_not_inherit_the_environment(
    film: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")

    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(film)

    assert "TELEGRAM" not in film.with_name("environment").read_text()
