import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from bot.outbox.download import Downloader
from bot.outbox.faults import Fault
from bot.outbox.inspection import Inspector
from bot.outbox.larder import QUOTA, Larder, Stock
from bot.outbox.sender import Film
from bot.private_hosts import PrivateHosts
from bot.providers.base import MediaSource, Provider, ProviderError, TaskMissing, Unavailable
from bot.sandbox.film import make_film
from storage.models import Cause, Media, Snapshot, Task, TaskRef, TaskStatus
from tests.fakes.clock import NOON, FrozenClock
from tests.unit.outbox.files import Files

FILM = make_film()
OTHER_FILM = make_film(size=(64, 48))
LIMIT = 1_000_000


class Studio(Provider):
    """A gateway that gives each link out as it is, and has another one when it is asked again."""

    name = "studio"
    kind = "videos"
    host = "studio.example"

    def __init__(self) -> None:
        self.anew: Media | ProviderError | None = None
        self.key: dict[str, str] | None = None
        self.asked: list[str] = []

    async def fetch(self, external_id: str) -> Snapshot:
        self.asked.append(external_id)
        if isinstance(self.anew, ProviderError):
            raise self.anew
        return Snapshot(status=TaskStatus.SUCCEEDED, raw_status="done", media=self.anew)

    async def open_media(self, external_id: str, media: Media) -> MediaSource:
        return MediaSource(url=media.url, headers=self.key)


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "downloads"


@pytest.fixture
async def larder(folder: Path, studio: Studio, clock: FrozenClock) -> AsyncIterator[Larder]:
    async with (
        Downloader(allowed=PrivateHosts(everything=True), sleep=clock.sleep) as downloader,
        Inspector() as inspector,
    ):
        providers = {studio.name: studio, "workshop": studio}
        yield Larder(folder, downloader, providers, inspector=inspector, limit=LIMIT)


@pytest.fixture
def media(files: Files) -> Media:
    """A link to the film."""
    files.says(FILM)
    return Media(url=f"{files.address()}/film.mp4")


def task(number: int = 1, external_id: str = "cgt-2025/ü:1", provider: str = "studio") -> Task:
    ref = TaskRef(provider=provider, external_id=external_id)
    return Task(id=number, ref=ref, status=TaskStatus.SUCCEEDED, registered_at=NOON)


async def stock(larder: Larder, media: Media, watched: Task | None = None) -> Stock:
    async with larder.stock(watched or task(), media) as found:
        return found


async def forms(larder: Larder, media: Media, watched: Task | None = None) -> Sequence[Film]:
    """The forms in which a film can be had that can be had."""
    found = await stock(larder, media, watched)
    assert found.fault is None
    return found.films


async def fault_of(larder: Larder, media: Media) -> Fault | None:
    """Why a film of another host than the gateway's can't be had."""
    found = await stock(larder, media)
    assert found.films == ()
    assert found.may_come
    return found.fault


async def test_a_film_is_offered_as_a_video_and_else_as_a_file(larder: Larder, media: Media, folder: Path):
    video, document = await forms(larder, media)

    [shelf] = folder.iterdir()
    assert video == Film(
        source=shelf / "cgt_2025_ü_1.mp4",
        size=len(FILM),
        width=320,
        height=180,
        duration_s=2.0,
        thumbnail=shelf / "cgt_2025_ü_1.mp4.jpg",
    )
    assert document == Film(source=shelf / "cgt_2025_ü_1.mp4", size=len(FILM), is_video=False)


async def test_of_a_film_with_its_index_at_the_end_the_video_is_a_copy(
    larder: Larder, media: Media, files: Files, folder: Path
):
    files.says(make_film(index_first=False))

    video, document = await forms(larder, media)

    [shelf] = folder.iterdir()
    assert (video.source, document.source) == (
        shelf / "front" / "cgt_2025_ü_1.mp4",
        shelf / "cgt_2025_ü_1.mp4",
    )
    assert video.size == (shelf / "front" / "cgt_2025_ü_1.mp4").stat().st_size


async def test_a_film_that_telegram_does_not_play_is_a_file_with_the_reason(
    larder: Larder, media: Media, files: Files
):
    files.says(make_film(codec="libx265", seconds=0.5))

    [document] = await forms(larder, media)

    assert (document.is_video, document.unplayable) == (False, "hevc")


async def test_what_is_no_mp4_is_a_file_with_the_reason(larder: Larder, media: Media, files: Files):
    files.says(b"\x1a\x45\xdf\xa3" + bytes(1000))

    [document] = await forms(larder, media)

    assert (document.is_video, document.unplayable) == (False, "webm")
    assert Path(document.source).name == "cgt_2025_ü_1.webm"


