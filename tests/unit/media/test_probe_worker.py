import asyncio
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import pytest

from bot.media.probe_worker import __file__ as probe_file
from bot.media.probe_worker import probe
from bot.sandbox.sample_video import make_video, with_free_box
from tests.unit.media.sample_videos import (
    packets,
    repeating,
    stretched,
    turned,
    with_black_start,
    with_matrix,
    with_pictures,
    with_sound,
)

SAMPLE = make_video()


def probed(path: Path) -> dict[str, Any]:
    """Probe a file; the written files are beside it."""
    return probe(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "task-1-.mp4"


def picture(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def luma(frame: av.VideoFrame, x: int, y: int) -> int:
    plane = frame.reformat(format="gray").planes[0]
    return bytes(plane)[y * plane.line_size + x]


def test_a_plain_video_is_described(path: Path):
    path.write_bytes(SAMPLE)

    assert probed(path) == {
        "is_complete": True,
        "width": 320,
        "height": 180,
        "duration_s": 2.0,
        "unplayable": None,
        "thumbnail": "task-1-.mp4.jpg",
        "faststart_copy": None,
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1280, 720), (320, 180)), ((96, 192), (96, 192)), ((64, 1024), (20, 320)), ((2048, 16), (320, 2))],
)
def test_a_thumbnail_keeps_the_aspect_ratio_within_telegram_s_limits(
    path: Path, size: tuple[int, int], expected: tuple[int, int]
):
    path.write_bytes(make_video(size=size, seconds=0.2))

    thumbnail = path.parent / probed(path)["thumbnail"]

    frame = picture(thumbnail)
    assert (frame.width, frame.height) == expected
    assert thumbnail.stat().st_size < 200_000
    assert thumbnail.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(("quarters", "expected"), [(1, (180, 320)), (2, (320, 180))])
def test_a_rotated_video_has_its_display_size(path: Path, quarters: int, expected: tuple[int, int]):
    path.write_bytes(turned(SAMPLE, quarters=quarters))

    found = probed(path)

    assert (found["width"], found["height"]) == expected
    frame = picture(path.parent / found["thumbnail"])
    assert (frame.width, frame.height) == expected


def test_a_thumbnail_is_rotated_as_players_rotate_the_video(path: Path):
    path.write_bytes(turned(SAMPLE, quarters=1))

    thumbnail = picture(path.parent / probed(path)["thumbnail"])

    # The bar starts at the left, which a clockwise rotation moves to the top.
    assert luma(picture(path), 5, 90) > luma(picture(path), 310, 90) + 50
    assert luma(thumbnail, 90, 5) > luma(thumbnail, 90, 310) + 50


def test_faststart_moves_the_index_and_changes_nothing_else(path: Path):
    with_sound(path, "aac", index_first=False)

    front = path.parent / probed(path)["faststart_copy"]

    content = front.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert packets(front) == packets(path)


def test_faststart_keeps_the_rotation(path: Path):
    path.write_bytes(turned(make_video(index_first=False), quarters=1))

    front = path.parent / probed(path)["faststart_copy"]

    with av.open(str(front)) as container:
        assert next(container.decode(video=0)).rotation == -90


def test_an_unplayable_video_is_not_copied(path: Path):
    path.write_bytes(make_video(codec="libx265", index_first=False))

    found = probed(path)

    assert (found["unplayable"], found["faststart_copy"]) == ("hevc", None)


def test_the_unplayable_codec_has_its_common_name(path: Path):
    with_pictures(path, "libsvtav1", "yuv420p")
    assert probed(path)["unplayable"] == "av1"

    with_pictures(path, "libx264", "yuv444p")
    assert probed(path)["unplayable"] == "h264 yuv444p"


@pytest.mark.parametrize(("codec", "unplayable"), [("aac", None), ("libmp3lame", None), ("libopus", "opus")])
def test_the_audio_codec_decides_too(
    path: Path, codec: Literal["aac", "libmp3lame", "libopus"], *, unplayable: str | None
):
    with_sound(path, codec)

    assert probed(path)["unplayable"] == unplayable


