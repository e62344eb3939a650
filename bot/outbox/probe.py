"""What a downloaded film is, read with FFmpeg's libraries in a process of its own: the bytes are foreign.

Run as a script; for each line of its input, a path as JSON, it prints a line: an object, or null of what
is no film. To load the libraries takes longer than to read a film, so the process stays, and a child of it
reads: what is wrong with a film ends with its child. It never re-encodes: it reads the geometry, writes a
thumbnail and, where the index stands at the end, a copy with the index in front, beside the film.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

CPU_LIMIT_S = 60
MEMORY_LIMIT = 2 << 30  # bytes of address space
THUMBNAIL_SIDE = 320  # pixels; https://core.telegram.org/bots/api#inputmediavideo
THUMBNAIL_LIMIT = 190_000  # bytes, below Telegram's 200 kB
_PLAYED_VIDEO = "h264"
_PLAYED_AUDIO = {"aac", "mp3"}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}
_NEEDED = {b"moov", b"mdat", b"moof"}  # what stands behind the last of these is not missed
_BOX_HEAD = 8  # bytes: length and type; ISO/IEC 14496-12, 4.2


def serve() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        path = Path(json.loads(line))
        child = os.fork()
        if child == 0:
            _answer(path)
        _, status = os.waitpid(child, 0)
        if status:
            _say(None)


def probe(path: Path) -> dict[str, Any]:
    """What the film is, and the files that were made of it; of a cut one only that it is cut."""
    layout = dict(boxes(path))
    if max((end for box, end in layout.items() if box in _NEEDED), default=0) > path.stat().st_size:
        return {"is_whole": False}
    with av.open(str(path)) as container:
        frame = _first_frame(container)
        facts = _facts(container, frame)
        thumbnail = _thumbnail(frame, path.with_name(f"{path.name}.jpg"))
    front = None
    if facts["unplayable"] is None and layout.get(b"moov", 0) > layout.get(b"mdat", 0) > 0:
        front = _index_to_the_front(path, path.parent / "front" / path.name)
    return facts | {
        "is_whole": True,
        "thumbnail": _below(path, thumbnail),
        "front": _below(path, front),
    }


def boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """The top-level boxes of an MP4: type, and where each ends, past the file's own end if it was cut."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + _BOX_HEAD <= size:
            file.seek(at)
            head = file.read(2 * _BOX_HEAD)
            length = int.from_bytes(head[:4], "big")
            if length == 1:  # the real length follows in eight bytes
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:  # as far as the file goes
                length = size - at
            if length < _BOX_HEAD:
                return
            at += length
            yield head[4:8], at


def _answer(path: Path) -> NoReturn:
    """The child's work; it ends without the parent's clean-up, whatever happens."""
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        _say(probe(path))
        os._exit(0)
    finally:
        os._exit(1)


def _say(found: dict[str, Any] | None) -> None:
    print(json.dumps(found), flush=True)  # noqa: T201 - whoever started the process reads it


def _first_frame(container: InputContainer) -> VideoFrame:
    stream = container.streams.video[0]
    stream.thread_type = "NONE"
    return _upright(next(container.decode(stream)), stream)


def _upright(frame: VideoFrame, stream: VideoStream) -> VideoFrame:
    """The frame as players turn it; its rotation counts counterclockwise."""
    if not frame.rotation:
        return frame
    graph = Graph()
    turns = [graph.add("transpose", "clock") for _ in range(-frame.rotation // 90 % 4)]
    graph.link_nodes(graph.add_buffer(template=stream), *turns, graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.vpull()


def _facts(container: InputContainer, frame: VideoFrame) -> dict[str, Any]:
    return {
        "width": frame.width,
        "height": frame.height,
        "duration_s": container.duration / av.time_base if container.duration else None,
        "unplayable": _unplayable(container),
    }


def _unplayable(container: InputContainer) -> str | None:
    """The part of a film that Telegram does not play in place."""
    picture = container.streams.video[0].codec_context
    if picture.codec.canonical_name != _PLAYED_VIDEO:
        return picture.codec.canonical_name
    if picture.pix_fmt not in _PLAYED_PIXELS:
        return f"{_PLAYED_VIDEO} {picture.pix_fmt}"
    sounds = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
    return next((sound for sound in sounds if sound not in _PLAYED_AUDIO), None)


def _thumbnail(frame: VideoFrame, path: Path) -> Path | None:
    scale = min(1.0, THUMBNAIL_SIDE / max(frame.width, frame.height))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    frame.reformat(width=width, height=height, format="yuvj420p").save(str(path))
    if path.stat().st_size <= THUMBNAIL_LIMIT:
        return path
    path.unlink()
    return None


def _index_to_the_front(path: Path, target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as sink:
        kept = [*source.streams.video[:1], *source.streams.audio[:1]]
        copies = {stream.index: sink.add_stream_from_template(stream) for stream in kept}
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                sink.mux(packet)
    return target


def _below(film: Path, path: Path | None) -> str | None:
    return None if path is None else str(path.relative_to(film.parent))


if __name__ == "__main__":
    serve()
