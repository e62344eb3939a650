"""Compressed, slow and endless bodies, over real connections."""

import asyncio
import contextlib
import gzip
import itertools
import ssl
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from bot.media.body import Part, Sink
from bot.media.download import Downloader
from bot.media.video import DownloadError, Fault
from bot.private_hosts import PrivateHosts
from bot.providers.base import MediaSource
from tests.fakes.clock import FrozenClock, SteadyClock
from tests.unit.file_host import FileHost

SAMPLE = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 4000
LIMIT = 2_000_000
FIXTURES = Path(__file__).parents[2] / "fixtures"


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


async def fetched(downloader: Downloader, files: FileHost, target: Path) -> bytes:
    source = MediaSource(url=f"{files.address()}/film.mp4")
    return (await downloader.fetch(source, target, limit=LIMIT)).path.read_bytes()


async def fault_of(downloader: Downloader, files: FileHost, target: Path) -> Fault:
    with pytest.raises(DownloadError) as raised:
        await fetched(downloader, files, target)
    assert list(target.parent.iterdir()) == []
    return raised.value.fault


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(SAMPLE)),
        ("GZIP", gzip.compress(SAMPLE)),
        ("gzip", gzip.compress(SAMPLE[:200]) + gzip.compress(b"") + gzip.compress(SAMPLE[200:]) + bytes(10)),
        ("x-gzip", gzip.compress(SAMPLE)),
        ("deflate", zlib.compress(SAMPLE)),
        ("deflate", bare(SAMPLE)),
        ("gzip", SAMPLE),
        ("deflate", SAMPLE),
        ("br", SAMPLE),
    ],
    ids=[
        "gzip",
        "in capitals",
        "in members",
        "x-gzip",
        "deflate",
        "bare deflate",
        "no gzip",
        "no deflate",
        "no br",
    ],
)
async def test_a_body_is_decompressed_if_header_and_content_agree(
    files: FileHost, downloader: Downloader, target: Path, *, coding: str, body: bytes
):
    files.respond_with(body, headers={"Content-Encoding": coding})

    assert await fetched(downloader, files, target) == SAMPLE


async def test_a_member_that_is_split_after_its_first_byte_is_decompressed(tmp_path: Path):
    part, second = Part(tmp_path / "film.part"), gzip.compress(b"second")
    with part.open(truncate=True) as file:
        sink = Sink(file, size=0, limit=LIMIT, decompressor=zlib.decompressobj(wbits=31))
        for chunk in (gzip.compress(b"first ") + second[:1], second[1:], b"\x1f", b"no member"):
            await sink.write(chunk)
        sink.finish()

    assert part.path.read_bytes() == b"first second"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_compressed_body_beyond_the_limit_is_refused(
    files: FileHost, downloader: Downloader, target: Path, pack
):
    files.respond_with(
        pack(SAMPLE + bytes(10 * LIMIT)),
        headers={"Content-Encoding": {gzip.compress: "gzip"}.get(pack, "deflate")},
    )

    assert await fault_of(downloader, files, target) is Fault.TOO_LARGE


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-100], lambda packed: packed[:500] + bytes(500) + packed[1000:]]
)
async def test_a_truncated_or_corrupt_compressed_body_is_retryable(
    files: FileHost, downloader: Downloader, target: Path, damage
):
    files.respond_with(damage(gzip.compress(SAMPLE)), headers={"Content-Encoding": "gzip"})

    assert await fault_of(downloader, files, target) is Fault.UNREACHABLE


@pytest.mark.parametrize(("step_s", "is_fetched"), [(200.0, False), (0.1, True)])
async def test_a_host_below_the_minimum_speed_is_retryable(
    files: FileHost, target: Path, clock: FrozenClock, *, step_s: float, is_fetched: bool
):
    files.respond_with(SAMPLE)  # in chunks of up to 256 KiB, each of which takes this long
    times = itertools.count(0.0, step_s)
    everything = PrivateHosts(everything=True)
    async with Downloader(allowed=everything, sleep=clock.sleep, clock=lambda: next(times)) as downloader:
        if is_fetched:
            assert await fetched(downloader, files, target) == SAMPLE
        else:
            assert await fault_of(downloader, files, target) is Fault.UNREACHABLE
    assert len(files.requests) == 1


async def test_a_header_of_sixty_kilobytes_is_read(files: FileHost, downloader: Downloader, target: Path):
    files.respond_with(SAMPLE, headers={"X-Policy": "p" * 60_000})

    assert await fetched(downloader, files, target) == SAMPLE


@pytest.mark.parametrize("lines", [120, 250])
async def test_a_host_with_too_long_headers_is_unreachable(
    files: FileHost, downloader: Downloader, target: Path, lines: int
):
    files.respond_with(SAMPLE, headers={f"X-Line-{number}": "p" * 1_000 for number in range(lines)})

    if lines == 120:
        assert await fetched(downloader, files, target) == SAMPLE
    else:
        assert await fault_of(downloader, files, target) is Fault.UNREACHABLE


async def test_a_download_is_readable_by_its_owner_only(
    files: FileHost, downloader: Downloader, target: Path
):
    files.respond_with(SAMPLE)
    await fetched(downloader, files, target)

    assert target.parent.stat().st_mode & 0o777 == 0o700
    assert target.with_name("film.mp4").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("interim", [1, 16, 17, 5000])
