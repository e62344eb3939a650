"""Limits on the decompressed size and the duration of a Bot API response."""

import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

# Bytes of a hundred updates, each quoting a message, with every letter escaped as \u0000.
_MAX_UPDATES_BYTES = 16 * 2**20
_MAX_BYTES = 2**20  # of any other response
_MAX_S = 60.0  # from the headers to the end of the body
_CHUNK_BYTES = 2**16
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits by content coding


class TooLarge(httpx.TransportError):
    """The response is larger than any of the Bot API."""


async def bound(response: httpx.Response, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Limit a response; an event hook of httpx, which runs before the body is read."""
    method = response.request.url.path.rpartition("/")[2]
    limit = _MAX_UPDATES_BYTES if method == "getUpdates" else _MAX_BYTES
    # httpx decompresses a chunk as a whole: 64 KiB may become 64 MiB.
    coding = response.headers.pop("Content-Encoding", "").strip().lower()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
    response.stream = _Bounded(response.stream, limit, _WINDOW_BITS.get(coding), clock)


class _Bounded(httpx.AsyncByteStream):
    """A body that is decompressed in bounded chunks, and aborted when it is too large or too slow."""

    def __init__(
        self, stream: httpx.AsyncByteStream, limit: int, window: int | None, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._limit = limit
        self._clock = clock
        self._decompressor = None if window is None else zlib.decompressobj(window)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, end = 0, self._clock() + _MAX_S
        async for data in self._stream:
            for chunk in self._chunks(data):
                size += len(chunk)
                if size > self._limit:
                    raise TooLarge(f"a response of more than {self._limit} bytes")
                yield chunk
            if self._clock() > end:
                raise httpx.ReadTimeout(f"a response that takes more than {_MAX_S:.0f} s")

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        if self._decompressor is None:
            yield data
            return
        try:
            is_full = False
            while data or is_full:  # after a full chunk, zlib may hold output of data it has consumed
                chunk = self._decompressor.decompress(data, _CHUNK_BYTES)
                yield chunk
                data, is_full = self._decompressor.unconsumed_tail, len(chunk) == _CHUNK_BYTES
        except zlib.error as error:
            raise httpx.DecodingError("the response is compressed wrongly") from error
