"""Downloads over real connections."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from bot.media.download import Download, Downloader, downloaded
from bot.media.video import DownloadError, Fault
from bot.metrics import Metrics
from bot.providers.base import MediaSource
from bot.providers.parsing.links import requestable
from tests.unit.file_host import FileHost

SAMPLE = b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 4000
LIMIT = 2_000_000
KEY = {"Authorization": "Bearer sk-a-key"}


@pytest.fixture(autouse=True)
def _prepared(files: FileHost) -> None:
    files.respond_with(SAMPLE)


async def fetched(
    downloader: Downloader, link: str, target: Path, *, headers: dict[str, str] | None = None
) -> Download:
    return await downloader.fetch(MediaSource(url=link, headers=headers), target, limit=LIMIT)


async def fault_of(downloader: Downloader, link: str, target: Path) -> Fault:
    """The fault of a failed download, which leaves no files."""
    with pytest.raises(DownloadError) as raised:
        await fetched(downloader, link, target)
    assert link not in str(raised.value)
    assert list(target.parent.iterdir()) == []
    return raised.value.fault


async def test_a_video_is_downloaded_unchanged(files: FileHost, downloader: Downloader, target: Path):
    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    path = target.with_name("film.mp4")
    assert download == Download(path=path, size=len(SAMPLE))
    assert download.is_readable
    assert path.read_bytes() == SAMPLE
    assert list(target.parent.iterdir()) == [path]


async def test_a_downloaded_file_is_found_again(files: FileHost, downloader: Downloader, target: Path):
    first = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert downloaded(target) == first
    assert downloaded(target.with_name("other")) is None


async def test_a_file_that_cannot_be_read_is_not_found(target: Path):
    target.with_name("film.mp4").mkdir(parents=True)

    assert downloaded(target) is None


async def test_a_file_damaged_by_a_power_failure_is_downloaded_again(
    files: FileHost, downloader: Downloader, target: Path
):
    target.parent.mkdir()
    target.with_name("film.mp4").write_bytes(b"")
    assert downloaded(target) is None

    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert download.path.read_bytes() == SAMPLE


@pytest.mark.parametrize(
    "path",
    [
        "/a%2Fb.mp4?Expires=1&Signature=q7%2F%2FTe9b%2BsXw%3D&x=%7e~%E4%BD%A0",
        "/a+b%20c.mp4?sig=a+b%2Bc==&empty=&&q=%3A:",
        "/%E4%BD%A0.mp4?X-Tos-Credential=AK%2F2025%2Fcn&a;b",
    ],
)
async def test_a_signed_link_is_requested_unchanged(
    files: FileHost, downloader: Downloader, target: Path, path: str
):
    await fetched(downloader, f"{files.address()}{path}", target)

    assert files.requests[0].raw_path == path


@pytest.mark.parametrize(
    "raw",
    ["/视频 1.mp4?sig=q7%2f", "/\udce4\udcbd\udca0.mp4", "/b.mp4?Signature=q7%2F%2FTe9b%2BsXw%3D&x=%7e~"],
)
async def test_in_a_redirect_target_only_raw_bytes_are_encoded(
    files: FileHost, downloader: Downloader, target: Path, raw: str
):
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/a":
            assert request.transport is not None
            location = f"{files.address(1)}{raw}".encode("utf-8", "surrogateescape")
            head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
            request.transport.write(head)
            request.transport.close()
        return web.Response(body=SAMPLE)

    files.handler = answer
    await fetched(downloader, f"{files.address()}/a", target)

    assert files.requests[1].raw_path == requestable(raw)


async def test_a_link_with_raw_bytes_is_encoded(files: FileHost, downloader: Downloader, target: Path):
    await fetched(downloader, f"{files.address()}/视频 1.mp4?sig=q7%2F~", target)

    assert files.requests[0].raw_path == "/%E8%A7%86%E9%A2%91%201.mp4?sig=q7%2F~"


@pytest.mark.parametrize(
    ("port", "keeps"), [(0, True), (1, False)], ids=["the same host", "another host and back"]
)
async def test_the_key_is_not_sent_on_to_another_host(
    files: FileHost, downloader: Downloader, target: Path, port: int, *, keeps: bool
):
    hops = {"/a": f"{files.address(port)}/b", "/b": f"{files.address()}/c"}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path in hops:
            return web.Response(status=307, headers={"Location": hops[request.path]})
        return web.Response(body=SAMPLE)

    files.handler = answer
    await fetched(downloader, f"{files.address()}/a", target, headers=KEY)

    shown = ["Authorization" in request.headers for request in files.requests]
    assert shown == [True, keeps, keeps]


async def test_a_link_without_a_key_is_requested_without_one(
    files: FileHost, downloader: Downloader, target: Path
):
    await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert "Authorization" not in files.requests[0].headers
    assert "Cookie" not in files.requests[0].headers


async def test_a_redirect_loop_is_a_dead_link(files: FileHost, downloader: Downloader, target: Path):
    files.respond_with(status=302, headers={"Location": "/again"})

    assert await fault_of(downloader, f"{files.address()}/a", target) is Fault.DEAD_LINK
    assert len(files.requests) == 5


@pytest.mark.parametrize(
    "location", ["ftp://cdn.example/a", "file:///etc/passwd", "http://[::1", "http://a:99999/", "http://"]
)
async def test_a_redirect_to_an_invalid_url_is_a_dead_link(
    files: FileHost, downloader: Downloader, target: Path, location: str
):
    files.respond_with(status=302, headers={"Location": location})

    assert await fault_of(downloader, f"{files.address()}/a", target) is Fault.DEAD_LINK


@pytest.mark.parametrize("link", ["ftp://cdn.example/a", "not a link", "http://[::1", "http://a:99999/", ""])
async def test_an_invalid_url_is_a_dead_link(downloader: Downloader, target: Path, link: str):
    with pytest.raises(DownloadError) as raised:
        await fetched(downloader, link, target)

    assert raised.value.fault is Fault.DEAD_LINK


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_client_error_is_a_dead_link(
    files: FileHost, downloader: Downloader, target: Path, status: int
):
    files.respond_with(b"<Error/>", status=status)

    assert await fault_of(downloader, f"{files.address()}/a", target) is Fault.DEAD_LINK
    assert len(files.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_server_error_is_unreachable(
    files: FileHost, downloader: Downloader, target: Path, status: int
):
    files.respond_with(b"no", status=status)

    assert await fault_of(downloader, f"{files.address()}/a", target) is Fault.UNREACHABLE
    assert len(files.requests) == 1


async def test_a_refused_connection_is_unreachable(files: FileHost, downloader: Downloader, target: Path):
    await files.stop()

    assert await fault_of(downloader, f"{files.address()}/a", target) is Fault.UNREACHABLE


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        b'{"code":"AccessDenied","message":"Request has expired"}',
        b"<?xml version='1.0'?><Error/>",
        b"",
        b"\x89PNG\r\n\x1a\n",
    ],
)
async def test_a_page_or_json_under_a_video_link_is_not_a_video(
    files: FileHost, downloader: Downloader, target: Path, body: bytes
):
    files.respond_with(body, headers={"Content-Type": "video/mp4"})

    assert await fault_of(downloader, f"{files.address()}/film.mp4", target) is Fault.NOT_A_VIDEO


async def test_a_content_length_beyond_the_limit_stops_the_download(
    files: FileHost, downloader: Downloader, target: Path
):
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(LIMIT + 1)})
        await response.prepare(request)
        return response

    files.handler = answer
    assert await fault_of(downloader, f"{files.address()}/film.mp4", target) is Fault.TOO_LARGE


async def test_a_body_beyond_the_limit_stops_the_download(
    files: FileHost, downloader: Downloader, target: Path
):
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while sent < 100 * LIMIT:
            await response.write(SAMPLE)
            sent += len(SAMPLE)
        return response

    files.handler = answer
    assert await fault_of(downloader, f"{files.address()}/film.mp4", target) is Fault.TOO_LARGE
    assert sent < 20 * LIMIT


DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def the_rest(start: int, **headers: str) -> web.Response:
    span = f"bytes {start}-{len(SAMPLE) - 1}/{len(SAMPLE)}"
    return web.Response(status=206, body=SAMPLE[start:], headers={"Content-Range": span} | headers)


async def cut_off(
    request: web.Request, version: Mapping[str, str] | None = None, *, start: int = 0
) -> web.StreamResponse:
    """Send half of the requested bytes, then close the connection."""
    rest = SAMPLE[start:]
    span = f"bytes {start}-{len(SAMPLE) - 1}/{len(SAMPLE)}"
    headers = {"Content-Length": str(len(rest)), "Content-Range": span, **(version or {})}
    response = web.StreamResponse(status=206 if start else 200, headers=headers)
    await response.prepare(request)
    await response.write(rest[: len(rest) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_broken_download_is_resumed_or_restarted(
    files: FileHost, downloader: Downloader, target: Path, *, ranges: bool
):
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range")
        if asked is None:
            return await cut_off(request)
        if not ranges:
            return web.Response(body=SAMPLE)
        [start] = re.findall(r"bytes=(\d+)-$", asked)
        return the_rest(int(start))

    files.handler = answer
    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert download.path.read_bytes() == SAMPLE
    assert len(files.requests) == 2


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ({"ETag": '"one"', "Last-Modified": DATE}, '"one"'),
        ({"ETag": 'W/"one"', "Last-Modified": DATE}, DATE),
        ({"ETag": 'W/"one"'}, None),
    ],
    ids=["tag", "date", "neither"],
)
async def test_a_range_request_is_conditional_on_the_same_version(
    files: FileHost, downloader: Downloader, target: Path, *, version: dict[str, str], named: str | None
):
    async def answer(request: web.Request) -> web.StreamResponse:
        if "Range" not in request.headers:
            return await cut_off(request, version)
        assert request.headers.get("If-Range") == named
        return the_rest(len(SAMPLE) // 2)

    files.handler = answer
    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert download.path.read_bytes() == SAMPLE


async def test_a_wrong_content_range_is_not_appended(files: FileHost, downloader: Downloader, target: Path):
    async def answer(request: web.Request) -> web.StreamResponse:
        if len(files.requests) == 1:
            return await cut_off(request)
        return the_rest(0) if "Range" in request.headers else web.Response(body=SAMPLE)

    files.handler = answer
    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert download.path.read_bytes() == SAMPLE
    assert len(files.requests) == 3


async def test_a_file_that_has_shrunk_is_restarted(files: FileHost, downloader: Downloader, target: Path):
    async def answer(request: web.Request) -> web.StreamResponse:
        if len(files.requests) == 1:
            return await cut_off(request)
        return web.Response(status=416) if "Range" in request.headers else web.Response(body=SAMPLE)

    files.handler = answer
    download = await fetched(downloader, f"{files.address()}/film.mp4", target)

    assert download.path.read_bytes() == SAMPLE
    assert len(files.requests) == 3


@pytest.mark.parametrize(("ranges", "requests"), [(True, 4), (False, 2)])
async def test_a_download_is_resumed_only_while_it_makes_progress(
    files: FileHost, downloader: Downloader, target: Path, *, ranges: bool, requests: int
):
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = re.findall(r"bytes=(\d+)-$", request.headers.get("Range", "")) if ranges else []
        return await cut_off(request, start=int(asked[0]) if asked else 0)

    files.handler = answer
    assert await fault_of(downloader, f"{files.address()}/film.mp4", target) is Fault.UNREACHABLE
    assert len(files.requests) == requests


async def test_inline_bytes_are_written_to_disk(downloader: Downloader, target: Path):
    download = await downloader.fetch(MediaSource(data=SAMPLE), target, limit=LIMIT)

    assert (download.size, download.path.read_bytes()) == (len(SAMPLE), SAMPLE)


@pytest.mark.parametrize(
    ("data", "fault"), [(bytes(LIMIT + 1), Fault.TOO_LARGE), (b"Sorry", Fault.NOT_A_VIDEO)]
)
async def test_inline_bytes_are_checked_too(downloader: Downloader, target: Path, data: bytes, fault: Fault):
    with pytest.raises(DownloadError) as raised:
        await downloader.fetch(MediaSource(data=data), target, limit=LIMIT)

    assert raised.value.fault is fault
    assert list(target.parent.iterdir()) == []


async def test_a_full_disk_is_an_unreachable_fault(files: FileHost, downloader: Downloader, target: Path):
    target.parent.touch()
    for source in (MediaSource(url=f"{files.address()}/film.mp4"), MediaSource(data=SAMPLE)):
        with pytest.raises(DownloadError) as raised:
            await downloader.fetch(source, target, limit=LIMIT)
        assert raised.value.fault is Fault.UNREACHABLE


async def test_downloads_are_counted_by_outcome(files: FileHost, downloader: Downloader, target: Path):
    metrics = Metrics()
    downloader.count_in(metrics)
    await fetched(downloader, f"{files.address()}/film.mp4", target)
    with pytest.raises(DownloadError):
        await downloader.fetch(MediaSource(data=b"Sorry"), target, limit=LIMIT)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await fetched(downloader, f"{files.address()}/film.mp4", target)

    counted = {s.labels["outcome"]: s.value for each in metrics.downloads.collect() for s in each.samples}
    assert {name: count for name, count in counted.items() if count} == dict.fromkeys(
        ("success", "not_a_video", "aborted"), 1
    )
    assert counted["unreachable"] == counted["proxy"] == 0
    assert metrics.registry.get_sample_value("reelwatch_download_bytes_total") == len(SAMPLE)
