import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from bot.media.cache import QUOTA, Prepared, VideoCache
from bot.media.download import Downloader
from bot.media.probe import Inspector
from bot.media.video import Fault, VideoFile
from bot.private_hosts import PrivateHosts
from bot.providers.base import RateLimited, TaskMissing, Unavailable
from bot.sandbox.sample_video import make_video
from storage.models import Cause, Media, Task, TaskRef, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.unit.file_host import FileHost
from tests.unit.media.fake_provider import FakeProvider

SAMPLE = make_video()
OTHER_SAMPLE = make_video(size=(64, 48))
LIMIT = 1_000_000


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "downloads"


@pytest.fixture
async def cache(folder: Path, provider: FakeProvider, clock: FrozenClock) -> AsyncIterator[VideoCache]:
    async with (
        Downloader(allowed=PrivateHosts(everything=True), sleep=clock.sleep) as downloader,
        Inspector() as inspector,
    ):
        providers = {provider.name: provider, "workshop": provider}
        yield VideoCache(folder, downloader, providers, inspector=inspector, limit=LIMIT)


@pytest.fixture
def media(files: FileHost) -> Media:
    """A link to the sample video."""
    files.respond_with(SAMPLE)
    return Media(url=f"{files.address()}/film.mp4")


def task(number: int = 1, external_id: str = "cgt-2025/ü:1", provider: str = "studio") -> Task:
    ref = TaskRef(provider=provider, external_id=external_id)
    return Task(id=number, ref=ref, status=TaskStatus.SUCCEEDED, registered_at=NOON)


async def prepared(cache: VideoCache, media: Media, watched: Task | None = None) -> Prepared:
    async with cache.prepare(watched or task(), media) as found:
        return found


async def variants(cache: VideoCache, media: Media, watched: Task | None = None) -> Sequence[VideoFile]:
    """The variants of a video whose download succeeds."""
    found = await prepared(cache, media, watched)
    assert found.fault is None
    return found.variants


async def fault_of(cache: VideoCache, media: Media) -> Fault | None:
    """The retryable fault of a failed download."""
    found = await prepared(cache, media)
    assert found.variants == ()
    assert found.is_retryable
    return found.fault


async def test_the_variants_are_a_video_and_a_document(cache: VideoCache, media: Media, folder: Path):
    video, document = await variants(cache, media)

    [entry] = folder.iterdir()
    assert video == VideoFile(
        source=entry / "cgt_2025_ü_1.mp4",
        size=len(SAMPLE),
        width=320,
        height=180,
        duration_s=2.0,
        thumbnail=entry / "cgt_2025_ü_1.mp4.jpg",
    )
    assert document == VideoFile(source=entry / "cgt_2025_ü_1.mp4", size=len(SAMPLE), is_video=False)


async def test_the_video_variant_of_a_file_with_its_index_at_the_end_is_a_copy(
    cache: VideoCache, media: Media, files: FileHost, folder: Path
):
    files.respond_with(make_video(index_first=False))

    video, document = await variants(cache, media)

    [entry] = folder.iterdir()
    assert (video.source, document.source) == (
        entry / "faststart" / "cgt_2025_ü_1.mp4",
        entry / "cgt_2025_ü_1.mp4",
    )
    assert video.size == (entry / "faststart" / "cgt_2025_ü_1.mp4").stat().st_size


async def test_an_unplayable_video_is_a_document_with_the_reason(
    cache: VideoCache, media: Media, files: FileHost
):
    files.respond_with(make_video(codec="libx265", seconds=0.5))

    [document] = await variants(cache, media)

    assert (document.is_video, document.unplayable) == (False, "hevc")


async def test_another_container_is_a_document_with_the_reason(
    cache: VideoCache, media: Media, files: FileHost
):
    files.respond_with(b"\x1a\x45\xdf\xa3" + bytes(1000))

    [document] = await variants(cache, media)

    assert (document.is_video, document.unplayable) == (False, "webm")
    assert Path(document.source).name == "cgt_2025_ü_1.webm"


async def test_an_mp4_that_cannot_be_probed_is_a_document(cache: VideoCache, media: Media, files: FileHost):
    files.respond_with(SAMPLE[:24] + bytes(1000))

    [document] = await variants(cache, media)

    assert (document.is_video, document.unplayable) == (False, None)


