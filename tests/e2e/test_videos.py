"""The video file from the gateway to the chat, with the real process."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
import pytest_asyncio

from bot.sandbox.faults import held
from bot.sandbox.gateway.formats import status_response
from bot.sandbox.gateway.tasks import GatewayTask
from bot.sandbox.sample_video import make_video
from bot.sandbox.telegram.chats import Attachment, Message
from bot.sandbox.telegram.server import Request
from tests.e2e.scene import Scene, announces
from tests.e2e.storage import Storage, answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP = -1001000000021
SAMPLE = make_video(size=(640, 360), seconds=3)
HALF = len(SAMPLE) // 2  # in the middle of the media data
WHOLE = answer("200 OK", SAMPLE, f"Content-Length: {len(SAMPLE)}")
REST = answer(
    "206 Partial Content",
    SAMPLE[HALF:],
    f"Content-Length: {len(SAMPLE) - HALF}",
    f"Content-Range: bytes {HALF}-{len(SAMPLE) - 1}/{len(SAMPLE)}",
)
FROM_HALF = f"Range: bytes={HALF}-"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with Scene.open(tmp_path_factory.mktemp("videos"), LOG_LEVEL="DEBUG") as scene:
        await scene.start_bot()
        yield scene


async def test_a_video_is_sent_with_its_size_and_a_thumbnail(scene: Scene):
    video = await _video(scene, scene.add_user(), _finished(scene, SAMPLE))

    assert video.file.content == SAMPLE
    assert (video.width, video.height, video.duration_s) == (640, 360, 3)
    assert video.supports_streaming
    _is_a_preview(video, size=(320, 180))


async def test_a_video_with_its_index_at_the_end_is_remuxed_for_streaming(scene: Scene):
    sample = make_video(size=(360, 640), index_first=False)
    assert sample.index(b"moov") > sample.index(b"mdat")
    anna, task = scene.add_user(), _finished(scene, sample)
    video = await _video(scene, anna, task)

    sent = video.file.content
    assert sent.index(b"moov") < sent.index(b"mdat")
    assert _packets(sent) == _packets(sample)
    _is_a_preview(video, size=(180, 320))
    [request] = _media_edits(scene, anna)
    media = request.params["media"]
    assert (media["width"], media["height"], media["duration"], media["supports_streaming"]) == (
        360,
        640,
        2,
        True,
    )


async def test_a_local_bot_api_server_gets_video_and_thumbnail_by_path(tmp_path: Path):
    async with Scene.open(tmp_path, TELEGRAM_LOCAL_MODE="true") as scene:
        await scene.start_bot()
        anna, task = scene.add_user(), _finished(scene, SAMPLE)
        video = await _video(scene, anna, task)

        [request] = _media_edits(scene, anna)
        assert request.params["media"]["media"].startswith("file://")
        assert video.file.content == SAMPLE
        assert video.file.name == f"{task.task_id.replace('-', '_')}.mp4"
        assert (video.width, video.height, video.duration_s) == (640, 360, 3)
        _is_a_preview(video, size=(320, 180))


async def test_an_unplayable_format_is_sent_as_a_document_with_the_reason(scene: Scene):
    sample = make_video(codec="libx265")
    task = _finished(scene, sample)
    message = await _result(scene, scene.add_user(), task)

    assert message.document
    assert message.document.file.content == sample
    assert message.document.file.name == f"{task.task_id.replace('-', '_')}.mp4"
    assert "hevc" in message.plain_text


async def test_another_container_is_sent_as_a_document_with_its_own_suffix(scene: Scene):
    sample = b"\x1a\x45\xdf\xa3" + bytes(2000)  # EBML, what WebM begins with
    message = await _result(scene, scene.add_user(), _finished(scene, sample))

    assert message.document
    assert message.document.file.content == sample
    assert message.document.file.name.endswith(".webm")
    assert "webm" in message.plain_text


@pytest.mark.parametrize(
    ("first", "second", "goes_on"),
    [
        (answer("200 OK", SAMPLE[:HALF], f"Content-Length: {len(SAMPLE)}"), REST, True),
        (answer("200 OK", SAMPLE[:HALF], f"Content-Length: {len(SAMPLE)}"), WHOLE, True),
        (answer("200 OK", b"%x\r\n%b\r\n" % (HALF, SAMPLE[:HALF]), "Transfer-Encoding: chunked"), REST, True),
        (answer("200 OK", SAMPLE[:HALF]), WHOLE, False),
    ],
    ids=["with-ranges", "without-ranges", "of-unknown-length", "that-seems-complete"],
)
async def test_an_interrupted_download_is_completed(scene: Scene, first: bytes, second: bytes, goes_on: bool):
    async with Storage.open(first, second) as storage:
        task = _finished(scene, SAMPLE)
        task.served.redirect_to = f"{storage.url}/film.mp4"
        video = await _video(scene, scene.add_user(), task)

        assert video.file.content == SAMPLE
        assert [FROM_HALF in request for request in storage.requests] == [False, goes_on]


async def test_a_redirect_into_a_private_network_is_not_followed(tmp_path: Path):
    # Through a proxy a name can be public without asking anybody outside.
    async with Scene.open(tmp_path, DOWNLOAD_ALLOW_PRIVATE="false") as scene:
        inside = f"{scene.gateway.files_url}/inside.mp4"
        async with Storage.open(answer("302 Found", b"", f"Location: {inside}")) as proxy:
            await scene.start_bot(DOWNLOAD_PROXY=proxy.url)
            task = _finished(scene, SAMPLE)
            link = "http://videos.example.com/film.mp4?Signature=q7%2F%2FTe9b"
            body = status_response(task, link, task.ends_at)
            scene.gateway.replay(f"/jimeng/fetch/{task.task_id}", http_status=200, headers={}, body=body)
            anna = scene.add_user()
            message = await _result(scene, anna, task)

            assert "private network" in message.plain_text
            assert link in message.plain_text
            assert [request.split()[1] for request in proxy.requests] == [link]
            assert {request.route for request in scene.gateway.requests} == {"status"}


async def test_an_expired_link_is_replaced_by_a_fresh_one(scene: Scene):
    anna, task, announced = scene.add_user(), scene.task("jimeng"), asyncio.Event()
    scene.telegram.fail("sendMessage", held(announced), when=lambda request: announces(request, anna))
    command_id = await scene.watch(anna, task)
    scene.finish(task)
    await scene.poll(anna, task)
    await scene.until_shown(anna, command_id, "Done")
    polls, expired = scene.gateway.polls(task.task_id), scene.gateway.link(task)

    task.added_at -= 3600  # signs the link anew: the storage answers 403 to the old one
    announced.set()
    video = (await scene.until_video(anna, command_id)).video
    assert video
    assert video.file.content == task.served.content
    assert scene.gateway.link(task) != expired
    assert scene.gateway.polls(task.task_id) == polls + 1


async def test_three_chats_share_one_download_and_one_upload(scene: Scene):
    task = scene.task("alibailian")
    chats = [scene.add_user() for _ in range(3)]
    requests = [await scene.watch(chat, task) for chat in chats]
    scene.finish(task)
    await scene.poll(chats[0], task)
    videos = [
        await scene.until_video(chat, command_id) for chat, command_id in zip(chats, requests, strict=True)
    ]

    assert len({video.video.file.file_id for video in videos if video.video}) == 1
    assert task.served.downloads == 1
    sources = [request.params["media"]["media"] for chat in chats for request in _media_edits(scene, chat)]
    assert len(sources) == 3
    assert sum(source.startswith("attach://") for source in sources) == 1
    await scene.until_all_is_sent()
    [downloads] = scene.folder.rglob("*.downloads")
    assert {path.name for path in downloads.rglob("*")} <= {"1"}  # the process's own folder, on PostgreSQL


@pytest.mark.parametrize("forbidden", [["videos"], ["videos", "documents"]], ids=len)
async def test_a_chat_that_forbids_videos_gets_what_it_allows(scene: Scene, forbidden: list[str]):
    group = scene.telegram.group(GROUP - len(forbidden))
    scene.telegram.forbid(group, *forbidden)
    task = _finished(scene, SAMPLE)
    message = await _result(scene, group, task, user=scene.add_user())

    if "documents" in forbidden:
        assert "Telegram doesn't allow it in this chat" in message.plain_text
        assert scene.gateway.link(task) in message.plain_text
    else:
        assert message.document
        assert message.document.file.content == SAMPLE


def _finished(scene: Scene, sample: bytes) -> GatewayTask:
    """A succeeded task with this video file."""
    task = scene.task("jimeng")
    task.served.content = sample
    scene.finish(task)
    return task


async def _video(scene: Scene, chat_id: int, task: GatewayTask) -> Attachment:
    """The video that a chat gets which asks for the task."""
    video = (await scene.until_video(chat_id, await scene.watch(chat_id, task))).video
    assert video
    return video


async def _result(scene: Scene, chat_id: int, task: GatewayTask, *, user: int | None = None) -> Message:
    """The video, or the text sent instead; either may arrive before the card."""
    command_id = await scene.watch(chat_id, task, user=user)
    [result] = await scene.wait_for(
        lambda: [
            each
            for each in scene.replies(chat_id, command_id)
            if each.text is None or "The video is ready" in each.text
        ]
    )
    return result


def _media_edits(scene: Scene, chat_id: int) -> list[Request]:
    return [
        request
        for request in scene.telegram.requests
        if request.method == "editMessageMedia" and request.params["chat_id"] == str(chat_id)
    ]


def _packets(sample: bytes) -> list[bytes]:
    with av.open(io.BytesIO(sample), mode="r") as container:
        return [bytes(packet) for packet in container.demux()]


def _is_a_preview(video: Attachment, *, size: tuple[int, int]) -> None:
    """See that there is a JPEG within Telegram's bounds (https://core.telegram.org/bots/api#sendvideo)."""
    assert video.thumbnail
    assert video.thumbnail.size < 200_000
    with av.open(io.BytesIO(video.thumbnail.content), mode="r") as picture:
        assert picture.streams.video[0].codec_context.name == "mjpeg"
        assert (picture.streams.video[0].width, picture.streams.video[0].height) == size
