"""How large a response of the Bot API may be, unpacked, and how long it may take once it has begun."""

import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

_OF_UPDATES = (
    16 * 2**20
)  # bytes of up to a hundred updates; each may quote one, all letters written as \u0000
_OF_OTHERS = 2**20  # bytes of a message and less
_WHOLE_S = 60.0  # from the headers to the end
_PIECE = 2**16
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's names for the wrappings


class TooLarge(httpx.TransportError):
    """A server sends more than the Bot API has to say."""


async def bound(response: httpx.Response, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Bound a response; for httpx's event hooks, which run before the body is read."""
    method = response.request.url.path.rpartition("/")[2]
    limit = _OF_UPDATES if method == "getUpdates" else _OF_OTHERS
    # httpx unpacks a packet whole, and one of 64 KiB may hold 64 MiB.
    coding = response.headers.pop("Content-Encoding", "").strip().lower()
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
    response.stream = _Bounded(response.stream, limit, _WINDOWS.get(coding), clock)


class _Bounded(httpx.AsyncByteStream):
    """A body that is unpacked as it comes, and given up when it is too long."""

    def __init__(
        self, stream: httpx.AsyncByteStream, limit: int, window: int | None, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._limit = limit
        self._clock = clock
        self._unpack = None if window is None else zlib.decompressobj(window)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, end = 0, self._clock() + _WHOLE_S
        async for packet in self._stream:
            for piece in self._pieces(packet):
                size += len(piece)
                if size > self._limit:
                    raise TooLarge(f"a response of more than {self._limit} bytes")
                yield piece
            if self._clock() > end:
                raise httpx.ReadTimeout(f"a response that takes more than {_WHOLE_S:.0f} s")

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _pieces(self, packet: bytes) -> Iterator[bytes]:
        if self._unpack is None:
            yield packet
            return
        try:
            piece = b"?"
            while packet or len(piece) == _PIECE:  # a full one may leave some of the packet behind
                piece = self._unpack.decompress(packet, _PIECE)
                yield piece
                packet = self._unpack.unconsumed_tail
        except zlib.error as error:
            raise httpx.DecodingError("the response is packed wrongly") from error