@pytest.mark.parametrize("index_first", [True, False])
def test_a_truncated_video_is_not_complete(path: Path, *, index_first: bool):
    path.write_bytes(make_video(index_first=index_first)[:-3000])

    assert probed(path) == {"is_complete": False}


def test_trailing_bytes_do_not_make_a_video_truncated(path: Path):
    path.write_bytes(with_free_box(SAMPLE, bytes(50))[:-20])
    assert probed(path)["is_complete"]

    path.write_bytes(SAMPLE + b"<!-- served in 3 ms -->")
    assert probed(path)["is_complete"]


@pytest.mark.parametrize(
    "content", [b"", b"no video at all", b"\x00\x00\x00\x18ftypisom" + bytes(300), SAMPLE[:30]]
)
def test_a_file_that_is_not_a_video_is_an_error(path: Path, content: bytes):
    path.write_bytes(content)

    with pytest.raises((av.FFmpegError, LookupError)):
        probed(path)


async def run(*arguments: str, paths: Iterable[Path]) -> list[bytes]:
    """Run the script; returns its output lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={"PYTHONPATH": str(Path(probe_file).parents[2])},
    )
    requests = "".join(f"{json.dumps(str(path))}\n" for path in paths)
    output, _ = await process.communicate(requests.encode())
    return output.splitlines()


async def test_the_script_processes_paths_until_stdin_ends(path: Path):
    path.write_bytes(SAMPLE)
    junk = path.with_name("task-2-")
    junk.write_bytes(b"junk")

    lines = await run(probe_file, paths=[path, junk, path])

    assert [json.loads(line) for line in lines] == [probed(path), None, probed(path)]


async def test_the_script_limits_the_resources_of_a_child(path: Path):
    # The child finds no video, and prints its limits before it exits.
    program = """
import os, resource, runpy, sys

def print_limits(_):
    for name in ("CPU", "AS", "FSIZE", "NOFILE", "CORE"):
        print(resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1], flush=True)
    print(open("/proc/self/oom_score_adj").read().strip(), flush=True)
    leave(0)

