"""Writes a response body to a file: size limit, minimum speed, resume by range, decompression."""

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
from bot.media.video import DownloadError, Fault

_CHUNK = 1 << 18  # bytes that are read, or decompressed, in one step
_WINDOW_S = 60.0  # over which the speed is measured
MIN_SPEED = 4096  # bytes per second; a slower host would block a transfer slot
_RETRYABLE = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15  # zlib's wbits: gzip, zlib, raw deflate
_ZLIB, _ZLIB_MASK, _ZLIB_CHECK = 0x08, 0x8F, 31  # RFC 1950: a window of up to 32 KiB, and a checksum
_SNIFFED = 16  # bytes that are read to detect the compression


class TooSlow(DownloadError):
    """The host sends less than MIN_SPEED."""

    def __init__(self) -> None:
        super().__init__(Fault.UNREACHABLE, "too slow")


@dataclass(slots=True)
class Part:
    """A partial download."""

    path: Path
    validator: str = ""  # for If-Range: a strong ETag, else Last-Modified; "": the server sends none
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def open(self, *, truncate: bool) -> BinaryIO:
        """Open for appending, or truncated; readable by the owner only."""
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if truncate else os.O_APPEND)
        return os.fdopen(os.open(self.path, flags, 0o600), "ab")


async def save(response: aiohttp.ClientResponse, part: Part, limit: int) -> None:
    """Append the body of a 206 to the part, or rewrite the part with that of a 200; raises DownloadError.

    1. Reject a range that does not start at the end of the part, and any other status than 200 and 206.
    2. Check the declared size, and decompress the body if its first bytes confirm the Content-Encoding.
    3. Write it; a decompressed part that is incomplete is deleted, since a range can't continue it.
    """
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    is_resumed = response.status == HTTPStatus.PARTIAL_CONTENT
    content_range = response.headers.get("Content-Range", "")
    if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (
        is_resumed and not content_range.startswith(f"bytes {part.size}-")
    ):
        part.path.unlink(missing_ok=True)
        raise DownloadError(Fault.UNREACHABLE, "the file has changed since the first part")
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in _RETRYABLE:
        raise DownloadError(Fault.UNREACHABLE, f"HTTP {response.status}")
    if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise DownloadError(Fault.DEAD_LINK, f"HTTP {response.status}")
    tag = response.headers.get("ETag", "")
    part.validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    check_size((part.size if is_resumed else 0) + (response.content_length or 0), limit)
    first = await _first_bytes(response.content)
    decompressor = None if is_resumed else _decompressor(coding, first)
    with contextlib.ExitStack() as unfinished:
        if decompressor is not None:
            unfinished.callback(part.path.unlink, missing_ok=True)
        with part.open(truncate=not is_resumed) as file:
            sink = Sink(file, part.size if is_resumed else 0, limit, decompressor)
            await _copy(response, first, sink, part.clock)
        unfinished.pop_all()
    total = content_range.rpartition("/")[2]
    if is_resumed and total.isdecimal() and total != str(part.size):  # a server may send less than requested
        raise DownloadError(Fault.UNREACHABLE, "the range ended early")


def check_size(size: int, limit: int) -> None:
    """Raise DownloadError if a file is too large."""
    if size > limit:
        raise DownloadError(Fault.TOO_LARGE, f"more than {limit // 1_000_000} MB")


async def _copy(
    response: aiohttp.ClientResponse, first: bytes, sink: "Sink", clock: Callable[[], float]
) -> None:
    window_start, received = clock(), len(first)
    await sink.write(first)
    async for chunk in response.content.iter_chunked(_CHUNK):
        await sink.write(chunk)
        received += len(chunk)
        now = clock()
        if now - window_start >= _WINDOW_S:
            if received < MIN_SPEED * (now - window_start):
                raise TooSlow
            window_start, received = now, 0
    sink.finish()


async def _first_bytes(content: aiohttp.StreamReader) -> bytes:
    first = b""
    while len(first) < _SNIFFED and not content.at_eof():
        first += await content.readany()
    return first


@dataclass(slots=True)
class Sink:
    """Writes to the file, decompressing and enforcing the size limit."""

    file: BinaryIO
    size: int
    limit: int
    decompressor: "zlib._Decompress | None"
    pending: bytes = b""  # the first byte of a further gzip member, until the next chunk

    async def write(self, data: bytes) -> None:
        """Decompress and write a chunk; raises DownloadError above the limit."""
        if self.decompressor is None:
            self._put(data)
            return
        while True:
            if self.decompressor.eof:
                # RFC 1952: several members may follow each other; any other trailing bytes are ignored.
                data = self.pending + data
                self.pending = data if data == _GZIP[:1] else b""
                if not data.startswith(_GZIP):
                    return
                self.decompressor = zlib.decompressobj(_GZIP_WINDOW)
            output = self.decompressor.decompress(data, _CHUNK)
            self._put(output)
            data = self.decompressor.unused_data or self.decompressor.unconsumed_tail
            if not data and len(output) < _CHUNK:
                return
            await asyncio.sleep(0)  # one chunk may decompress to very much: let other tasks run

    def finish(self) -> None:
        """Raise DownloadError if the compressed data is incomplete."""
        if self.decompressor is not None and not self.decompressor.eof:
            raise DownloadError(Fault.UNREACHABLE, "the compressed file is truncated")

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        check_size(self.size, self.limit)
        self.file.write(data)


def _decompressor(coding: str, first: bytes) -> "zlib._Decompress | None":
    """The decompressor, if both the header and the first bytes indicate compression."""
    if coding in {"gzip", "x-gzip"} and first.startswith(_GZIP):
        return zlib.decompressobj(_GZIP_WINDOW)
    if coding != "deflate" or len(first) < _SNIFFED:
        return None
    if first[0] & _ZLIB_MASK == _ZLIB and int.from_bytes(first[:2], "big") % _ZLIB_CHECK == 0:
        return zlib.decompressobj(_ZLIB_WINDOW)
    # Some servers send raw deflate, which only trial decompression detects.
    with contextlib.suppress(zlib.error):
        head = zlib.decompressobj(_RAW_WINDOW).decompress(first, _SNIFFED)
        if head[4:8] in FIRST_BOXES:
            return zlib.decompressobj(_RAW_WINDOW)
    return None
