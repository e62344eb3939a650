"""Uploads, fragmented by the network in any way."""

import asyncio
import itertools

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from bot.sandbox.telegram.arguments import Arguments, read_arguments

_HEAD = (
    b"--seam\r\nContent-Disposition: form-data; name=chat_id\r\n\r\n7\r\n"
    b"--seam\r\nContent-Disposition: form-data; name=video; filename=v.mp4\r\nContent-Type: video/mp4\r\n\r\n"
)
_TAIL = b"\r\n--seam--\r\n"
_SAMPLE = bytes(range(256)) * 100


class _FragmentedBody(StreamReader):
    """A body whose next fragment arrives with the next read."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(BaseProtocol(asyncio.get_running_loop()), 2**16)
        self._pieces = list(pieces)
        self._arrive()

    async def read(self, n: int = -1) -> bytes:
        self._arrive()
        return await super().read(n)

    def _arrive(self) -> None:
        if self._pieces:
            self.feed_data(self._pieces.pop(0))
        elif not self.is_eof():
            self.feed_eof()


async def _read(*pieces: bytes) -> Arguments:
    headers = {"Content-Type": "multipart/form-data; boundary=seam"}
    request = make_mocked_request("POST", "/", headers, payload=_FragmentedBody(*pieces))
    return await read_arguments(request, upload_limit=10**6)


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2), (1, 2, 9_000), (10_000, 10_001), (25_595, 25_599)])
async def test_an_upload_is_read_completely_in_any_fragmentation(cuts: tuple[int, ...]) -> None:
    edges = [0, *cuts, len(_SAMPLE)]
    pieces = [_SAMPLE[start:end] for start, end in itertools.pairwise(edges)]

    arguments = await _read(_HEAD, *pieces[:-1], pieces[-1] + _TAIL)

    assert arguments.text("chat_id") == "7"
    assert arguments.uploads["video"].content == _SAMPLE
    assert arguments.uploads["video"].mime_type == "video/mp4"


async def test_an_empty_file_and_a_split_boundary_are_read_correctly() -> None:
    empty = await _read(_HEAD, _TAIL)
    cut = await _read(_HEAD, _SAMPLE + _TAIL[:5], _TAIL[5:])

    assert empty.uploads["video"].content == b""
    assert cut.uploads["video"].content == _SAMPLE