async def test_a_host_with_endless_informational_responses_is_unreachable(
    files: FileHost, downloader: Downloader, target: Path, interim: int
):
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 102 Processing\r\n\r\n" * interim)
        return web.Response(body=SAMPLE)

    files.handler = answer
    if interim <= 16:
        assert await fetched(downloader, files, target) == SAMPLE
    else:
        assert await fault_of(downloader, files, target) is Fault.UNREACHABLE


async def test_a_range_that_ends_early_is_continued(downloader: Downloader, files: FileHost, target: Path):
    half = len(SAMPLE) // 2

    async def answer(request: web.Request) -> web.StreamResponse:
        if "Range" not in request.headers:
            assert request.transport is not None
            response = web.StreamResponse(headers={"Content-Length": str(len(SAMPLE)), "ETag": '"1"'})
            await response.prepare(request)
            await response.write(SAMPLE[:half])
            request.transport.abort()
            return response
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        end = min(start + half // 2, len(SAMPLE))  # less than requested
        content_range = f"bytes {start}-{end - 1}/{len(SAMPLE)}"
        return web.Response(
            status=206, body=SAMPLE[start:end], headers={"Content-Range": content_range, "ETag": '"1"'}
        )

    files.handler = answer
    assert await fetched(downloader, files, target) == SAMPLE


@pytest.mark.parametrize("breaks_off", [True, False])
async def test_all_attempts_of_a_download_share_one_timeout(
    files: FileHost, target: Path, *, breaks_off: bool
):
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        response = web.StreamResponse(status=206 if "Range" in request.headers else 200)
        response.headers["Content-Range"] = request.headers.get("Range", "").replace("=", " ") + "/*"
        await response.prepare(request)
        await response.write(SAMPLE[:1000])
        if breaks_off:
            request.transport.abort()
        while not request.transport.is_closing():
            await asyncio.sleep(0.01)
            await response.write(SAMPLE[:1000])
        return response

    async def pause(_: float) -> None:
        await asyncio.sleep(3600 if len(files.requests) == 3 else 0)

    files.handler = answer
    everything = PrivateHosts(everything=True)
    async with Downloader(allowed=everything, sleep=pause) as downloader:
        source = MediaSource(url=f"{files.address()}/film.mp4")
        with pytest.raises(DownloadError, match="too slow overall") as raised:
            await downloader.fetch(source, target, limit=LIMIT, total_s=0.5)
    assert raised.value.fault is Fault.UNREACHABLE
    assert len(files.requests) <= (3 if breaks_off else 1)  # fewer on a machine that is busy
    assert list(target.parent.iterdir()) == []


async def test_an_untrusted_certificate_has_its_own_fault(target: Path, caplog: pytest.LogCaptureFixture):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FIXTURES / "tls" / "nobody_trusts_this.pem")
    everything = PrivateHosts(everything=True)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    async with server, Downloader(tls=ssl.create_default_context(), allowed=everything) as downloader:
        link = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/film.mp4?Signature=q7Te9b"
        with pytest.raises(DownloadError, match="certificate is not trusted") as raised:
            await downloader.fetch(MediaSource(url=link), target, limit=LIMIT)

    assert raised.value.fault is Fault.UNTRUSTED
    [record] = [each for each in caplog.records if each.levelname == "WARNING"]
    assert "127.0.0.1" in record.getMessage()
    assert "q7Te9b" not in caplog.text


async def test_an_untrusted_certificate_is_logged_once_per_host_and_outage(
    target: Path, caplog: pytest.LogCaptureFixture
):
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SAMPLE)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + SAMPLE)
        await writer.drain()
        writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FIXTURES / "tls" / "nobody_trusts_this.pem")
    trust, clock = ssl.create_default_context(), SteadyClock()
    trust.check_hostname = False
    everything = PrivateHosts(everything=True)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    other = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server, other, Downloader(tls=trust, allowed=everything, clock=clock) as downloader:

        async def warnings_after(tries: int, host: asyncio.Server = server) -> int:
            link = f"https://127.0.0.1:{host.sockets[0].getsockname()[1]}/film.mp4"
            for number in range(tries):
                with contextlib.suppress(DownloadError):
                    await downloader.fetch(
                        MediaSource(url=link), target.with_name(f"{number}-{clock()}"), limit=LIMIT
                    )
                clock.advance(60)
            return len([each for each in caplog.records if each.levelname == "WARNING"])

        assert await warnings_after(9) == 1
        assert await warnings_after(3, other) == 2
        assert await warnings_after(3) == 2
        trust.verify_mode = ssl.CERT_NONE
        await warnings_after(1)
        trust.verify_mode = ssl.CERT_REQUIRED
        assert await warnings_after(3) == 3, "after it was trusted that is another outage"
        clock.advance(7200)
        assert await warnings_after(3) == 4, "so it is after a long time"


async def test_the_given_tls_context_is_used(target: Path):
    pem = FIXTURES / "tls" / "nobody_trusts_this.pem"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(SAMPLE)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + SAMPLE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    trusting = ssl.create_default_context(cafile=str(pem))
    everything = PrivateHosts(everything=True)
    async with server, Downloader(tls=trusting, allowed=everything) as downloader:
        link = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/film.mp4"
        download = await downloader.fetch(MediaSource(url=link), target, limit=LIMIT)

    assert download.size == len(SAMPLE)
