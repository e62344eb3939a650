"""A copy of a film as an MP4 that plays in place: the same pictures and sounds, never encoded anew."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from bot.media.boxes import Malformed, faststart
from bot.media.confinement import SPARE
from bot.media.preview import picture_of

_MOST_UNTIMED = 32  # packets; H.264 keeps up to 16 pictures back


class NoCopy(Exception):
    """There is no copy of this film that is as good."""


def remux_faststart(path: Path, target: Path) -> None:
    """Copy an MP4 with its index in front, every other byte as it is; NoCopy."""
    try:
        faststart(path, target)
    except (Malformed, OSError) as error:
        target.unlink(missing_ok=True)
        raise NoCopy from error


def remux(path: Path, target: Path, options: dict[str, str], container: str, *, has_boxes: bool) -> None:
    """Copy the first picture and sound of any container into an MP4; NoCopy.

    has_boxes: the film's own notes can be taken from its boxes as they are.
    """
    target.parent.mkdir(exist_ok=True)
    draft = target.with_name(f"{target.name}.draft")
    try:
        _copy_packets(path, draft, options, container)
        faststart(draft, target, told_by=path if has_boxes else None)
        _check_size(target, path)
    except (Malformed, OSError, ValueError, av.FFmpegError) as error:
        target.unlink(missing_ok=True)
        raise NoCopy from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _check_size(copy: Path, film: Path) -> None:
    if copy.stat().st_size > film.stat().st_size + SPARE:
        raise Malformed("larger than the film")


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
    """Packets with a time to decode them, which the first of a film in Matroska may lack: as far before."""
    waiting: dict[int, list[Packet[Any]]] = {}
    begun: set[int] = set()
    for packet in packets:
        early = waiting.setdefault(packet.stream_index, [])
        if packet.dts is None:
            if packet.size and packet.stream_index not in begun and len(early) < _MOST_UNTIMED:
                early.append(packet)
            continue
        begun.add(packet.stream_index)
        step = max(packet.duration or 0, 1)
        for place, each in enumerate(early):
            each.dts = packet.dts - step * (len(early) - place)
            yield each
        early.clear()
        yield packet
