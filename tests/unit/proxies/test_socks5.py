"""The SOCKS 5 handshake, with servers that keep to the protocol and others."""

import asyncio
import tracemalloc

import pytest

from bot.proxies.proxy import read_proxy
from bot.proxies.socks5 import LoginRefused, NotSocks, SocksError, TargetRefused, open_through
from tests.fakes.proxy import ADDRESS, NAME, Asked, FakeProxy
from tests.fakes.raw_port import raw_port, sends
from tests.unit.file_host import FileHost

HTTP_400 = b"HTTP/1.1 400 Bad Request\r\n\r\n"
WELCOME = b"\x05\x00"


@pytest.mark.parametrize(
    ("host", "how"),
    [("p.example", NAME), ("127.0.0.1", ADDRESS), ("2001:db8::1", ADDRESS), ("a" * 255, NAME)],
)
async def test_the_target_is_a_name_or_an_address(host: str, how: str):
    async with FakeProxy.open() as fake, raw_port(sends(b"hello")) as target_port:
        with await open_through(fake.proxy("socks5h"), [host], target_port) as sock:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(sock, b"x")
            assert await loop.sock_recv(sock, 100) == b"hello"

    assert fake.asked == [Asked(how=how, host=host, port=target_port)]


async def test_the_login_is_sent_as_utf_8(files: FileHost):
    port = int(files.address().rpartition(":")[2])
    async with FakeProxy.open(login=("用户", "p@ss wörd")) as fake:
        proxy = fake.proxy("socks5", login="%E7%94%A8%E6%88%B7:p%40ss%20w%C3%B6rd")
        (await open_through(proxy, ["127.0.0.1"], port)).close()

    assert fake.logins == [("用户", "p@ss wörd")]


async def test_a_login_that_the_proxy_does_not_want_is_not_sent(files: FileHost):
    port = int(files.address().rpartition(":")[2])
    async with FakeProxy.open() as fake:
        (await open_through(fake.proxy("socks5", login="a:b"), ["127.0.0.1"], port)).close()

    assert fake.logins == []
    assert len(fake.asked) == 1


@pytest.mark.parametrize("login", ["", "anna:wrong", "anna"])
async def test_a_wrong_or_missing_login_is_refused(login: str):
    async with FakeProxy.open(login=("anna", "right")) as fake:
        with pytest.raises(LoginRefused):
            await open_through(fake.proxy("socks5", login=login), ["127.0.0.1"], 1)

    assert fake.asked == []


@pytest.mark.parametrize(
    ("code", "text"), [(1, "the proxy failed"), (5, "connection refused"), (99, "SOCKS error 99")]
)
async def test_a_refused_target_has_its_reason(code: int, text: str):
    async with FakeProxy.open() as fake:
        fake.reply = code
        with pytest.raises(TargetRefused, match=text):
            await open_through(fake.proxy("socks5"), ["127.0.0.1"], 1)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((HTTP_400,), NotSocks),
        ((b"",), NotSocks),
        ((b"\x05",), NotSocks),
        ((b"\x04\x00",), NotSocks),
        ((b"\x05\x01",), LoginRefused),
        ((b"\x05\xff",), LoginRefused),
        ((WELCOME, b"\x04\x00\x00\x01"), NotSocks),
        ((WELCOME, b""), TargetRefused),
        ((WELCOME, b"\x05\x00\x00"), TargetRefused),
        ((WELCOME, b"\x05\x00\x00\x09"), NotSocks),
        ((WELCOME, b"\x05\x00\x00\x01\x7f\x00"), TargetRefused),
    ],
)
async def test_anything_else_is_an_error(answers: tuple[bytes, ...], error: type[SocksError]):
    async with raw_port(sends(*answers)) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        with pytest.raises(error):
            await open_through(proxy, ["p.example"], 443)


async def test_a_name_that_no_protocol_can_carry_is_an_error():
    async with raw_port(sends(WELCOME)) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        with pytest.raises(OSError, match="too long"):
            await open_through(proxy, ["a" * 256], 443)


async def test_a_port_on_which_nobody_listens_is_a_refused_connection():
    async with raw_port(sends()) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        pass
    with pytest.raises(ConnectionRefusedError):
        await open_through(proxy, ["p.example"], 443)


async def test_a_proxy_that_sends_byte_after_byte_ends_with_the_callers_time():
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WELCOME + b"\x05\x00\x00\x03\xff")
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.01)

    async with raw_port(drip) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await open_through(proxy, ["p.example"], 443)


async def test_a_connection_that_is_cancelled_on_its_way_is_closed():
    asked, closed = asyncio.Event(), asyncio.Event()

    async def stay_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        asked.set()
        await reader.read()
        closed.set()

    async with raw_port(stay_silent) as port, asyncio.timeout(10):
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        opening = asyncio.create_task(open_through(proxy, ["p.example"], 443))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await opening
        await closed.wait()
        assert cancelled.tb, "its frames hold the socket, so nothing but the code has closed it"


async def test_a_flood_is_not_read():
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"\x05" * 65_536)
            await writer.drain()

    async with raw_port(flood) as port:
        proxy = read_proxy(f"socks5h://127.0.0.1:{port}")
        tracemalloc.start()
        try:
            with pytest.raises(SocksError):
                await open_through(proxy, ["p.example"], 443)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 2_000_000  # nearly all of it the server's own
