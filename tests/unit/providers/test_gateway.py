import asyncio
import base64
import json
from dataclasses import replace

import pytest

from bot.providers.account import Account
from bot.providers.base import (
    AuthFailed,
    BadResponse,
    MediaSource,
    ProviderError,
    TaskMissing,
    Unavailable,
)
from bot.providers.formats.alibailian import Alibailian
from bot.providers.formats.base import WireFormat
from bot.providers.formats.newapi import NewApi
from bot.providers.formats.videos import Videos
from bot.providers.gateway import Gateway, Gateways, Transport, build_gateway
from bot.providers.parsing.fields import Json
from bot.providers.parsing.inline import cut_videos
from bot.providers.parsing.response import Response
from bot.providers.registry import ProviderConfig
from storage.models import Cause, Media, Snapshot, TaskStatus
from tests.fakes.transport import FakeTransport, always, json_response, never, response

KEY = "sk-Zq7LmW2xVt9RbK4cYh3N"
BASE_URL = "https://gateway.example.com"


def gateway(transport: Transport, *, wire: type[WireFormat] = Videos, key: str = KEY) -> Gateway:
    return Gateway(wire(Account(name="mine", base_url=BASE_URL, key=key)), transport)


async def test_the_question_shows_the_key_and_quotes_the_id():
    transport = always(json_response({"status": "completed", "progress": 100}))
    snapshot = await gateway(transport).fetch("sora-2:a+b=c")

    (url, headers), *more = transport.requested
    assert not more
    assert snapshot.status is TaskStatus.SUCCEEDED
    assert url == f"{BASE_URL}/v1/videos/sora-2%3Aa%2Bb%3Dc"
    assert headers == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "reelwatch",
        "Authorization": f"Bearer {KEY}",
    }


async def test_a_key_that_no_header_can_carry_is_a_wrong_key():
    with pytest.raises(AuthFailed) as caught:
        await gateway(never(), key="sk-密钥").fetch("video_1")
    assert caught.value.permanent


async def test_an_invalid_id_is_not_requested():
    with pytest.raises(TaskMissing):
        await gateway(never()).fetch("../v1/models")


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(url="https://cdn.example.com/v.mp4?s=%2F"),
            MediaSource(url="https://cdn.example.com/v.mp4?s=%2F"),
        ),
        (
            Media(url=f"{BASE_URL}/f.mp4", needs_auth=True),
            MediaSource(url=f"{BASE_URL}/f.mp4", headers={"Authorization": f"Bearer {KEY}"}),
        ),
        (
            Media(url="https://evil.example/f.mp4", needs_auth=True),
            MediaSource(url="https://evil.example/f.mp4"),
        ),
    ],
)
async def test_a_video_is_fetched_with_the_key_from_the_gateway_only(media: Media, source: MediaSource):
    assert await gateway(never()).open_media("sora-2:x", media) == source


async def test_bytes_inside_the_response_are_requested_again():
    link = "data:video/mp4;base64," + base64.b64encode(b"video").decode()
    provider = gateway(always(json_response({"status": "completed", "metadata": {"url": link}})))
    snapshot = await provider.fetch("video_1")
    assert snapshot.media == Media(url=None)
    assert await provider.open_media("video_1", snapshot.media) == MediaSource(data=b"video")


