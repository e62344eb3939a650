"""Gateways and downloads through each kind of proxy: what it is asked for, which addresses are refused."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.media.download import Downloader
from bot.media.public_resolver import PublicResolver
from bot.media.video import DownloadError, Fault
from bot.private_hosts import NO_PRIVATE_HOSTS, PrivateHosts
from bot.providers.base import MediaSource, Unavailable
from bot.providers.transport import HttpTransport
from bot.proxies.diagnosis import ProxyFault
from bot.proxies.proxy import Proxy, read_proxy
from bot.sandbox.sample_video import make_video
from storage.models import Cause
from tests.fakes.proxy import ADDRESS, CONNECT, FORWARD, NAME, Asked, FakeProxy
from tests.fakes.raw_port import raw_port, sends, silent
from tests.fakes.tls import serving, tls_server, trusting

SAMPLE = make_video()
KINDS = [("socks5", ADDRESS), ("socks5h", NAME), ("http", CONNECT), ("https", CONNECT)]


class Names(AbstractResolver):
    """Resolves any name to these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[str] = []
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


async def film(
    link: str,
    folder: Path,
    *,
    proxy: Proxy,
    names: Names | None = None,
    allowed: PrivateHosts = NO_PRIVATE_HOSTS,
) -> int:
    """The size of a downloaded video."""
    resolver = PublicResolver(names, allowed=allowed) if names else None
    async with Downloader(tls=trusting(), proxy=proxy, resolver=resolver, allowed=allowed) as downloader:
        return (await downloader.fetch(MediaSource(url=link), folder / "a" / "b", limit=10**8)).size


@pytest.mark.parametrize(("scheme", "how"), KINDS)
async def test_a_gateway_is_polled_through_the_proxy(scheme: str, how: str):
    tls = serving() if scheme == "https" else None
    async with tls_server(b"{}") as port, FakeProxy.open(login=("a", "p@ß"), tls=tls) as fake:
        proxy = fake.proxy(scheme, login="a:p%40%C3%9F")
        async with HttpTransport(tls=trusting(), proxy=proxy) as transport:
            for _ in range(3):
                assert (await transport.get(f"https://localhost:{port}/v1/a%3Ab", {})).status == 200

    assert [asked.how for asked in fake.asked] == [how], "one connection serves all"
    assert (fake.asked[0].host == "localhost") is (scheme != "socks5")


@pytest.mark.parametrize(("scheme", "how"), KINDS)
async def test_a_video_is_downloaded_through_the_proxy(scheme: str, how: str, tmp_path: Path):
    tls = serving() if scheme == "https" else None
    async with tls_server(SAMPLE) as port, FakeProxy.open(tls=tls) as fake:
        size = await film(
            f"https://localhost:{port}/film.mp4?a=%2F",
            tmp_path,
            proxy=fake.proxy(scheme),
            names=Names("127.0.0.1"),
            allowed=PrivateHosts(everything=True),
        )

    assert size == len(SAMPLE)
    host = "127.0.0.1" if scheme == "socks5" else "localhost"
    assert fake.asked == [Asked(how=how, host=host, port=port)]


async def test_with_socks5_names_with_private_addresses_are_refused_and_the_proxy_is_not_asked(
    tmp_path: Path,
):
    async with FakeProxy.open() as fake:
        for names in (Names("10.0.0.1"), Names("8.8.8.8", "10.0.0.1"), Names("169.254.169.254")):
            with pytest.raises(DownloadError) as caught:
                await film("http://cdn.example:1/a.mp4", tmp_path, proxy=fake.proxy("socks5"), names=names)
            assert caught.value.fault is Fault.PRIVATE

    assert fake.asked == []


