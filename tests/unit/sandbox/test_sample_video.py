"""The sample file is a real video."""

import io
from typing import Literal

import av
import pytest

from bot.sandbox.gateway.tasks import KINDS
from bot.sandbox.sample_video import Colour, make_video, scene, with_free_box


def test_the_video_is_h264_with_the_requested_size_and_duration() -> None:
    sample = make_video(size=(160, 90), seconds=1.0)

    with av.open(io.BytesIO(sample), mode="r") as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (160, 90)
        assert container.duration == 1_000_000


def test_the_picture_moves() -> None:
    with av.open(io.BytesIO(make_video()), mode="r") as container:
        first, *_, last = (bytes(frame.planes[0]) for frame in container.decode(video=0))

    assert first != last


@pytest.mark.parametrize("index_first", [True, False])
def test_the_index_is_where_requested(index_first: bool) -> None:
    sample = make_video(index_first=index_first)

    assert (sample.index(b"moov") < sample.index(b"mdat")) is index_first


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "hevc")])
def test_other_codecs_can_be_requested(codec: Literal["libx264", "libx265"], name: str) -> None:
    with av.open(io.BytesIO(make_video(codec=codec)), mode="r") as container:
        assert container.streams.video[0].codec_context.name == name


def test_every_colour_is_a_different_video() -> None:
    assert len({make_video(colour) for colour in Colour}) == len(Colour)


def test_a_free_box_makes_another_file_of_the_same_video() -> None:
    sample = make_video()
    heavier = with_free_box(sample, bytes(1000))

    assert len(heavier) == len(sample) + 1008
    with av.open(io.BytesIO(heavier), mode="r") as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_task_has_a_small_scene_that_plays_at_once(kind: str) -> None:
    content = scene(kind)

    assert len(content) < 100_000
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(io.BytesIO(content), mode="r") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (480, 270)
        assert sum(1 for _ in container.decode(video=0)) == 72
