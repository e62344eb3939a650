"""What a downloaded film is, read with FFmpeg's libraries in a process of its own: the bytes are foreign.

Run as a script; for each line of its input, a path as JSON, it prints a line: an object, or null of what
is no film. To load the libraries takes longer than to read a film, so the process stays, and a child of it
reads: what is wrong with a film ends with its child. It never re-encodes: it reads the geometry, writes a
thumbnail and, where players need one, a copy with the index in front, beside the film.
"""

import json
import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import av
from av.container import InputContainer

from bot.media import boxes, confinement, preview, remux
from bot.media.containers import FLV, MKV, MOV, MP4, ebml_end

_FORMATS = {MP4: "mov", MOV: "mov", MKV: "matroska", FLV: "flv"}
# Whatever a file claims to be, FFmpeg reads it as that one format, from this disk, with these decoders.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv",
    "codec_whitelist": "h264,hevc,libdav1d,av1,vp8,vp9,mpeg4,aac,mp3float,mp3,opus,vorbis,flac,ac3,eac3",
}
_PLAYED_VIDEO = "h264"
_PLAYED_AUDIO = {"aac", "mp3"}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}
_NEEDED = {b"moov", b"mdat", b"moof"}  # what stands behind the last of these is not missed


def serve() -> None:
    """Answer until the input ends."""
    os.umask(0o077)
    confinement.be_first_victim()
    confinement.leave_the_network()
    confinement.hide()
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
    layout = boxes.boxes(path) if path.suffix in {MP4, MOV} else []
    end = max((box.end for box in layout if box.kind in _NEEDED), default=0)
    if path.suffix == MKV:
        end = ebml_end(path)
    if end > path.stat().st_size:
        return {"is_whole": False}
    with av.open(
        str(path), format=_FORMATS[path.suffix], options=_OPTIONS, metadata_errors="replace"
    ) as container:
        facts = _facts(container, path, layout)
    front = None
    if facts["unplayable"] is None:
        try:
            front = _front(path, layout)
        except remux.NoCopy:
            if path.suffix != MP4 or _is_fragmented(layout):
                facts["unplayable"] = path.suffix.lstrip(".")
    is_copied = front is not None and (path.suffix != MP4 or _is_fragmented(layout))
    if facts["unplayable"] is None and (is_copied or not facts["duration_s"]):
        facts["duration_s"] = _length(front or path) or facts["duration_s"]
    return facts | {"is_whole": True, "front": _below(path, front)}


def _answer(path: Path) -> NoReturn:
    """The child's work; it ends without the parent's clean-up, whatever happens."""
    try:
        confinement.bound(file_size=path.stat().st_size)
        _say(probe(path))
        os._exit(0)
    finally:
        os._exit(1)


def _say(found: dict[str, Any] | None) -> None:
    print(json.dumps(found), flush=True)  # noqa: T201 - whoever started the process reads it


def _facts(container: InputContainer, path: Path, layout: Sequence[boxes.Box]) -> dict[str, Any]:
    stream = preview.picture_of(container)
    stream.thread_type = "NONE"
    stream.codec_context.options = {"codec_whitelist": _OPTIONS["codec_whitelist"]}
    unplayable = _unplayable(container)
    duration_s = container.duration / av.time_base if container.duration else None
    index = boxes.index_of(path, layout)
    shots = preview.frames(container, stream)
    first = next(shots, None)
    matrix = boxes.matrix_of(index) if index else preview.matrix_of(first) if first else None
    turn = preview.turn_of(matrix)
    width, height = preview.seen_size(stream, turn)
    thumbnail = None
    if first is not None:
        thumbnail = preview.preview(chain([first], shots), stream, turn, path.with_name(f"{path.name}.jpg"))
    return {
        "width": width,
        "height": height,
        "duration_s": duration_s,
        "unplayable": unplayable,
        "thumbnail": _below(path, thumbnail),
    }


def _length(path: Path) -> float | None:
    """How long an MP4 lasts by its packets, where its head does not tell."""
    with av.open(str(path), format="mov", options=_OPTIONS, metadata_errors="replace") as container:
        if container.duration:
            return container.duration / av.time_base
        stream = preview.picture_of(container)
        ends = (
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None
        )
        return max(ends, default=0.0) or None


def _unplayable(container: InputContainer) -> str | None:
    """The part of a film that Telegram does not play in place."""
    picture = preview.picture_of(container).codec_context
    if picture.codec.canonical_name != _PLAYED_VIDEO:
        return picture.codec.canonical_name
    if picture.pix_fmt is not None and picture.pix_fmt not in _PLAYED_PIXELS:  # None: no frame tells
        return f"{_PLAYED_VIDEO} {picture.pix_fmt}"
    sounds = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
    return next((sound for sound in sounds if sound not in _PLAYED_AUDIO), None)


def _front(path: Path, layout: Sequence[boxes.Box]) -> Path | None:
    """A copy that plays while it loads; None: the film itself does."""
    target = path.parent / "front" / f"{path.stem}{MP4}"
    if path.suffix != MP4 or _is_fragmented(layout):
        has_boxes = path.suffix in {MP4, MOV}
        remux.remux(path, target, _OPTIONS, _FORMATS[path.suffix], has_boxes=has_boxes)
        return target
    kinds = [box.kind for box in layout]
    if kinds[0] == b"ftyp" and (b"mdat" not in kinds or kinds.index(b"moov") < kinds.index(b"mdat")):
        return None
    try:
        remux.remux_faststart(path, target)
    except remux.NoCopy:  # FFmpeg may understand what is odd about it
        remux.remux(path, target, _OPTIONS, _FORMATS[path.suffix], has_boxes=False)
    return target


def _is_fragmented(layout: Sequence[boxes.Box]) -> bool:
    return any(box.kind == b"moof" for box in layout)


def _below(film: Path, path: Path | None) -> str | None:
    return None if path is None else str(path.relative_to(film.parent))


if __name__ == "__main__":
    serve()