@pytest.mark.parametrize("index_first", [True, False])
async def test_a_truncated_file_is_downloaded_again_the_next_time(
    cache: VideoCache, media: Media, files: FileHost, *, index_first: bool
):
    files.respond_with(make_video(index_first=index_first)[:-3000])
    assert await fault_of(cache, media) is Fault.UNREACHABLE

    files.respond_with(SAMPLE)
    assert len(await variants(cache, media)) == 2


async def test_a_file_stays_cached_until_it_is_discarded(
    cache: VideoCache, media: Media, files: FileHost, folder: Path
):
    files.respond_with(make_video(index_first=False))
    await variants(cache, media)
    await variants(cache, media)
    assert len(files.requests) == 1
    await variants(cache, media, task(external_id="another"))
    assert len(files.requests) == 2

    cache.discard(task())

    assert {path.name for path in folder.rglob("*.*")} == {"another.mp4", "another.mp4.jpg"}


@pytest.mark.parametrize("other", [task(external_id="cgt-2025_ü:1"), task(provider="workshop")])
async def test_the_cache_key_is_not_the_row_id(cache: VideoCache, media: Media, files: FileHost, other: Task):
    await variants(cache, media)
    files.respond_with(OTHER_SAMPLE)

    [video, _] = await variants(cache, media, other)

    assert Path(video.source).read_bytes() == OTHER_SAMPLE


async def test_a_cached_file_is_found_under_another_row_id(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    await variants(cache, media, task(1))
    await variants(cache, media, task(2))

    assert len(files.requests) == 1
    assert provider.opened == ["cgt-2025/ü:1"], "the gateway is not asked for a file that is there"


async def test_a_dead_link_is_replaced_by_a_fresh_one(
    cache: VideoCache, files: FileHost, provider: FakeProvider
):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=SAMPLE) if request.path == "/fresh.mp4" else web.Response(status=403)

    files.handler = answer
    provider.fresh_link = Media(url=f"{files.address()}/fresh.mp4")

    found = await prepared(cache, Media(url=f"{files.address()}/dead.mp4"))
    assert (len(found.variants), found.media) == (2, provider.fresh_link)
    assert provider.polled_ids == ["cgt-2025/ü:1"]


async def test_the_fresh_link_is_returned_though_it_fails_too(
    cache: VideoCache, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=403)
    provider.fresh_link = Media(url=f"{files.address()}/fresh.mp4")

    found = await prepared(cache, Media(url=f"{files.address()}/dead.mp4"))

    assert (found.fault, found.media) == (Fault.DEAD_LINK, provider.fresh_link)


@pytest.mark.parametrize("needs_auth", [True, False])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, b"{}") for status in (202, 400, 401, 403, 404, 409, 410, 423, 425, 429, 500, 503)),
        (204, b""),
        (200, b""),
        (200, b'{"status": "processing"}'),
        (200, b"<!DOCTYPE html><html></html>"),
        (200, SAMPLE[:-1000]),
    ],
)
async def test_any_error_of_a_new_link_is_retryable(
    cache: VideoCache, files: FileHost, provider: FakeProvider, *, status: int, body: bytes, needs_auth: bool
):
    files.respond_with(body, status=status)
    provider.fresh_link = own = Media(url=f"{files.address()}/content", needs_auth=needs_auth)

    assert (await prepared(cache, own)).is_retryable


async def test_a_fresh_link_is_requested_at_most_four_times(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=404)
    provider.fresh_link = media
    asked = []
    for _ in range(20):
        await prepared(cache, media)
        asked.append(len(provider.polled_ids))

    assert (asked[0], asked[1], asked[-1]) == (1, 2, 4)


async def test_after_a_fresh_link_the_old_one_is_not_used(
    cache: VideoCache, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=404)
    provider.fresh_link = Media(url=f"{files.address()}/fresh.mp4")
    old = Media(url=f"{files.address()}/old.mp4")
    for _ in range(3):
        await prepared(cache, old)

    assert [request.path for request in files.requests] == ["/old.mp4", *["/fresh.mp4"] * 3]

    cache.forget_failures(task())
    await prepared(cache, old)
    assert files.requests[4].path == "/old.mp4"


@pytest.mark.parametrize("anew", ["the same", "none", "unknown"])
async def test_a_dead_link_without_a_fresh_one_stays_dead(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider, *, anew: str
):
    files.respond_with(status=403)
    unknown = TaskMissing("expired", cause=Cause.TASK_MISSING)
    provider.fresh_link = {"the same": media, "none": None, "unknown": unknown}[anew]

    assert await fault_of(cache, media) is Fault.DEAD_LINK