@pytest.mark.parametrize("size", [1, 2_000, 3_000_001])
async def test_bytes_that_were_cut_out_of_a_large_response_are_decoded(size: int):
    video = bytes(range(256)) * (size // 256) + b"x"
    link = "data:video/mp4;base64," + base64.b64encode(video).decode()
    body = json.dumps({"status": "completed", "url": link}).replace("/", "\\/").encode()
    cut = cut_videos(body.replace(b"\\/mp4", b"/mp4"))
    assert cut
    provider = gateway(always(Response(status=200, headers={}, body=cut[0], videos=cut[1])))
    snapshot = await provider.fetch("video_1")
    assert snapshot.media == Media(url=None)
    assert await provider.open_media("video_1", snapshot.media) == MediaSource(data=video)


async def test_a_large_response_does_not_block_the_event_loop():
    body = json.dumps({"status": "in_progress", "x": ["y" * 50] * 15_000}).encode()
    provider = gateway(always(Response(status=200, headers={}, body=body)))
    loop_ran = asyncio.Event()
    asyncio.get_running_loop().call_soon(loop_ran.set)
    await provider.fetch("video_1")
    assert loop_ran.is_set()


async def test_a_link_that_took_the_place_of_the_bytes_is_used():
    provider = gateway(always(json_response({"status": "completed", "url": "https://x.example/v"})))
    source = await provider.open_media("video_1", Media(url=None))
    assert source == MediaSource(url="https://x.example/v")


@pytest.mark.parametrize("url", [None, "data:video/mp4;base64,====", "gone"])
async def test_bytes_that_are_gone_are_no_video(url: str | None):
    provider = gateway(always(json_response({"status": "completed", "url": url})))
    with pytest.raises(BadResponse) as caught:
        await provider.open_media("video_1", Media(url=None))
    assert caught.value.cause is Cause.NO_VIDEO


RUNNING = {"status": "in_progress", "progress": 10}
FURTHER = {"status": "in_progress", "progress": 20}


class CountingVideos(Videos):
    """Counts the responses that it parses."""

    reads = 0

    def read(self, response: Json, external_id: str) -> Snapshot:
        self.reads += 1
        return super().read(response, external_id)


class CannedVideos(CountingVideos):
    """Returns the same snapshot for every response, at little cost."""

    def read(self, response: Json, external_id: str) -> Snapshot:
        self.reads += 1
        return Snapshot(status=TaskStatus.QUEUED, raw_status="queued")


def remembering(*responses: Response) -> tuple[Gateway, CountingVideos]:
    """A gateway with these responses; the last one is repeated."""
    script = list(responses)
    wire = CountingVideos(Account(name="mine", base_url=BASE_URL, key=KEY))
    return Gateway(wire, FakeTransport(lambda: script.pop(0) if len(script) > 1 else script[0])), wire


async def test_an_unchanged_response_is_not_parsed_again():
    provider, wire = remembering(json_response(RUNNING))
    first = await provider.fetch("video_1")

    assert await provider.fetch("video_1") is first
    assert await provider.fetch("video_1") is first
    assert wire.reads == 1


async def test_a_changed_response_is_parsed():
    provider, wire = remembering(json_response(RUNNING), json_response(FURTHER))
    seen = [(await provider.fetch("video_1")).progress for _ in range(3)]

    assert seen == [10, 20, 20]
    assert wire.reads == 2


async def test_a_number_of_the_question_is_no_news():
    def numbered(number: int, status: str) -> Response:
        return json_response({"request_id": f"{number:08d}", "output": {"task_status": status}})

    script = [numbered(1, "RUNNING"), numbered(2, "RUNNING"), numbered(3, "SUCCEEDED")]
    provider = gateway(FakeTransport(lambda: script.pop(0)), wire=Alibailian)
    first = await provider.fetch("task-1")

    assert await provider.fetch("task-1") is first
    assert (await provider.fetch("task-1")).status is TaskStatus.SUCCEEDED


async def test_the_same_response_for_another_task_is_parsed():
    provider, wire = remembering(json_response(RUNNING))
    for external_id in ("video_1", "video_2", "video_1"):
        await provider.fetch(external_id)

    assert wire.reads == 2


@pytest.mark.parametrize("status", [200, 429, 500])
async def test_an_error_response_is_not_cached(status: int):
    refusal = json_response({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, status=status)
    running = json_response(RUNNING)
    provider, _ = remembering(running, refusal, refusal, running)
    before = await provider.fetch("video_1")
    for _ in range(2):
        with pytest.raises(ProviderError):
            await provider.fetch("video_1")

    assert await provider.fetch("video_1") == before


async def test_a_body_that_came_with_an_error_is_read_when_it_comes_with_success():
    provider, wire = remembering(json_response(RUNNING, status=500), json_response(RUNNING))
    with pytest.raises(Unavailable):
        await provider.fetch("video_1")

    assert (await provider.fetch("video_1")).status is TaskStatus.RUNNING
    assert wire.reads == 1


@pytest.mark.parametrize(
    "link",
    [
        "http://gateway.example.com/v1/videos/video_1/content",
        "https://other.example:3000/v1/videos/video_1/content",
        "http://localhost:3000/v1/videos/video_1/content",
    ],
)
async def test_the_gateways_own_content_is_requested_at_its_base_url_with_the_key(link: str):
    provider = gateway(always(json_response({"status": "completed", "url": link})))
    snapshot = await provider.fetch("video_1")
    assert snapshot.media is not None
    source = await provider.open_media("video_1", snapshot.media)
    assert source.url == f"{BASE_URL}/v1/videos/video_1/content"
    assert source.headers == {"Authorization": f"Bearer {KEY}"}


async def test_the_content_of_another_task_elsewhere_gets_no_key():
    link = "https://other.example/v1/videos/video_2/content"
    provider = gateway(always(json_response({"status": "completed", "url": link})))
    snapshot = await provider.fetch("video_1")
    assert snapshot.media == Media(url=link)


async def test_a_final_snapshot_is_not_cached():
    provider, wire = remembering(json_response({"status": "completed"}))
    for _ in range(2):
        await provider.fetch("video_1")

    assert wire.reads == 2


async def test_the_cache_evicts_the_least_recently_used():
    wire = CannedVideos(Account(name="mine", base_url=BASE_URL, key=KEY))
    provider = Gateway(wire, always(json_response({})))
    await provider.fetch("stale")
    await provider.fetch("fresh")
    for number in range(19_998):
        await provider.fetch(f"video_{number}")
    await provider.fetch("fresh")
    reads = wire.reads
    assert reads == 20_000

    await provider.fetch("one-more")
    await provider.fetch("fresh")
    assert wire.reads == reads + 1
    await provider.fetch("stale")
    assert wire.reads == reads + 2


@pytest.mark.parametrize(
    ("reply", "is_own"),
    [
        (json_response({"error": {"message": "job failed"}}, status=500), True),
        (json_response({"message": "fine"}), True),
        (json_response({"error": "invalid channel id"}, status=400), True),
        (json_response({"error": "no such task"}, status=404), True),
        (json_response(["busy"], status=503), True),
        (response(b"<html>Bad gateway</html>", status=502), False),
        (response(b"<html>Sign in</html>"), False),
        (response(b"", status=503), False),
        (response(b'{"status": "runn'), False),
    ],
)
async def test_any_json_response_is_the_gateways_own(reply: Response, is_own: bool):
    with pytest.raises(ProviderError) as caught:
        await gateway(always(reply)).fetch("video_1")

    assert caught.value.is_gateway_reply is is_own
    assert caught.value.http_status == reply.status


NEW_API_ID = "task_" + "aB3" * 10 + "Zz"


def with_sister(transport: Transport) -> Gateway:
    account = Account(name="mine", base_url=BASE_URL, key=KEY)
    return Gateway(Videos(account), transport, sister=NewApi(account))


async def test_a_new_api_task_is_requested_at_its_sister_path_with_the_same_key():
    body = {"code": "success", "data": {"task_id": NEW_API_ID, "status": "SUCCESS", "progress": "100%"}}
    transport = always(json_response(body))

    found = await with_sister(transport).fetch_elsewhere(NEW_API_ID)

    assert found is not None
    assert found.status is TaskStatus.SUCCEEDED
    ((url, headers),) = transport.requested
    assert url == f"{BASE_URL}/v1/video/generations/{NEW_API_ID}"
    assert headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "said",
    [
        json_response({"error": {"message": "no such path"}}, status=404),
        json_response({"code": "task_not_exist", "message": "task_not_exist"}, status=400),
        response(b"<html>"),
    ],
)
async def test_a_sister_path_that_does_not_know_the_task_gives_none(said: Response):
    assert await with_sister(always(said)).fetch_elsewhere(NEW_API_ID) is None


async def test_a_path_of_the_providers_own_takes_the_place_of_the_formats_and_its_sisters():
    config = ProviderConfig(name="mine", kind="videos", base_url=BASE_URL, api_key=KEY, path="/x/{id}/status")
    transport = always(json_response({"status": "queued", "id": NEW_API_ID}))
    provider = build_gateway(config, transport)

    await provider.fetch("task:1")

    assert [url for url, _ in transport.requested] == [f"{BASE_URL}/x/task%3A1/status"]
    assert await provider.fetch_elsewhere(NEW_API_ID) is None


async def test_other_ids_and_other_formats_have_no_sister_path():
    assert await with_sister(never()).fetch_elsewhere("sora-2:task_01k81e7r1mf0qtvp3ett3mr4jm") is None
    assert await with_sister(never()).fetch_elsewhere("video_68d7512d07848190b3e45da0ecbebcde") is None
    assert await gateway(never()).fetch_elsewhere(NEW_API_ID) is None


@pytest.mark.parametrize(
    ("headers", "wish_s"),
    [
        ({"openai-poll-after-ms": "15000"}, 15.0),
        ({"openai-poll-after-ms": "15000", "retry-after": "40"}, 15.0),
        ({"retry-after": "40"}, 40.0),
        ({"openai-poll-after-ms": "86400000000"}, 3600.0),
        ({"openai-poll-after-ms": "9" * 400}, None),
        ({"openai-poll-after-ms": "-5"}, None),
        ({"openai-poll-after-ms": "inf"}, None),
        ({"openai-poll-after-ms": "nan"}, None),
        ({"openai-poll-after-ms": "soon"}, None),
        ({"openai-poll-after-ms": ""}, None),
        ({}, None),
    ],
)
async def test_a_response_can_request_a_later_poll_within_bounds(
    headers: dict[str, str], wish_s: float | None
):
    said = json_response({"id": "video_1", "status": "in_progress"})
    asking = gateway(always(replace(said, headers=headers)))

    assert (await asking.fetch("video_1")).poll_after_s == wish_s
    assert (await asking.fetch("video_1")).poll_after_s == wish_s, "also when it says the same again"


async def test_a_requested_delay_ends_with_the_response_without_one():
    said = json_response({"id": "video_1", "status": "in_progress"})
    wishing = replace(said, headers={"openai-poll-after-ms": "15000"})
    responses = iter([wishing, said])
    asking = gateway(FakeTransport(lambda: next(responses)))

    assert [(await asking.fetch("video_1")).poll_after_s for _ in range(2)] == [15.0, None]


OPEN_LINK = Media(url="https://cdn.example/v.mp4?sig=1")


async def test_a_provider_that_is_not_configured_has_to_be_put_back_by_a_person():
    with pytest.raises(AuthFailed) as refused:
        await Gateways()["gone"].fetch("task-1")

    assert (refused.value.cause, refused.value.permanent) == (Cause.NOT_CONFIGURED, True)


async def test_an_open_link_of_a_provider_that_is_not_configured_still_works():
    assert await Gateways()["gone"].open_media("task-1", OPEN_LINK) == MediaSource(url=OPEN_LINK.url)


@pytest.mark.parametrize("media", [Media(url=OPEN_LINK.url, needs_auth=True), Media(url=None)])
async def test_a_video_that_needs_the_key_of_a_provider_that_is_not_configured_is_refused(media: Media):
    with pytest.raises(AuthFailed):
        await Gateways()["gone"].open_media("task-1", media)
