"""Remuxed and faststart copies."""

from pathlib import Path
from typing import Any

import av
import pytest

from bot.media.probe_worker import probe
from bot.sandbox.sample_video import make_video
from tests.unit.media.sample_videos import (
    box,
    copied,
    kinds_of,
    packets,
    shifted,
    with_packed_index,
    with_pictures_held_back,
    with_sound,
)

SAMPLE = make_video()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "task-1-.mp4"


def probed(path: Path) -> dict[str, Any]:
    return probe(path)


@pytest.mark.parametrize(
    ("suffix", "container", "flags"),
    [
        (".mp4", "mp4", "empty_moov+frag_keyframe"),
        (".mp4", "mp4", "empty_moov+frag_keyframe+default_base_moof"),
        (".mov", "mov", "faststart"),
        (".mov", "mov", ""),
        (".mkv", "matroska", None),
        (".flv", "flv", None),
    ],
)
def test_playable_streams_in_another_container_are_remuxed_to_mp4(
    path: Path, suffix: str, container: str, flags: str | None
):
    with_sound(path, "aac")
    sample = path.read_bytes()
    other = path.with_name(f"film{suffix}")
    copied(sample, other, container, **({"movflags": flags} if flags else {}))

    found = probed(other)

    assert found["unplayable"] is None
    front = other.parent / found["faststart_copy"]
    assert front.name == "film.mp4"
    content = front.read_bytes()
    assert kinds_of(content)[:2] == [b"ftyp", b"moov"]
    assert b"moof" not in kinds_of(content)
    assert sorted(each[2] for each in packets(front)) == sorted(each[2] for each in packets(path))
    with av.open(str(front)) as opened:
        assert opened.duration == pytest.approx(1_000_000, abs=150_000)


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_unplayable_streams_in_another_container_are_not_remuxed(path: Path, suffix: str):
    other = path.with_name(f"film{suffix}")
    copied(make_video(codec="libx265"), other, {".mov": "mov", ".mkv": "matroska"}[suffix])

    found = probed(other)

    assert (found["unplayable"], found["faststart_copy"]) == ("hevc", None)


@pytest.mark.parametrize("first", [b"styp", b"free", b"uuid", b"skip"])
def test_a_file_that_starts_with_another_box_is_copied_with_ftyp_first(path: Path, first: bytes):
    plain = make_video()
    copied(plain, path, "mp4")
    path.write_bytes(box(first, bytes(24)) + shifted(path.read_bytes(), 32))

    front = path.parent / probed(path)["faststart_copy"]

    assert kinds_of(front.read_bytes())[:3] == [b"ftyp", b"moov", first]
    path.write_bytes(plain)
    assert packets(front) == packets(path)


def test_faststart_keeps_all_metadata(path: Path):
    label, manifest = b'{"AIGC":{"Label":"1"}}', bytes(range(256)) * 5
    note = box(b"udta", box(b"AIGC", label), box(b"\xa9nam", b"\0\4\x15\xc7Boat"))
    sample = make_video(index_first=False)
    at = sample.index(b"moov") - 4
    index = sample[at + 8 :]
    own = box(b"uuid", manifest) + box(b"jumb", manifest)
    path.write_bytes(sample[:at] + box(b"moov", index, note) + own)

    front = (path.parent / probed(path)["faststart_copy"]).read_bytes()

    assert sorted(kinds_of(front)) == sorted(kinds_of(path.read_bytes()))
    assert note in front
    assert own in front
    assert len(front) == path.stat().st_size


def test_remuxing_a_fragmented_file_keeps_all_metadata(path: Path):
    copied(SAMPLE, path, "mp4", movflags="empty_moov+frag_keyframe+default_base_moof")
    note = box(b"udta", box(b"AIGC", b"label"))
    sample = path.read_bytes()
    index = sample.index(b"moov") - 4
    length = int.from_bytes(sample[index : index + 4], "big")
    own = box(b"uuid", b"c2pa" * 50)
    moov = box(b"moov", sample[index + 8 : index + length], note)
    path.write_bytes(sample[:index] + moov + sample[index + length :] + own)

    front = (path.parent / probed(path)["faststart_copy"]).read_bytes()

    assert note in front
    assert front.endswith(own)


def test_a_compressed_index_is_rewritten_uncompressed(path: Path):
    plain = make_video(index_first=False)
    path.write_bytes(with_packed_index(plain))

    front = path.parent / probed(path)["faststart_copy"]

    assert kinds_of(front.read_bytes())[:2] == [b"ftyp", b"moov"]
    path.write_bytes(plain)
    assert [each[2] for each in packets(front)] == [each[2] for each in packets(path)]


def test_a_missing_duration_is_computed_from_the_packets(path: Path):
    other = path.with_name("film.mkv")
    copied(SAMPLE, other, "matroska", live="1")

    assert probed(other)["duration_s"] == pytest.approx(2.0, abs=0.1)


def test_a_zero_duration_is_computed_from_the_packets(path: Path):
    sample = bytearray(SAMPLE)
    for kind, at in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        start = sample.index(kind) + at
        sample[start : start + 4] = bytes(4)
    path.write_bytes(sample)

    assert probed(path)["duration_s"] == pytest.approx(2.0, abs=0.1)


def test_a_truncated_matroska_file_is_not_complete(path: Path):
    other = path.with_name("film.mkv")
    copied(SAMPLE, other, "matroska")
    assert probed(other)["is_complete"]
    other.write_bytes(other.read_bytes()[:-100])
    assert not probed(other)["is_complete"]


@pytest.mark.parametrize("container", ["matroska", "flv", "mov"])
def test_remuxing_keeps_reordered_frames(path: Path, container: str):
    other = path.with_suffix({"matroska": ".mkv", "flv": ".flv", "mov": ".mov"}[container])
    with_pictures_held_back(other, container)

    front = other.parent / probed(other)["faststart_copy"]

    with av.open(str(other)) as source, av.open(str(front)) as copy:
        times = [[frame.time for frame in each.decode(video=0)] for each in (source, copy)]
    assert len(times[1]) == 20
    assert [at - times[1][0] for at in times[1]] == pytest.approx(
        [at - times[0][0] for at in times[0]], abs=0.01
    )
