"""Copies a video into an MP4 that plays inline: remuxed, never re-encoded."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from bot.media.boxes import Malformed, faststart
from bot.media.confinement import SPARE
from bot.media.preview import picture_of

_MAX_UNTIMED = 32  # packets without dts at the start; H.264 reorders up to 16 frames


class NoCopy(Exception):
    """No lossless copy of this file is possible."""


def remux_faststart(path: Path, target: Path) -> None:
    """Copy an MP4 with the index at the start, every other byte unchanged; raises NoCopy."""
    try:
        faststart(path, target)
    except (Malformed, OSError) as error:
        target.unlink(missing_ok=True)
        raise NoCopy from error


def remux(path: Path, target: Path, options: dict[str, str], container: str, *, has_boxes: bool) -> None:
    """Copy the video and first audio stream of any container into an MP4; raises NoCopy.

    has_boxes: the source is an MP4 or MOV, so its metadata boxes are copied unchanged.
    """
    target.parent.mkdir(exist_ok=True)
    draft = target.with_name(f"{target.name}.draft")
    try:
        _copy_packets(path, draft, options, container)
        faststart(draft, target, metadata_from=path if has_boxes else None)
        _check_size(target, path)
    except (Malformed, OSError, ValueError, av.FFmpegError) as error:
        target.unlink(missing_ok=True)
        raise NoCopy from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _check_size(copy: Path, original: Path) -> None:
    if copy.stat().st_size > original.stat().st_size + SPARE:
        raise Malformed("larger than the original")


def _copy_packets(path: Path, draft: Path, options: dict[str, str], container: str) -> None:
    with (
        av.open(str(path), format=container, options=options, metadata_errors="replace") as source,
        av.open(
            str(draft),
            "w",
            format="mp4",
            options={"movflags": "use_metadata_tags"},
            metadata_errors="replace",
        ) as sink,
    ):
        kept = [picture_of(source), *source.streams.audio[:1]]
        copies = {stream.index: sink.add_stream_from_template(stream) for stream in kept}
        sink.metadata.update(source.metadata)
        for packet in _timed(source.demux(kept)):
            packet.stream = copies[packet.stream_index]
            sink.mux(packet)


def _timed(packets: "Iterable[Packet[Any]]") -> "Iterator[Packet[Any]]":
    """Packets with a dts; the first ones of a Matroska file may lack it and get one counted backwards."""
    untimed: dict[int, list[Packet[Any]]] = {}
    started: set[int] = set()
    for packet in packets:
        early = untimed.setdefault(packet.stream_index, [])
        if packet.dts is None:
            if packet.size and packet.stream_index not in started and len(early) < _MAX_UNTIMED:
                early.append(packet)
            continue
        started.add(packet.stream_index)
        step = max(packet.duration or 0, 1)
        for index, each in enumerate(early):
            each.dts = packet.dts - step * (len(early) - index)
            yield each
        early.clear()
        yield packet
