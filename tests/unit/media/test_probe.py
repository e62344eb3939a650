import asyncio
import os
from collections.abc import AsyncIterator
from itertools import accumulate
from pathlib import Path

import pytest

from bot.media.probe import Inspector, MediaInfo, TruncatedFile
from bot.sandbox.sample_video import make_video

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


def pids(sample: Path) -> list[int]:
    """The pids of the workers, per request."""
    return [int(line) for line in sample.with_name("pids").read_text().split()]


async def until_gone(pid: int) -> None:
    """Wait until there is no such process; its parent may take a moment to reap it."""
    async with asyncio.timeout(30):
        while True:
            if not _is_running(pid):
                return
            await asyncio.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_video_is_described(sample: Path, inspector: Inspector):
    assert await inspector.inspect(sample) == MediaInfo(
        width=320,
        height=180,
        duration_s=2.0,
        unplayable=None,
        thumbnail=sample.parent / "film.mp4.jpg",
        faststart_copy=None,
    )


async def test_the_faststart_copy_is_beside_the_file(sample: Path, inspector: Inspector):
    sample.write_bytes(make_video(index_first=False))

    info = await inspector.inspect(sample)

    assert info is not None
    assert info.faststart_copy == sample.parent / "faststart" / "film.mp4"
    assert info.faststart_copy.stat().st_size > 0


async def test_a_truncated_file_is_reported(sample: Path, inspector: Inspector):
    sample.write_bytes(sample.read_bytes()[:-1000])

    with pytest.raises(TruncatedFile):
        await inspector.inspect(sample)


async def test_junk_is_not_described_and_does_not_affect_other_files(
    sample: Path, inspector: Inspector, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG", logger="bot")
    junk = sample.with_name("junk.mp4")
    junk.write_bytes(b"junk")

    assert await inspector.inspect(junk) is None
    assert "junk.mp4 is not a readable video" in caplog.text
    assert await inspector.inspect(sample) is not None


async def test_a_worker_is_reused(sample: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(sample)
        await inspector.inspect(sample)

    first, second = pids(sample)
    assert first == second


async def test_concurrent_files_are_probed_in_parallel(sample: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await asyncio.gather(inspector.inspect(sample), inspector.inspect(sample))
        await inspector.inspect(sample)

    first, second, third = pids(sample)
    assert first != second
    assert third in {first, second}


async def test_at_most_two_files_are_probed_at_once(sample: Path, tmp_path: Path):
    timed = tmp_path / "timed.py"
    timed.write_text(TIMED)
    async with Inspector(worker=timed) as inspector:
        await asyncio.gather(*(inspector.inspect(sample) for _ in range(8)))

    steps = [int(line) for line in sample.with_name("work").read_text().split()]
    assert len(steps) == 16
    assert max(accumulate(steps)) == 2


async def test_an_idle_worker_is_stopped(sample: Path, recording: Path):
    async with Inspector(worker=recording, idle_s=0.0) as inspector:
        await inspector.inspect(sample)

        await until_gone(pids(sample)[0])
        await inspector.inspect(sample)

    first, second = pids(sample)
    assert first != second


async def test_a_dead_worker_is_replaced(sample: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(sample)
        os.kill(pids(sample)[0], 9)
        await until_gone(pids(sample)[0])

        await inspector.inspect(sample)
        await inspector.inspect(sample)

    assert len(set(pids(sample))) == 2


async def test_a_hanging_worker_is_killed_with_its_child(sample: Path, tmp_path: Path, hanging: Path):
    async with Inspector(worker=hanging, timeout_s=1.5) as inspector:
        assert await inspector.inspect(sample) is None

    await until_gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_request_kills_the_worker(sample: Path, tmp_path: Path, hanging: Path):
    pid = tmp_path / "pid"
    os.mkfifo(pid)
    async with Inspector(worker=hanging) as inspector:
        asked = asyncio.create_task(inspector.inspect(sample))
        number = int(await asyncio.to_thread(pid.read_text))

        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

        await until_gone(number)


async def test_closing_stops_the_idle_worker(sample: Path, recording: Path):
    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(sample)

    await until_gone(pids(sample)[0])


async def test_the_worker_does_not_inherit_the_environment(
    sample: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:secret")

    async with Inspector(worker=recording) as inspector:
        await inspector.inspect(sample)

    assert "TELEGRAM" not in sample.with_name("environment").read_text()
