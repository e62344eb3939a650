"""httpx through a SOCKS proxy: who resolves names, one connection for many calls, and proxies that fail."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from bot.bot_api.socks_transport import SocksTransport
from bot.proxies.proxy import Proxy, read_proxy
from tests.fakes.proxy import ADDRESS, NAME, FakeProxy
from tests.fakes.raw_port import raw_port, silent
from tests.fakes.tls import tls_server, trusting
from tests.unit.file_host import FileHost

TIMEOUT = httpx.Timeout(5.0, connect=0.3)


@contextlib.asynccontextmanager
async def client(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    """A client with one connection at a time."""
    transport = SocksTransport(proxy, tls=trusting(), limits=httpx.Limits(max_connections=1))
    async with httpx.AsyncClient(transport=transport, timeout=TIMEOUT, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(("scheme", "how"), [("socks5", ADDRESS), ("socks5h", NAME)])
async def test_the_name_is_resolved_on_the_right_side_and_the_certificate_is_the_names(scheme: str, how: str):
    async with tls_server(b"hello") as port, FakeProxy.open() as fake, client(fake.proxy(scheme)) as http:
        bodies = [(await http.get(f"https://localhost:{port}/")).content for _ in range(3)]

    assert bodies == [b"hello"] * 3
    assert [asked.how for asked in fake.asked] == [how], "one connection serves all"
    assert (fake.asked[0].host == "localhost") is (how == NAME)


async def test_another_address_is_tried_when_the_proxy_can_not_reach_the_first(files: FileHost):
    files.respond_with(b"hello")
    port = files.address().rpartition(":")[2]
    async with FakeProxy.open() as fake, client(fake.proxy("socks5")) as http:
        fake.refuses_v6 = True
        assert (await http.get(f"http://localhost:{port}/")).content == b"hello"

    assert fake.asked[-1].host == "127.0.0.1"


async def test_a_refused_target_or_login_is_a_connect_error_and_frees_the_connection(files: FileHost):
    files.respond_with(b"hello")
    async with FakeProxy.open() as fake, client(fake.proxy("socks5h")) as http:
        for fake.reply in (5, 4, 1):
            with pytest.raises(httpx.ConnectError):
                await http.get(files.address())
        fake.reply = 0
        assert (await http.get(files.address())).content == b"hello"
    async with FakeProxy.open(login=("a", "b")) as fake, client(fake.proxy("socks5h", login="a:c")) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(files.address())


async def test_a_silent_proxy_is_a_connect_timeout_and_frees_the_connection():
    ended = asyncio.Semaphore(0)

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent(reader, writer)
        ended.release()

    async with raw_port(never_answer) as port:
        async with client(read_proxy(f"socks5://127.0.0.1:{port}")) as http:
            started = time.monotonic()
            for _ in range(2):
                with pytest.raises(httpx.ConnectTimeout):
                    await http.get("https://127.0.0.1/")
            assert time.monotonic() - started < 30
        async with asyncio.timeout(30):
            for _ in range(2):  # the client has closed both
                await ended.acquire()


async def test_a_certificate_for_another_name_is_refused():
    async with tls_server(b"hello") as port, FakeProxy.open() as fake, client(fake.proxy("socks5h")) as http:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await http.get(f"https://elsewhere.example:{port}/")
