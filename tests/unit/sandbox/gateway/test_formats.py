"""The answers have the documented shapes, in every phase of a task."""

from typing import Any

import httpx
import pytest

from bot.sandbox.gateway import FakeGateway
from tests.unit.sandbox.gateway.conftest import START, Clock

PATHS = {
    "alibailian": "/alibailian/api/v1/tasks/",
    "newapi": "/v1/video/generations/",
    "jimeng": "/jimeng/fetch/",
    "videos": "/v1/videos/",
}
TASK_ID = "sora-2:task_01"


async def poll(client: httpx.AsyncClient, kind: str, task_id: str = TASK_ID) -> tuple[int, Any]:
    answer = await client.get(PATHS[kind] + task_id.replace(":", "%3A"))
    return answer.status_code, answer.json()


def at(answer: Any, path: str) -> Any:
    """What stands at a dotted path."""
    for name in path.split("."):
        answer = answer[name]
    return answer


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("alibailian", "output.task_status", ["PENDING", "RUNNING", "SUCCEEDED"]),
        ("newapi", "data.status", ["QUEUED", "IN_PROGRESS", "SUCCESS"]),
        ("jimeng", "data.status", ["QUEUED", "IN_PROGRESS", "SUCCESS"]),
        ("videos", "status", ["queued", "in_progress", "completed"]),
    ],
)
async def test_a_task_advances_with_time(
    gateway: FakeGateway, client: httpx.AsyncClient, clock: Clock, *, kind: str, path: str, words: list[str]
) -> None:
    gateway.add(kind, TASK_ID, seconds=10)

    seen = []
    for clock.now in (START, START + 5, START + 10):
        status, answer = await poll(client, kind)
        assert status == 200
        seen.append(at(answer, path))

    assert seen == words


@pytest.mark.parametrize("kind", PATHS)
async def test_a_task_advances_on_demand(gateway: FakeGateway, client: httpx.AsyncClient, kind: str) -> None:
    gateway.add(kind, TASK_ID, seconds=None)

    answers = [await poll(client, kind)]
    for _ in range(2):
        gateway.advance(TASK_ID)
        answers.append(await poll(client, kind))
    phase = gateway.advance(TASK_ID)

    assert len({str(answer) for answer in answers}) == 3
    assert phase == "succeeded"
    assert (await poll(client, kind)) == answers[-1]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("alibailian", "output.video_url"),
        ("newapi", "data.result_url"),
        ("jimeng", "data.data.data.data.video"),
        ("videos", "video_url"),
    ],
)
async def test_the_link_is_where_the_format_has_it_and_only_at_the_end(
    gateway: FakeGateway, client: httpx.AsyncClient, clock: Clock, *, kind: str, path: str
) -> None:
    task = gateway.add(kind, TASK_ID, seconds=10)

    _, early = await poll(client, kind)
    clock.now += 10
    _, done = await poll(client, kind)

    assert at(done, path) == gateway.link(task)
    assert gateway.link(task) not in str(early)


@pytest.mark.parametrize(
    ("kind", "word_path", "word", "reason_path"),
    [
        ("alibailian", "output.task_status", "FAILED", "output.message"),
        ("newapi", "data.status", "FAILURE", "data.fail_reason"),
        ("jimeng", "data.status", "FAILURE", "data.fail_reason"),
        ("videos", "status", "failed", "error.message"),
    ],
)
async def test_a_failure_has_its_reason_and_http_200(
    gateway: FakeGateway, client: httpx.AsyncClient, *, kind: str, word_path: str, word: str, reason_path: str
) -> None:
    gateway.add(kind, TASK_ID, seconds=0, fails="The size is not match")

    status, answer = await poll(client, kind)

    assert (status, at(answer, word_path), at(answer, reason_path)) == (200, word, "The size is not match")


async def test_new_api_repeats_the_reason_where_the_link_would_be(
    gateway: FakeGateway, client: httpx.AsyncClient
) -> None:
    gateway.add("newapi", TASK_ID, seconds=0, fails="no")

    _, answer = await poll(client, "newapi")

    assert answer["data"]["result_url"] == "no"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("alibailian", (200, "output.task_status", "UNKNOWN")),
        ("newapi", (400, "code", "task_not_exist")),
        ("jimeng", (400, "code", "task_not_exist")),
        ("videos", (404, "error.message", "Video not found")),
    ],
)
async def test_an_unknown_id_gets_the_response_of_its_format(
    client: httpx.AsyncClient, kind: str, expected: tuple[int, str, str]
) -> None:
    status, answer = await poll(client, kind, "nope")

    assert (status, at(answer, expected[1])) == (expected[0], expected[2])


async def test_dashscope_times_are_beijing_times(gateway: FakeGateway, client: httpx.AsyncClient) -> None:
    gateway.add("alibailian", TASK_ID)

    _, answer = await poll(client, "alibailian")

    assert answer["output"]["submit_time"] == "2026-01-10 07:06:40.500"


async def test_progress_is_measured_by_videos_and_fixed_elsewhere(
    gateway: FakeGateway, client: httpx.AsyncClient, clock: Clock
) -> None:
    for kind in PATHS:
        gateway.add(kind, TASK_ID, seconds=10)
    clock.now += 6

    assert (await poll(client, "videos"))[1]["progress"] == 50
    assert (await poll(client, "newapi"))[1]["data"]["progress"] == "30%"
    assert "progress" not in str((await poll(client, "alibailian"))[1])


async def test_a_video_without_a_link_is_served_at_content_once_the_task_is_done(
    gateway: FakeGateway, client: httpx.AsyncClient, clock: Clock
) -> None:
    task = gateway.add("videos", TASK_ID, seconds=10)
    task.has_link = False

    early = await client.get(f"/v1/videos/{TASK_ID}/content")
    clock.now += 10
    _, answer = await poll(client, "videos")
    done = await client.get(f"/v1/videos/{TASK_ID}/content")
    unknown = await client.get("/v1/videos/nope/content")

    assert (early.status_code, "not completed yet" in early.text) == (400, True)
    assert "video_url" not in answer
    assert done.content == task.served.content
    assert unknown.status_code == 404
