"""An answer's body → a file that grows: bounded, continued where it was cut off, unpacked if it is packed."""

import asyncio
import contextlib
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import aiohttp

from bot.media.containers import FIRST_BOXES
from bot.media.faults import DownloadError, Fault

_CHUNK = 1 << 18
_WINDOW_S = 60.0
SLOWEST = 4096  # bytes a second, over a window; what is slower keeps others from being fetched
_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW, _ZLIB_WINDOW, _BARE_WINDOW = 31, 15, -15  # zlib's names for the wrappings
_ZLIB, _ZLIB_MASK, _ZLIB_CHECK = 0x08, 0x8F, 31  # RFC 1950: a window of up to 32 KiB, and a checksum
_TOLD_BY = 16  # bytes that tell what a body is


class TooSlow(DownloadError):
    """The host sends less than what is worth waiting for."""

    def __init__(self) -> None:
        super().__init__(Fault.UNREACHABLE, "too slow")


@dataclass(slots=True)
class Part:
    """A file that is not whole yet."""

    path: Path
    validator: str = ""  # of the version that it is a part of; "": the server names none
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def open(self, *, anew: bool) -> BinaryIO:
        """To write behind what is there, or from the beginning; nobody else may read it."""
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if anew else os.O_APPEND)
        return os.fdopen(os.open(self.path, flags, 0o600), "ab")


async def save(answer: aiohttp.ClientResponse, part: Part, limit: int) -> None:
    """Write an answer's body behind what is there already if it continues that, else anew; DownloadError."""
    coding = answer.headers.get("Content-Encoding", "").strip().lower()
    goes_on = answer.status == HTTPStatus.PARTIAL_CONTENT
    if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (goes_on and not _fits(answer, part)):
        part.path.unlink(missing_ok=True)
        raise DownloadError(Fault.UNREACHABLE, "the file changed meanwhile")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _LATER:
        raise DownloadError(Fault.UNREACHABLE, f"HTTP {answer.status}")
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise DownloadError(Fault.DEAD_LINK, f"HTTP {answer.status}")
    part.validator = _validator(answer)
    check_size((part.size if goes_on else 0) + (answer.content_length or 0), limit)
    first = await _first_bytes(answer.content)
    unpack = None if goes_on else _unpacker(coding, first)
    try:
        with part.open(anew=not goes_on) as file:
            await _copy(answer, first, _Sink(file, part.size if goes_on else 0, limit, unpack), part.clock)
    except BaseException:
        if unpack is not None:  # the host's bytes can't be gone on with behind these
            part.path.unlink(missing_ok=True)
        raise


def check_size(size: int, limit: int) -> None:
    """Raise DownloadError where a film is too large."""
    if size > limit:
        raise DownloadError(Fault.TOO_LARGE, f"more than {limit // 1_000_000} MB")


async def _copy(
    answer: aiohttp.ClientResponse, first: bytes, sink: "_Sink", clock: Callable[[], float]
) -> None:
    began, got = clock(), len(first)
    await sink.write(first)
    async for chunk in answer.content.iter_chunked(_CHUNK):
        await sink.write(chunk)
        got += len(chunk)
        now = clock()
        if now - began >= _WINDOW_S:
            if got < SLOWEST * (now - began):
                raise TooSlow
            began, got = now, 0
    sink.finish()


async def _first_bytes(content: aiohttp.StreamReader) -> bytes:
    first = b""
    while len(first) < _TOLD_BY and not content.at_eof():
        first += await content.readany()
    return first


@dataclass(slots=True)
class _Sink:
    """Where the bytes go, unpacked if they are packed."""

    file: BinaryIO
    size: int
    limit: int
    unpack: "zlib._Decompress | None"

    async def write(self, data: bytes) -> None:
        if self.unpack is None:
            self._put(data)
            return
        while True:
            if self.unpack.eof:
                if not data.startswith(_GZIP):  # what is behind the end is none of the film
                    return
                self.unpack = zlib.decompressobj(_GZIP_WINDOW)  # RFC 1952: one member after another
            unpacked = self.unpack.decompress(data, _CHUNK)
            self._put(unpacked)
            data = self.unpack.unused_data or self.unpack.unconsumed_tail
            if not data and len(unpacked) < _CHUNK:
                return
            await asyncio.sleep(0)  # a small packet may hold very much

    def finish(self) -> None:
        if self.unpack is not None and not self.unpack.eof:
            raise DownloadError(Fault.UNREACHABLE, "the packed file is cut off")

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        check_size(self.size, self.limit)
        self.file.write(data)


def _unpacker(coding: str, first: bytes) -> "zlib._Decompress | None":
    """What unpacks a body whose header and first bytes agree that it is packed."""
    if coding in {"gzip", "x-gzip"} and first.startswith(_GZIP):
        return zlib.decompressobj(_GZIP_WINDOW)
    if coding != "deflate" or len(first) < _TOLD_BY:
        return None
    if first[0] & _ZLIB_MASK == _ZLIB and int.from_bytes(first[:2], "big") % _ZLIB_CHECK == 0:
        return zlib.decompressobj(_ZLIB_WINDOW)
    # Some servers send it bare, which nothing tells but what comes out.
    with contextlib.suppress(zlib.error):
        head = zlib.decompressobj(_BARE_WINDOW).decompress(first, _TOLD_BY)
        if head[4:8] in FIRST_BOXES:
            return zlib.decompressobj(_BARE_WINDOW)
    return None


def _fits(answer: aiohttp.ClientResponse, part: Part) -> bool:
    """Whether an answer's bytes are those that come after the part's."""
    return answer.headers.get("Content-Range", "").startswith(f"bytes {part.size}-")


def _validator(answer: aiohttp.ClientResponse) -> str:
    """What names the version of a file beyond doubt, as a weak tag does not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
