import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.media.download import Download, Downloader
from bot.media.public_resolver import PrivateAddress, PublicResolver, address_of, check_address, is_public
from bot.media.video import DownloadError, Fault
from bot.private_hosts import PrivateHosts, private_hosts
from bot.providers.base import MediaSource
from bot.proxies.proxy import read_proxy
from tests.fakes.clock import FrozenClock
from tests.unit.file_host import FileHost

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # link-local: cloud metadata
    "100.64.0.1",  # carrier-grade NAT
    "100.127.255.255",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0a00:0001",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo, always in 2001::/23
    "168.63.129.16",  # Azure's host
    "192.0.0.8",
    "192.88.99.1",
    "198.51.100.7",
    "203.0.113.7",
    "fec0::1",  # site-local
    "100::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "::8.8.8.8",
    "::127.0.0.1",
    "::ffff:0:8.8.8.8",
    "64:ff9b:1::1",
    "64:ff9b:1::808:808",
    "fe80::5efe:8.8.8.8",
    "2606:4700::5efe:10.0.0.1",  # ISATAP
    "2606:4700::200:5efe:10.0.0.1",
    "::ffff:168.63.129.16",
    "64:ff9b::a83f:8110",
    "2002:a83f:8110::1",
]
FORBIDDEN = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "fd00:ec2::254",
]
PUBLIC = [
    "::ffff:8.8.8.8",
    "2002:808:808::1",
    "2606:4700::5efe:8.8.8.8",
    "168.63.129.17",
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "64:ff9b::808:808",
]


class ScriptedNames(AbstractResolver):
    """Resolves each name as given."""

    def __init__(self, **names: Sequence[str]) -> None:
        self._names = names
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._names[host]
        ]

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_no_setting_allows_cloud_metadata_addresses(address: str):
    everything = PrivateHosts(everything=True)
    own = everything.with_origins([("inside", 80), (address, 80)])

    for allowed in (everything, own):
        with pytest.raises(PrivateAddress):
            await PublicResolver(ScriptedNames(inside=[address]), allowed=allowed).resolve("inside", 80)
        with pytest.raises(PrivateAddress):
            check_address(address, 80, address, allowed)


async def test_private_hosts_are_allowed_as_configured():
    names = ScriptedNames(nas=["192.168.1.5"], other=["192.168.1.6"], lan=["10.1.2.3"])
    allowed = private_hosts(["nas:8080", "10.0.0.0/8"]).with_origins([("other", 3000)])
    resolver = PublicResolver(names, allowed=allowed)

    for host, port in (("nas", 8080), ("lan", 80), ("other", 3000)):
        assert await resolver.resolve(host, port)
    for host, port in (("nas", 80), ("other", 80)):
        with pytest.raises(PrivateAddress):
            await resolver.resolve(host, port)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("localhost", "127.0.0.1"),
        ("gw.localhost", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0xA9FEA9FE", "169.254.169.254"),
        ("127.0.0.1.", "127.0.0.1"),
        ("99999999999", None),
        ("cdn.example", None),
        ("1.example", None),
        ("0xcafe.example", None),
        ("face", None),
    ],
)
def test_a_literal_address_is_recognised_in_every_notation(host: str, address: str | None):
    assert address_of(host) == address


async def test_a_public_name_is_resolved():
    names = PublicResolver(ScriptedNames(cdn=["8.8.8.8", "1.1.1.1"]))

    assert [found["host"] for found in await names.resolve("cdn", 443)] == ["8.8.8.8", "1.1.1.1"]


async def test_a_fake_ip_of_a_local_proxy_is_accepted():
    names = PublicResolver(ScriptedNames(cdn=["198.18.0.27"], far=["198.19.255.254"]))

    for name in ("cdn", "far"):
        assert len(await names.resolve(name, 443)) == 1


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"], ["198.18.0.27", "10.0.0.1"]]
)
async def test_a_name_with_a_private_address_is_rejected(addresses: list[str]):
    names = PublicResolver(ScriptedNames(trap=addresses))

    with pytest.raises(PrivateAddress, match="trap resolves to a private address"):
        await names.resolve("trap", 80)