async def test_with_socks5_the_proxy_connects_to_the_address_that_was_checked(tmp_path: Path):
    names = Names("8.8.8.8", "8.8.4.4")
    async with tls_server(SAMPLE) as port, FakeProxy.open() as fake:
        with pytest.raises(DownloadError) as caught:  # the certificate is not that of cdn.example
            await film(f"https://cdn.example:{port}/a.mp4", tmp_path, proxy=fake.proxy("socks5"), names=names)

    assert caught.value.fault is Fault.UNTRUSTED
    assert names.asked == ["cdn.example"]
    assert fake.asked[0] == Asked(how=ADDRESS, host="8.8.8.8", port=port)
    assert {asked.host for asked in fake.asked} <= {"8.8.8.8", "8.8.4.4"}


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
async def test_a_private_address_in_a_link_is_refused_through_any_proxy(scheme: str, tmp_path: Path):
    async with FakeProxy.open() as fake:
        for host in ("127.0.0.1", "2130706433", "localhost", "[::1]", "[::ffff:169.254.169.254]"):
            with pytest.raises(DownloadError) as caught:
                await film(f"http://{host}:1/a.mp4", tmp_path, proxy=fake.proxy(scheme))
            assert caught.value.fault is Fault.PRIVATE

    assert fake.asked == []


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
async def test_a_redirect_to_a_private_address_is_refused_through_any_proxy(scheme: str, tmp_path: Path):
    moved = sends(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/key\r\nContent-Length: 0\r\n\r\n")
    async with raw_port(moved) as port, FakeProxy.open() as fake:
        with pytest.raises(DownloadError) as caught:
            await film(
                f"http://cdn.example:{port}/", tmp_path, proxy=fake.proxy(scheme), names=Names("8.8.8.8")
            )

    assert caught.value.fault is Fault.PRIVATE
    assert [asked.port for asked in fake.asked] == [port]


async def test_with_socks5_the_next_address_is_tried(tmp_path: Path):
    names = Names("2001:4860:4860::8888", "8.8.8.8")
    async with FakeProxy.open() as fake:
        fake.refuses_v6 = True
        with contextlib.suppress(DownloadError):
            await film("http://cdn.example:1/a.mp4", tmp_path, proxy=fake.proxy("socks5"), names=names)

    assert [asked.host for asked in fake.asked][:2] == ["2001:4860:4860::8888", "8.8.8.8"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_plain_http_gateway_is_asked_for_without_a_tunnel(scheme: str):
    tls = serving() if scheme == "https" else None
    async with FakeProxy.open(tls=tls) as fake:
        ok = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        async with (
            raw_port(ok) as port,
            HttpTransport(tls=trusting(), proxy=fake.proxy(scheme)) as transport,
        ):
            assert (await transport.get(f"http://gateway.example:{port}/v1", {})).status == 200

    assert fake.asked == [Asked(how=FORWARD, host="gateway.example", port=port)]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http", "https"])
async def test_a_silent_proxy_takes_no_longer_than_a_silent_gateway(scheme: str):
    async with raw_port(silent) as port:
        proxy = read_proxy(f"{scheme}://127.0.0.1:{port}")
        async with (
            HttpTransport(tls=trusting(), proxy=proxy, timeout_s=0.3) as transport,
            asyncio.timeout(15),
        ):
            async with asyncio.timeout(15):
                with pytest.raises(Unavailable):
                    await transport.get("https://127.0.0.1/", {})


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "http"])
async def test_a_dead_proxy_is_the_cause_and_is_named(scheme: str, tmp_path: Path):
    proxy = read_proxy(f"{scheme}://anna:hunter2@127.0.0.1:9")
    async with HttpTransport(tls=trusting(), proxy=proxy) as transport:
        with pytest.raises(Unavailable) as poll:
            await transport.get("https://gateway.example/", {})
    with pytest.raises(DownloadError) as download:
        await film("https://cdn.example/a.mp4", tmp_path, proxy=proxy, names=Names("8.8.8.8"))

    assert poll.value.cause is Cause.PROXY
    assert poll.value.proxy_fault is ProxyFault.REFUSED
    assert poll.value.message.startswith(f"the proxy {scheme}://127.0.0.1:9 refuses connections")
    assert download.value.fault is Fault.PROXY
    assert str(download.value).startswith(f"the proxy {scheme}://127.0.0.1:9 refuses connections")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_login_that_the_proxy_refuses_is_the_cause_with_and_without_a_tunnel(scheme: str):
    async with (
        FakeProxy.open(login=("a", "b")) as fake,
        HttpTransport(tls=trusting(), proxy=fake.proxy("http", login="a:c")) as transport,
    ):
        with pytest.raises(Unavailable) as poll:
            await transport.get(f"{scheme}://127.0.0.1:1/", {})

    assert poll.value.cause is Cause.PROXY
    assert poll.value.proxy_fault is ProxyFault.LOGIN


async def test_a_gateway_that_the_proxy_can_not_reach_is_the_gateways_fault():
    async with (
        FakeProxy.open() as fake,
        HttpTransport(tls=trusting(), proxy=fake.proxy("socks5h")) as transport,
    ):
        fake.reply = 5
        with pytest.raises(Unavailable) as poll:
            await transport.get("https://gateway.example/", {})

    assert poll.value.cause is Cause.UNREACHABLE
    assert poll.value.message == "no response (ClientConnectorError)"
    assert poll.value.proxy_fault is None


async def test_with_socks5_a_failed_download_asks_the_proxy_for_no_unchecked_address(tmp_path: Path):
    names = Names("8.8.8.8")
    async with FakeProxy.open() as fake:
        fake.reply = 1
        with pytest.raises(DownloadError) as download:
            await film("http://localhost.example:1/a.mp4", tmp_path, proxy=fake.proxy("socks5"), names=names)

    assert download.value.fault is Fault.UNREACHABLE
    assert {asked.host for asked in fake.asked} == {"8.8.8.8"}
