"""Probes video files with FFmpeg's libraries in a sandboxed process: the bytes are untrusted.

Run as a script. For each line of stdin:

1. Read the line: a path as JSON.
2. Fork: loading the libraries takes longer than probing, so the parent stays and a child per file probes. A
   crash or an exceeded limit ends only the child.
3. The child sets its resource limits and probes: container structure, geometry, codecs, thumbnail and, if
   players need one, a copy with the index at the start. It never re-encodes.
4. The child prints the result as a JSON object; if it fails, the parent prints null.
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
# FFmpeg may use only the detected format, local files and these decoders, whatever the file declares.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv",
    "codec_whitelist": "h264,hevc,libdav1d,av1,vp8,vp9,mpeg4,aac,mp3float,mp3,opus,vorbis,flac,ac3,eac3",
}
_PLAYED_VIDEO = "h264"  # what Telegram plays inline
_PLAYED_AUDIO = {"aac", "mp3"}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}
_NEEDED = {b"moov", b"mdat", b"moof"}  # bytes missing after the last of these do not matter


def serve() -> None:
    """Process paths until stdin ends."""
    os.umask(0o077)
    confinement.be_first_victim()
    confinement.leave_the_network()
    confinement.hide()
    for line in sys.stdin:
        path = Path(json.loads(line))
        child = os.fork()
        if child == 0:
            _run_child(path)
        _, status = os.waitpid(child, 0)
        if status:
            _print_result(None)


def probe(path: Path) -> dict[str, Any]:
    """Probe a file: the fields of MediaInfo and is_complete; of a truncated file only is_complete=False."""
    layout = boxes.boxes(path) if path.suffix in {MP4, MOV} else []
    end = max((box.end for box in layout if box.kind in _NEEDED), default=0)
    if path.suffix == MKV:
        end = ebml_end(path)
    if end > path.stat().st_size:
        return {"is_complete": False}
    with av.open(
        str(path), format=_FORMATS[path.suffix], options=_OPTIONS, metadata_errors="replace"
    ) as container:
        info = _read_info(container, path, layout)
    copy = None
    if info["unplayable"] is None:
        try:
            copy = _make_copy(path, layout)
        except remux.NoCopy:
            if path.suffix != MP4 or _is_fragmented(layout):
                info["unplayable"] = path.suffix.lstrip(".")
    is_remuxed = copy is not None and (path.suffix != MP4 or _is_fragmented(layout))
    if info["unplayable"] is None and (is_remuxed or not info["duration_s"]):
        info["duration_s"] = _duration_s(copy or path) or info["duration_s"]
    return info | {"is_complete": True, "faststart_copy": _relative(path, copy)}


def _run_child(path: Path) -> NoReturn:
    """Probe in the forked child; always exits with os._exit(), without the parent's cleanup."""
    try:
        confinement.bound(file_size=path.stat().st_size)
        _print_result(probe(path))
        os._exit(0)
    finally:
        os._exit(1)


def _print_result(found: dict[str, Any] | None) -> None:
    print(json.dumps(found), flush=True)  # noqa: T201 - the protocol with Inspector


def _read_info(container: InputContainer, path: Path, layout: Sequence[boxes.Box]) -> dict[str, Any]:
    stream = preview.picture_of(container)
    stream.thread_type = "NONE"
    stream.codec_context.options = {"codec_whitelist": _OPTIONS["codec_whitelist"]}
    unplayable = _unplayable(container)
    duration_s = container.duration / av.time_base if container.duration else None
    index = boxes.index_of(path, layout)
    frames = preview.frames(container, stream)
    first = next(frames, None)
    matrix = boxes.matrix_in_index(index) if index else preview.matrix_in_frame(first) if first else None
    rotation = preview.rotation_of(matrix)
    width, height = preview.display_size(stream, rotation)
    thumbnail = None
    if first is not None:
        target = path.with_name(f"{path.name}.jpg")
        thumbnail = preview.write_thumbnail(chain([first], frames), stream, rotation, target)
    return {
        "width": width,
        "height": height,
        "duration_s": duration_s,
        "unplayable": unplayable,
        "thumbnail": _relative(path, thumbnail),
    }


def _duration_s(path: Path) -> float | None:
    """The duration of an MP4, from its packets if the header has none."""
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
    """The codec that Telegram does not play inline; None: it plays the video."""
    picture = preview.picture_of(container).codec_context
    if picture.codec.canonical_name != _PLAYED_VIDEO:
        return picture.codec.canonical_name
    if picture.pix_fmt is not None and picture.pix_fmt not in _PLAYED_PIXELS:  # None: no frame was decoded
        return f"{_PLAYED_VIDEO} {picture.pix_fmt}"
    audio_codecs = [stream.codec_context.codec.canonical_name for stream in container.streams.audio]
    return next((codec for codec in audio_codecs if codec not in _PLAYED_AUDIO), None)


def _make_copy(path: Path, layout: Sequence[boxes.Box]) -> Path | None:
    """Write a copy that plays while it downloads (faststart); None: the file itself does."""
    target = path.parent / "faststart" / f"{path.stem}{MP4}"
    if path.suffix != MP4 or _is_fragmented(layout):
        has_boxes = path.suffix in {MP4, MOV}
        remux.remux(path, target, _OPTIONS, _FORMATS[path.suffix], has_boxes=has_boxes)
        return target
    kinds = [box.kind for box in layout]
    if kinds[0] == b"ftyp" and (b"mdat" not in kinds or kinds.index(b"moov") < kinds.index(b"mdat")):
        return None
    try:
        remux.remux_faststart(path, target)
    except remux.NoCopy:  # FFmpeg may be able to read the unusual structure
        remux.remux(path, target, _OPTIONS, _FORMATS[path.suffix], has_boxes=False)
    return target


def _is_fragmented(layout: Sequence[boxes.Box]) -> bool:
    return any(box.kind == b"moof" for box in layout)


def _relative(video: Path, path: Path | None) -> str | None:
    return None if path is None else str(path.relative_to(video.parent))


if __name__ == "__main__":
    serve()