async def test_an_unreachable_gateway_is_polled_for_a_fresh_link_later(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=403)
    provider.fresh_link = Unavailable("no answer", cause=Cause.UNREACHABLE)

    assert await fault_of(cache, media) is Fault.UNREACHABLE


async def test_a_fresh_link_that_the_rate_limit_delays_is_requested_with_the_next_attempt(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=403)
    provider.fresh_link = RateLimited("used up", cause=Cause.RATE_LIMITED)
    for _ in range(6):
        assert await fault_of(cache, media) is Fault.UNREACHABLE

    assert len(provider.polled_ids) == 6


async def test_an_unreachable_host_is_retried_before_a_fresh_link_is_requested(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    files.respond_with(status=503)

    provider.fresh_link = media

    assert await fault_of(cache, media) is Fault.UNREACHABLE
    assert provider.polled_ids == []
    assert await fault_of(cache, media) is Fault.UNREACHABLE
    assert provider.polled_ids == ["cgt-2025/ü:1"]


async def test_the_api_key_is_sent_if_the_provider_requires_it(
    cache: VideoCache, media: Media, files: FileHost, provider: FakeProvider
):
    provider.key = {"Authorization": "Bearer sk-a-key"}

    await variants(cache, media)

    assert files.requests[0].headers["Authorization"] == "Bearer sk-a-key"


# eviction


def put(folder: Path, name: str, *, age_s: float, size: int = 1) -> Path:
    """Create a sparse cache file of this age and size."""
    entry = folder / name
    (entry / "faststart").mkdir(parents=True)
    with (entry / "faststart" / "film.mp4").open("wb") as file:
        file.truncate(size)
    then = time.time() - age_s
    os.utime(entry, (then, then))
    return entry


async def test_files_unused_for_a_day_are_evicted(cache: VideoCache, media: Media, folder: Path):
    stale = put(folder, "stale", age_s=90_000)
    recent = put(folder, "recent", age_s=80_000)

    await variants(cache, media)

    assert (stale.exists(), recent.exists()) == (False, True)


async def test_beyond_the_quota_the_oldest_files_are_evicted_first(
    cache: VideoCache, media: Media, folder: Path
):
    half = QUOTA // 2
    oldest, middle, newest = (
        put(folder, f"film-{number}", age_s=1000 - number, size=half) for number in (7, 8, 9)
    )

    await variants(cache, media)

    assert [path.exists() for path in (oldest, middle, newest)] == [False, False, True]


async def test_files_in_use_count_towards_the_quota(cache: VideoCache, media: Media, folder: Path):
    waiting = put(folder, "waiting", age_s=1000)
    async with cache.prepare(task(), media) as found:
        os.truncate(found.variants[0].source, QUOTA)  # sparse
        await variants(cache, media, task(external_id="another"))

        assert not waiting.exists()
        assert Path(found.variants[0].source).exists()


async def test_nothing_is_downloaded_while_files_in_use_fill_the_quota(cache: VideoCache, media: Media):
    async with cache.prepare(task(), media) as found:
        os.truncate(found.variants[0].source, QUOTA)  # sparse
        other = await prepared(cache, media, task(external_id="another"))
        again = await prepared(cache, media)

    assert (other.lacks_room, other.variants, other.fault) == (True, (), None)
    assert not again.lacks_room, "a cached file needs no more room"
    assert len(await variants(cache, media, task(external_id="another"))) == 2


async def test_a_deleted_cache_folder_is_created_again(cache: VideoCache, media: Media, folder: Path):
    await variants(cache, media)
    shutil.rmtree(folder)

    assert len(await variants(cache, media)) == 2


async def test_files_in_use_are_not_evicted(cache: VideoCache, media: Media, folder: Path):
    async with cache.prepare(task(), media) as found:
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        await variants(cache, media, task(external_id="another"))

        assert [Path(sample.source).exists() for sample in found.variants] == [True, True]


async def test_links_are_not_logged(
    cache: VideoCache, files: FileHost, provider: FakeProvider, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, logger="bot")
    secret = Media(url=f"{files.address()}/film.mp4?Signature=q7Te9b")
    files.respond_with(status=403)
    provider.fresh_link = secret

    await fault_of(cache, secret)

    assert caplog.records
    assert "q7Te9b" not in caplog.text
