"""The relay passes bytes on, holds them, and resets connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.fakes.relay import Relay
from tests.fakes.tcp import Streams, tcp_server


@pytest.fixture(name="relay")
async def open_relay() -> AsyncIterator[Relay]:
    """To a server that sends everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(100):
                writer.write(chunk)
        writer.close()

    async with tcp_server(echo) as port, Relay.open(("127.0.0.1", port), mark=b"/get") as relay:
        yield relay


@pytest.fixture(name="client")
async def connect(relay: Relay) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    yield reader, writer
    writer.close()


async def test_bytes_pass_and_marks_are_noted(relay: Relay, client: Streams):
    reader, writer = client
    for words in (b"/post", b"/get"):
        writer.write(words)
        assert await reader.readexactly(len(words)) == words

    assert relay.marks_at == [relay.sent_at]


async def test_held_bytes_arrive_when_the_relay_is_mended(relay: Relay, client: Streams):
    reader, writer = client
    relay.hold()
    writer.write(b"late")
    answer = asyncio.create_task(reader.readexactly(4))
    await asyncio.sleep(0.05)
    assert not answer.done()

    relay.mend()
    assert await answer == b"late"


async def test_broken_connections_are_reset_and_new_ones_too_until_the_relay_is_mended(
    relay: Relay, client: Streams
):
    reader, writer = client
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    relay.break_connections()
    assert await ended(reader)
    other, other_writer = await asyncio.open_connection("127.0.0.1", relay.port)
    assert await ended(other)
    other_writer.close()

    relay.mend()
    again, writing = await asyncio.open_connection("127.0.0.1", relay.port)
    writing.write(b"again")
    assert await again.readexactly(5) == b"again"
    writing.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True
