"""Keys, links, files and what goes wrong."""

import asyncio
import io
import re

import av
import httpx
import pytest

from bot.sandbox.faults import DROPPED, held, html_response, json_response
from bot.sandbox.gateway import FakeGateway
from bot.sandbox.gateway.ids import new_id
from bot.sandbox.gateway.tasks import KINDS, GatewayTask


@pytest.fixture
def task(gateway: FakeGateway) -> GatewayTask:
    """Done already."""
    return gateway.add("alibailian", "a1", seconds=0)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer sk-other"}])
async def test_a_wrong_key_is_refused(
    gateway: FakeGateway, storage_client: httpx.AsyncClient, header: dict[str, str]
) -> None:
    for path in ("/v1/videos/x", "/v1/videos/x/content", "/alibailian/api/v1/tasks/x"):
        answer = await storage_client.get(f"{gateway.url}{path}", headers=header)

        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "new_api_error"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_link_works_only_byte_for_byte(
    gateway: FakeGateway, storage_client: httpx.AsyncClient, kind: str
) -> None:
    done = gateway.add(kind, "id", seconds=0)
    link = gateway.link(done)

    right = await storage_client.get(link)
    other = await storage_client.get(link.replace("%2F", "/").replace("%2B", "+").replace("%3D", "="))
    bare = await storage_client.get(link.partition("?")[0])

    assert right.content == done.served.content
    assert right.headers["Content-Type"] == "video/mp4"
    assert link != other.request.url
    assert (other.status_code, "SignatureDoesNotMatch" in other.text) == (403, True)
    assert bare.status_code == 403


async def test_the_storage_refuses_a_request_with_the_key(
    gateway: FakeGateway, client: httpx.AsyncClient, task: GatewayTask
) -> None:
    answer = await client.get(gateway.link(task))

    assert answer.status_code == 400
    assert gateway.requests[-1].headers["Authorization"] == f"Bearer {gateway.key}"


async def test_the_video_of_an_unfinished_task_is_not_found(
    gateway: FakeGateway, storage_client: httpx.AsyncClient
) -> None:
    unfinished = gateway.add("videos", "v1", seconds=100)

    answer = await storage_client.get(gateway.link(unfinished))

    assert (answer.status_code, "NoSuchKey" in answer.text) == (404, True)


async def test_a_range_of_a_file_can_be_requested(
    gateway: FakeGateway, storage_client: httpx.AsyncClient, task: GatewayTask
) -> None:
    content, link = task.served.content, gateway.link(task)

    middle = await storage_client.get(link, headers={"Range": "bytes=10-19"})
    rest = await storage_client.get(link, headers={"Range": "bytes=1000-"})
    beyond = await storage_client.get(link, headers={"Range": f"bytes={len(content)}-"})

    assert (middle.status_code, middle.content) == (206, content[10:20])
    assert middle.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    assert rest.content == content[1000:]
    assert beyond.status_code == 416


async def test_a_download_can_be_interrupted(
    gateway: FakeGateway, storage_client: httpx.AsyncClient, task: GatewayTask
) -> None:
    task.served.cut_after = 100

    with pytest.raises(httpx.RemoteProtocolError, match="received 100 bytes"):
        await storage_client.get(gateway.link(task))

    assert task.served.downloads == 1


async def test_a_file_can_be_a_redirect(
    gateway: FakeGateway, storage_client: httpx.AsyncClient, task: GatewayTask
) -> None:
    task.served.redirect_to = "http://127.0.0.1:9/elsewhere.mp4"

    answer = await storage_client.get(gateway.link(task))

    assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:9/elsewhere.mp4")


def test_every_task_has_a_video_of_its_own_that_plays(gateway: FakeGateway) -> None:
    first, second = gateway.add("videos", "v1"), gateway.add("videos", "v2")

    assert first.served.content != second.served.content
    with av.open(io.BytesIO(first.served.content), mode="r") as container:
        assert container.streams.video[0].codec_context.name == "h264"


async def test_a_recorded_response_is_replayed_unchanged(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.replay("/v1/videos/a", http_status=429, headers={"Retry-After": "1"}, body={"error": "慢"})
    gateway.replay("/v1/videos/b", http_status=403, headers={"Content-Type": "text/html"}, body="<html>")

    as_json, as_text = await client.get("/v1/videos/a"), await client.get("/v1/videos/b")

    assert (as_json.status_code, as_json.json(), as_json.headers["Retry-After"]) == (
        429,
        {"error": "慢"},
        "1",
    )
    assert (as_text.status_code, as_text.text) == (403, "<html>")
    assert as_text.headers["Content-Type"] == "text/html"


async def test_a_recorded_response_of_an_unknown_path_is_replayed_too(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.replay("/v2/query?task_id=a%3A1", http_status=200, headers={}, body={"status": "done"})

    answer = await client.get("/v2/query?task_id=a%3A1")
    other = await client.get("/v2/query?task_id=b")

    assert (answer.status_code, answer.json(), other.status_code) == (200, {"status": "done"}, 404)


async def test_faults_match_by_route_kind_or_task(
    gateway: FakeGateway, client: httpx.AsyncClient, task: GatewayTask
) -> None:
    status = f"/alibailian/api/v1/tasks/{task.task_id}"
    gateway.fail("files", html_response(502))
    gateway.fail("alibailian", json_response(500, {"code": "InternalError"}))
    gateway.fail(task.task_id, json_response(429, {}, {"Retry-After": "3"}))

    first, second, third = [await client.get(status) for _ in range(3)]

    assert (first.status_code, second.status_code, third.status_code) == (500, 429, 200)
    assert second.headers["Retry-After"] == "3"
    assert (await client.get(gateway.link(task))).status_code == 502


async def test_connections_can_be_cut_or_hang(
    gateway: FakeGateway, client: httpx.AsyncClient, task: GatewayTask
) -> None:
    status = f"/alibailian/api/v1/tasks/{task.task_id}"
    gateway.fail("status", DROPPED)
    gateway.fail("status", held(asyncio.Event()))

    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(status)
    with pytest.raises(httpx.ReadTimeout):
        await client.get(status, timeout=0.1)
    gateway.is_down = True
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(status)
    gateway.is_down = False
    gateway.fail("status", DROPPED, times=None)
    gateway.clear_faults()
    assert (await client.get(status)).status_code == 200


async def test_polls_are_counted_by_task(
    gateway: FakeGateway, client: httpx.AsyncClient, task: GatewayTask
) -> None:
    looking = asyncio.create_task(gateway.wait_for(lambda: gateway.polls(task.task_id) == 2))
    for task_id in (task.task_id, "other", task.task_id):
        await client.get(f"/alibailian/api/v1/tasks/{task_id}")

    assert await looking
    assert [request.kind for request in gateway.requests] == ["alibailian"] * 3


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("alibailian", r"^[0-9a-f]{8}-[0-9a-f-]{27}$"),
        ("newapi", r"^task_[0-9A-Za-z]{32}$"),
        ("jimeng", r"^cgt-20260110070640-[a-z]{5}$"),
        ("videos", r"^sora-2:task_01kejg64fm[0-9a-z]{16}$"),
    ],
)
def test_ids_have_the_format_of_their_kind(kind: str, form: str) -> None:
    assert re.search(form, new_id(kind, 1_768_000_000.5))


def test_the_time_in_a_ulid_follows_its_specification() -> None:
    # the example of https://github.com/ulid/javascript: 1469918176385 is 01ARYZ6S41
    assert new_id("videos", 1_469_918_176.385).startswith("sora-2:task_01aryz6s41")
