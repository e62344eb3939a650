import asyncio
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import av
import pytest

from bot.outbox.probe import __file__ as probe_file
from bot.outbox.probe import boxes, probe
from bot.sandbox.film import make_film, with_free_box
from tests.unit.outbox.films import packets, turned, with_pictures, with_sound

FILM = make_film()


def probed(path: Path) -> dict[str, Any]:
    """What the probe finds; files that it makes lie beside the film."""
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


def test_a_plain_film_is_described(path: Path):
    path.write_bytes(FILM)

    assert probed(path) == {
        "is_whole": True,
        "width": 320,
        "height": 180,
        "duration_s": 2.0,
        "unplayable": None,
        "thumbnail": "task-1-.mp4.jpg",
        "front": None,
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1280, 720), (320, 180)), ((96, 192), (96, 192)), ((64, 1024), (20, 320)), ((2048, 16), (320, 2))],
)
def test_a_thumbnail_keeps_the_shape_within_telegram_s_bounds(
    path: Path, size: tuple[int, int], expected: tuple[int, int]
):
    path.write_bytes(make_film(size=size, seconds=0.2))

    thumbnail = path.parent / probed(path)["thumbnail"]

    frame = picture(thumbnail)
    assert (frame.width, frame.height) == expected
    assert thumbnail.stat().st_size < 200_000
    assert thumbnail.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(("quarters", "expected"), [(1, (180, 320)), (2, (320, 180))])
def test_a_turned_film_is_described_as_it_is_seen(path: Path, quarters: int, expected: tuple[int, int]):
    path.write_bytes(turned(FILM, quarters=quarters))

    found = probed(path)

    assert (found["width"], found["height"]) == expected
    frame = picture(path.parent / found["thumbnail"])
    assert (frame.width, frame.height) == expected


def test_a_thumbnail_is_turned_the_way_that_players_turn_the_film(path: Path):
    path.write_bytes(turned(FILM, quarters=1))

    thumbnail = picture(path.parent / probed(path)["thumbnail"])

    # The bar begins at the left, which a turn clockwise makes the top.
    assert luma(picture(path), 5, 90) > luma(picture(path), 310, 90) + 50
    assert luma(thumbnail, 90, 5) > luma(thumbnail, 90, 310) + 50


def test_an_index_at_the_end_is_moved_to_the_front_and_nothing_else_changes(path: Path):
    with_sound(path, "aac", index_first=False)

    front = path.parent / probed(path)["front"]

    content = front.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert packets(front) == packets(path)


def test_moving_the_index_keeps_the_turn(path: Path):
    path.write_bytes(turned(make_film(index_first=False), quarters=1))

    front = path.parent / probed(path)["front"]

    with av.open(str(front)) as container:
        assert next(container.decode(video=0)).rotation == -90


def test_a_film_that_telegram_does_not_play_is_left_as_it_is(path: Path):
    path.write_bytes(make_film(codec="libx265", index_first=False))

    found = probed(path)

    assert (found["unplayable"], found["front"]) == ("hevc", None)


def test_the_part_that_telegram_does_not_play_is_called_by_its_common_name(path: Path):
    with_pictures(path, "libsvtav1", "yuv420p")
    assert probed(path)["unplayable"] == "av1"

    with_pictures(path, "libx264", "yuv444p")
    assert probed(path)["unplayable"] == "h264 yuv444p"


@pytest.mark.parametrize(("codec", "unplayable"), [("aac", None), ("libmp3lame", None), ("libopus", "opus")])
def test_sound_decides_too(
    path: Path, codec: Literal["aac", "libmp3lame", "libopus"], *, unplayable: str | None
):
    with_sound(path, codec)

    assert probed(path)["unplayable"] == unplayable


@pytest.mark.parametrize("index_first", [True, False])
def test_a_film_that_is_cut_off_is_not_whole(path: Path, *, index_first: bool):
    path.write_bytes(make_film(index_first=index_first)[:-3000])

    assert probed(path) == {"is_whole": False}


def test_what_a_host_put_behind_a_film_does_not_make_it_cut_off(path: Path):
    path.write_bytes(with_free_box(FILM, bytes(50))[:-20])
    assert probed(path)["is_whole"]

    path.write_bytes(FILM + b"<!-- served in 3 ms -->")
    assert probed(path)["is_whole"]


def test_boxes_are_found_by_their_lengths_great_ones_too(path: Path):
    head = struct.pack(">I4s", 12, b"ftyp") + b"isom"
    great = struct.pack(">I4sQ", 1, b"mdat", 1 << 33)
    path.write_bytes(head + great)
    assert list(boxes(path)) == [(b"ftyp", 12), (b"mdat", 12 + (1 << 33))]

    rest = struct.pack(">I4s", 0, b"mdat") + bytes(100)
    path.write_bytes(head + rest)
    assert list(boxes(path)) == [(b"ftyp", 12), (b"mdat", 120)]


@pytest.mark.parametrize(
    "content", [b"", b"no film at all", b"\x00\x00\x00\x18ftypisom" + bytes(300), FILM[:30]]
)
def test_what_is_no_film_is_an_error(path: Path, content: bytes):
    path.write_bytes(content)

    with pytest.raises((av.FFmpegError, LookupError, StopIteration)):
        probed(path)


async def run(*arguments: str, paths: Iterable[Path]) -> list[bytes]:
    """What it prints, line by line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    questions = "".join(f"{json.dumps(str(path))}\n" for path in paths)
    output, _ = await process.communicate(questions.encode())
    return output.splitlines()


async def test_as_a_script_it_answers_line_by_line_until_its_input_ends(path: Path):
    path.write_bytes(FILM)
    junk = path.with_name("task-2-")
    junk.write_bytes(b"junk")

    answers = await run(probe_file, paths=[path, junk, path])

    assert [json.loads(answer) for answer in answers] == [probed(path), None, probed(path)]


async def test_as_a_script_it_bounds_the_time_and_the_memory_for_a_film(path: Path):
    # A fork of this program finds no film, and has the bounds when it is about to end.
    program = """
import os, resource, runpy, sys

def tell(_):
    print(resource.getrlimit(resource.RLIMIT_CPU)[1], flush=True)
    try:
        bytearray(3 << 30)
    except MemoryError:
        print("no more memory", flush=True)
    leave(0)

leave, os._exit = os._exit, tell
runpy.run_path(sys.argv[1], run_name="__main__")
"""

    assert await run("-c", program, probe_file, paths=[path]) == [b"60", b"no more memory"]