async def test_an_mp4_that_cannot_be_looked_into_is_a_file(larder: Larder, media: Media, files: Files):
    files.says(FILM[:24] + bytes(1000))

    [document] = await forms(larder, media)

    assert (document.is_video, document.unplayable) == (False, None)


@pytest.mark.parametrize("index_first", [True, False])
async def test_a_film_that_is_cut_off_is_fetched_anew_the_next_time(
    larder: Larder, media: Media, files: Files, *, index_first: bool
):
    files.says(make_film(index_first=index_first)[:-3000])
    assert await fault_of(larder, media) is Fault.UNREACHABLE

    files.says(FILM)
    assert len(await forms(larder, media)) == 2


async def test_a_film_stays_for_the_next_try_until_it_is_discarded(
    larder: Larder, media: Media, files: Files, folder: Path
):
    files.says(make_film(index_first=False))
    await forms(larder, media)
    await forms(larder, media)
    assert len(files.requests) == 1
    await forms(larder, media, task(external_id="another"))
    assert len(files.requests) == 2

    larder.discard(task())

    assert {path.name for path in folder.rglob("*.*")} == {"another.mp4", "another.mp4.jpg"}


@pytest.mark.parametrize("other", [task(external_id="cgt-2025_ü:1"), task(provider="workshop")])
async def test_a_film_is_nobody_else_s_though_their_rows_have_one_number(
    larder: Larder, media: Media, files: Files, other: Task
):
    await forms(larder, media)
    files.says(OTHER_FILM)

    [video, _] = await forms(larder, media, other)

    assert Path(video.source).read_bytes() == OTHER_FILM


async def test_a_film_is_known_though_its_row_has_another_number(larder: Larder, media: Media, files: Files):
    await forms(larder, media, task(1))
    await forms(larder, media, task(2))

    assert len(files.requests) == 1


async def test_for_a_dead_link_a_fresh_one_is_asked_for(larder: Larder, files: Files, studio: Studio):
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=FILM) if request.path == "/fresh.mp4" else web.Response(status=403)

    files.answer = answer
    studio.anew = Media(url=f"{files.address()}/fresh.mp4")

    found = await stock(larder, Media(url=f"{files.address()}/dead.mp4"))
    assert (len(found.films), found.media) == (2, studio.anew)
    assert studio.asked == ["cgt-2025/ü:1"]


async def test_a_fresh_link_is_told_though_it_brings_no_film_either(
    larder: Larder, files: Files, studio: Studio
):
    files.says(status=403)
    studio.anew = Media(url=f"{files.address()}/fresh.mp4")

    found = await stock(larder, Media(url=f"{files.address()}/dead.mp4"))

    assert (found.fault, found.media) == (Fault.DEAD_LINK, studio.anew)


@pytest.mark.parametrize("needs_auth", [True, False])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, b"{}") for status in (202, 400, 401, 403, 404, 409, 410, 423, 425, 429, 500, 503)),
        (204, b""),
        (200, b""),
        (200, b'{"status": "processing"}'),
        (200, b"<!DOCTYPE html><html></html>"),
        (200, FILM[:-1000]),
    ],
)
async def test_whatever_a_young_link_answers_the_film_may_come_later(
    larder: Larder, files: Files, studio: Studio, *, status: int, body: bytes, needs_auth: bool
):
    files.says(body, status=status)
    studio.anew = own = Media(url=f"{files.address()}/content", needs_auth=needs_auth)

    assert (await stock(larder, own)).may_come


async def test_a_fresh_link_is_asked_for_a_few_times_while_a_film_can_not_be_had(
    larder: Larder, media: Media, files: Files, studio: Studio
):
    files.says(status=404)
    studio.anew = media
    asked = []
    for _ in range(20):
        await stock(larder, media)
        asked.append(len(studio.asked))

    assert (asked[0], asked[1], asked[-1]) == (1, 2, 4)


async def test_after_a_fresh_link_the_old_one_is_left_alone(larder: Larder, files: Files, studio: Studio):
    files.says(status=404)
    studio.anew = Media(url=f"{files.address()}/fresh.mp4")
    old = Media(url=f"{files.address()}/old.mp4")
    for _ in range(3):
        await stock(larder, old)

    assert [request.path for request in files.requests] == ["/old.mp4", *["/fresh.mp4"] * 3]

    larder.forget_failures(task())
    await stock(larder, old)
    assert files.requests[4].path == "/old.mp4"