leave, os._exit = os._exit, print_limits
runpy.run_path(sys.argv[1], run_name="__main__")
"""
    path.write_bytes(b"no video")

    printed = await run("-c", program, probe_file, paths=[path])

    assert [int(line) for line in printed] == [30, 768 << 20, len(b"no video") + (1 << 20), 32, 0, 1000]


async def test_a_copy_of_repeated_chunks_is_limited_in_size(path: Path):
    bomb = path.with_suffix(".mov")
    bomb.write_bytes(repeating(SAMPLE, 3000))

    [line] = await run(probe_file, paths=[bomb])

    assert json.loads(line)["unplayable"] == "mov"
    written = [each.stat().st_size for each in path.parent.rglob("*") if each.is_file() and each != bomb]
    assert sum(written) <= bomb.stat().st_size + (1 << 20)


async def test_faststart_of_repeated_chunks_keeps_the_size(path: Path):
    path.write_bytes(repeating(SAMPLE, 3000))

    [line] = await run(probe_file, paths=[path])

    front = path.parent / json.loads(line)["faststart_copy"]
    assert front.stat().st_size == path.stat().st_size


async def test_an_index_beyond_the_memory_limit_ends_only_its_own_child(path: Path):
    path.write_bytes(
        repeating(SAMPLE, 100).replace(struct.pack(">II", 1_000_000, 100), b"\0\0\0\1\x7f\xff\xff\xff")
    )
    whole = path.with_name("whole.mp4")
    whole.write_bytes(SAMPLE)

    greedy, good = await run(probe_file, paths=[path, whole])

    assert (json.loads(good)["width"], json.loads(good)["height"]) == (320, 180)
    assert json.loads(greedy) is None or json.loads(greedy)["width"] == 320


def test_non_square_pixels_are_scaled(path: Path):
    stretched(path, Fraction(16, 9))

    found = probed(path)

    assert (found["width"], found["height"]) == (114, 64)
    frame = picture(path.parent / found["thumbnail"])
    assert (frame.width, frame.height) == (114, 64)


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 0, 0, 0),
        (1 << 15, 0, 0, 1 << 15),
        (46341, 46341, -46341, 46341),
        (0x7FFFFFFF, 1, 1, -5),
        (1 << 16, 0, 0, 0),
    ],
    ids=["zero", "half size", "an eighth", "huge", "flat"],
)
def test_a_matrix_that_is_no_quarter_rotation_is_ignored(path: Path, numbers: tuple[int, int, int, int]):
    a, b, c, d = numbers
    path.write_bytes(with_matrix(SAMPLE, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)))

    found = probed(path)

    assert (found["width"], found["height"]) == (320, 180)
    frame = picture(path.parent / found["thumbnail"])
    assert luma(frame, 5, 90) > luma(frame, 310, 90) + 50


def test_a_mirrored_video_has_a_mirrored_thumbnail(path: Path):
    one = 1 << 16
    path.write_bytes(with_matrix(SAMPLE, struct.pack(">9i", -one, 0, 0, 0, one, 0, 0, 0, 1 << 30)))

    frame = picture(path.parent / probed(path)["thumbnail"])

    assert luma(frame, 310, 90) > luma(frame, 5, 90) + 50


def test_a_damaged_first_frame_costs_only_the_thumbnail(path: Path):
    sample = bytearray(make_video(seconds=0.2))
    at = sample.index(b"mdat") + 4
    sample[at : at + 60_000] = b"\xff" * len(sample[at : at + 60_000])
    path.write_bytes(sample)

    found = probed(path)

    assert (found["width"], found["height"], found["unplayable"]) == (320, 180, None)
    assert found["duration_s"] == pytest.approx(0.2, abs=0.1)
    assert found["thumbnail"] is None


def test_the_thumbnail_is_the_first_frame_that_is_not_black(path: Path):
    with_black_start(path, black=20)
    assert luma(picture(path.parent / probed(path)["thumbnail"]), 5, 5) > 150

    with_black_start(path, black=1000)
    assert probed(path)["thumbnail"]


@pytest.mark.parametrize(
    ("codec", "pixels", "is_read"),
    [("mpeg4", "yuv420p", True), ("mjpeg", "yuvj420p", False), ("png", "rgb24", False)],
)
def test_only_whitelisted_decoders_are_used(path: Path, codec: str, pixels: str, *, is_read: bool):
    sample = path.with_suffix(".mov")
    with_pictures(sample, codec, pixels)

    found = probed(sample)

    assert found["unplayable"] == codec
    assert (found["thumbnail"] is not None) == is_read


@pytest.mark.parametrize("container", ["avi", "mpegts", "matroska", "flv", "mp4"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".flv"])
def test_a_file_is_read_only_as_its_detected_format(path: Path, container: str, suffix: str):
    sample = path.with_suffix(suffix)
    with_pictures(sample, "libx264", "yuv420p", container)
    own = {"mp4": {".mp4", ".mov"}, "matroska": {".mkv"}, "flv": {".flv"}}.get(container, set())

    if suffix in own:
        assert probed(sample)["width"]
    else:
        with pytest.raises((av.FFmpegError, LookupError)):
            probed(sample)


def test_a_file_name_is_never_read_as_an_ffmpeg_url(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    for name in ("film.mp4", "concat:film.mp4", "subfile,,start,0,end,0,,:film.mp4"):
        Path(name).write_bytes(SAMPLE)

    assert probed(Path("film.mp4"))["width"] == 320
    for name in ("concat:film.mp4", "subfile,,start,0,end,0,,:film.mp4"):
        with pytest.raises(av.FFmpegError) as raised:
            probed(Path(name))
        assert raised.value.filename == name, "the file was opened"