async def test_closing_it_closes_the_underlying_resolver():
    names = ScriptedNames()

    await PublicResolver(names).close()

    assert names.is_closed


# downloads

SAMPLE = b"\x00\x00\x00\x18ftypisom" + bytes(1000)


async def fetched(downloader: Downloader, link: str, target: Path) -> Download:
    return await downloader.fetch(MediaSource(url=link), target, limit=len(SAMPLE))


async def fault_of(downloader: Downloader, link: str, target: Path) -> Fault:
    """The fault of a failed download."""
    with pytest.raises(DownloadError) as raised:
        await fetched(downloader, link, target)
    return raised.value.fault


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "film"


class Names(PublicResolver):
    """The system's resolver, plus cdn.example as a public host."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != "cdn.example":
            return await super().resolve(host, port, family)
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)
        ]


@pytest.fixture
async def careful(clock: FrozenClock) -> AsyncIterator[Downloader]:
    """A downloader with the default address checks."""
    async with Downloader(resolver=Names(), sleep=clock.sleep) as opened:
        yield opened


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.27",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
async def test_a_private_address_is_rejected(files: FileHost, careful: Downloader, target: Path, host: str):
    port = files.address().rpartition(":")[2]

    with pytest.raises(DownloadError, match="DOWNLOAD_ALLOW_PRIVATE") as raised:
        await fetched(careful, f"http://{host}:{port}/film.mp4", target)
    assert raised.value.fault is Fault.PRIVATE
    assert files.requests == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1", "0", "127.0.0.1."])
async def test_an_address_in_another_notation_is_rejected(
    files: FileHost, careful: Downloader, target: Path, host: str
):
    port = files.address().rpartition(":")[2]

    await fault_of(careful, f"http://{host}:{port}/film.mp4", target)

    assert files.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "169.254.169.254"])
async def test_a_redirect_to_a_private_address_is_rejected(
    files: FileHost, careful: Downloader, target: Path, host: str
):
    port = files.address().rpartition(":")[2]
    files.respond_with(status=302, headers={"Location": f"http://{host}:{port}/film.mp4"})

    assert await fault_of(careful, f"http://cdn.example:{port}/film.mp4", target) is Fault.PRIVATE
    assert len(files.requests) == 1


async def test_a_public_host_is_accepted(files: FileHost, careful: Downloader, target: Path):
    files.respond_with(SAMPLE)
    port = files.address().rpartition(":")[2]

    assert (await fetched(careful, f"http://cdn.example:{port}/film.mp4", target)).size == len(SAMPLE)


async def test_private_addresses_are_rejected_by_default(files: FileHost, target: Path):
    port = files.address().rpartition(":")[2]
    async with Downloader() as downloader:
        for host in ("127.0.0.1", "localhost"):
            assert await fault_of(downloader, f"http://{host}:{port}/film.mp4", target) is Fault.PRIVATE


async def test_a_proxy_gets_names_but_no_private_address(files: FileHost, target: Path):
    files.respond_with(SAMPLE)
    async with Downloader(proxy=read_proxy(files.address())) as downloader:
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:169.254.169.254]"):
            assert await fault_of(downloader, f"http://{host}:1/film.mp4", target) is Fault.PRIVATE
        await fetched(downloader, "http://cdn.example/film.mp4?a=%2F", target)

    assert [request.headers["Host"] for request in files.requests] == ["cdn.example"]


async def test_an_allowed_origin_is_accepted_and_another_port_is_not(files: FileHost, target: Path):
    files.respond_with(SAMPLE)
    port = int(files.address().rpartition(":")[2])
    async with Downloader(allowed=PrivateHosts().with_origins([("127.0.0.1", port)])) as downloader:
        assert await fault_of(downloader, f"{files.address(1)}/film.mp4", target) is Fault.PRIVATE
        assert (await fetched(downloader, f"{files.address()}/film.mp4", target)).size == len(SAMPLE)