@pytest.mark.parametrize("anew", ["the same", "none", "unknown"])
async def test_a_link_without_a_successor_is_dead(
    larder: Larder, media: Media, files: Files, studio: Studio, *, anew: str
):
    files.says(status=403)
    unknown = TaskMissing("expired", cause=Cause.TASK_MISSING)
    studio.anew = {"the same": media, "none": None, "unknown": unknown}[anew]

    assert await fault_of(larder, media) is Fault.DEAD_LINK


async def test_a_gateway_that_cannot_say_whether_there_is_another_link_is_asked_later(
    larder: Larder, media: Media, files: Files, studio: Studio
):
    files.says(status=403)
    studio.anew = Unavailable("no answer", cause=Cause.UNREACHABLE)

    assert await fault_of(larder, media) is Fault.UNREACHABLE


async def test_a_host_in_trouble_is_tried_again_before_another_link_is_asked_for(
    larder: Larder, media: Media, files: Files, studio: Studio
):
    files.says(status=503)

    studio.anew = media

    assert await fault_of(larder, media) is Fault.UNREACHABLE
    assert studio.asked == []
    assert await fault_of(larder, media) is Fault.UNREACHABLE
    assert studio.asked == ["cgt-2025/ü:1"]


async def test_the_key_goes_along_where_the_provider_says_so(
    larder: Larder, media: Media, files: Files, studio: Studio
):
    studio.key = {"Authorization": "Bearer sk-a-key"}

    await forms(larder, media)

    assert files.requests[0].headers["Authorization"] == "Bearer sk-a-key"


# room on the disk


def put(folder: Path, name: str, *, age_s: float, size: int = 1) -> Path:
    """A film of another time; it takes no room in truth."""
    shelf = folder / name
    (shelf / "front").mkdir(parents=True)
    with (shelf / "front" / "film.mp4").open("wb") as file:
        file.truncate(size)
    then = time.time() - age_s
    os.utime(shelf, (then, then))
    return shelf


async def test_what_nobody_came_for_in_a_day_is_deleted(larder: Larder, media: Media, folder: Path):
    stale = put(folder, "stale", age_s=90_000)
    recent = put(folder, "recent", age_s=80_000)

    await forms(larder, media)

    assert (stale.exists(), recent.exists()) == (False, True)


async def test_beyond_the_quota_the_oldest_go_first(larder: Larder, media: Media, folder: Path):
    half = QUOTA // 2
    oldest, middle, newest = (
        put(folder, f"film-{number}", age_s=1000 - number, size=half) for number in (7, 8, 9)
    )

    await forms(larder, media)

    assert [path.exists() for path in (oldest, middle, newest)] == [False, False, True]


async def test_what_is_in_use_counts_in_the_quota(larder: Larder, media: Media, folder: Path):
    waiting = put(folder, "waiting", age_s=1000)
    async with larder.stock(task(), media) as found:
        os.truncate(found.films[0].source, QUOTA)  # a hole, which takes no room in truth
        await forms(larder, media, task(external_id="another"))

        assert not waiting.exists()
        assert Path(found.films[0].source).exists()


async def test_a_film_waits_while_those_in_use_fill_the_quota(larder: Larder, media: Media):
    async with larder.stock(task(), media) as found:
        os.truncate(found.films[0].source, QUOTA)  # a hole, which takes no room in truth
        other = await stock(larder, media, task(external_id="another"))
        again = await stock(larder, media)

    assert (other.lacks_room, other.films, other.fault) == (True, (), None)
    assert not again.lacks_room, "what is on the disk takes no more room"
    assert len(await forms(larder, media, task(external_id="another"))) == 2


async def test_a_folder_that_somebody_deleted_is_made_anew(larder: Larder, media: Media, folder: Path):
    await forms(larder, media)
    shutil.rmtree(folder)

    assert len(await forms(larder, media)) == 2


async def test_what_is_being_sent_is_not_deleted(larder: Larder, media: Media, folder: Path):
    async with larder.stock(task(), media) as found:
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        await forms(larder, media, task(external_id="another"))

        assert [Path(film.source).exists() for film in found.films] == [True, True]


async def test_a_link_is_not_told_to_the_log(
    larder: Larder, files: Files, studio: Studio, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, logger="bot")
    secret = Media(url=f"{files.address()}/film.mp4?Signature=q7Te9b")
    files.says(status=403)
    studio.anew = secret

    await fault_of(larder, secret)

    assert caplog.records
    assert "q7Te9b" not in caplog.text
