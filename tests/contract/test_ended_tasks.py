"""When a failure is accepted, and when it is not a task's failure."""

import pytest

from bot.providers.account import Account
from bot.providers.base import BadResponse, ProviderError, Unavailable
from bot.providers.formats.videos import Videos
from bot.providers.gateway import Gateway, Transport
from storage.models import TaskStatus
from tests.fakes.transport import FakeTransport, always, json_response, response


def gateway(transport: Transport) -> Gateway:
    account = Account(name="mine", base_url="https://gateway.example.com", key="sk-Zq7LmW2xVt9RbK4cYh3N")
    return Gateway(Videos(account), transport)


async def test_a_failure_that_names_no_task_is_accepted_after_two_consecutive_responses():
    vague = json_response({"status": "error", "message": "something went wrong"})
    responses = iter([vague, json_response({"id": "video_1", "status": "in_progress"}), vague, vague])
    provider = gateway(FakeTransport(lambda: next(responses)))
    with pytest.raises(BadResponse, match="something went wrong"):
        await provider.fetch("video_1")
    assert (await provider.fetch("video_1")).status is TaskStatus.RUNNING
    with pytest.raises(BadResponse):
        await provider.fetch("video_1")

    assert (await provider.fetch("video_1")).status is TaskStatus.FAILED


@pytest.mark.parametrize("word", ["denied", "timeout", "expired", "invalid", "exception", "cancelled"])
async def test_no_final_status_is_accepted_at_once_unless_the_response_names_the_task(word: str):
    provider = gateway(always(json_response({"status": word, "message": "your session"})))
    with pytest.raises(ProviderError):
        await provider.fetch("video_1")

    assert (await provider.fetch("video_1")).status.is_final


async def test_a_failure_that_names_the_task_counts_at_once():
    provider = gateway(always(json_response({"id": "video_1", "status": "error", "message": "broken"})))
    assert (await provider.fetch("video_1")).status is TaskStatus.FAILED


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 503])
@pytest.mark.parametrize(
    "task",
    [
        {"id": "video_1"},
        {"object": "video"},
        {"data": {"task_id": "video_1", "status": "FAILURE"}},
        {"status": None, "detail": {"id": "video_1", "status": "failed", "error": "out of memory"}},
        {"status": None, "error": {"id": "video_1", "status": "failed", "message": "out of memory"}},
    ],
)
async def test_a_failed_task_under_an_error_status_has_failed(status: int, task: dict[str, object]):
    body = {"status": "failed", "error": {"code": 500, "message": "out of memory"}} | task
    snapshot = await gateway(always(json_response(body, status=status))).fetch("video_1")
    assert snapshot.status is TaskStatus.FAILED


@pytest.mark.parametrize(
    "body",
    [
        {"id": "video_2", "status": "failed"},
        {"id": "video_1", "status": "in_progress"},
        {"id": "video_1"},
        {"status": "failed", "message": "upstream"},
    ],
)
async def test_an_error_that_is_not_the_ended_task_stays_an_error(body: dict[str, object]):
    with pytest.raises(Unavailable):
        await gateway(always(json_response(body, status=500))).fetch("video_1")


class CountedBody(bytes):
    """Counts how many times it is decoded."""

    decoded = 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        self.decoded += 1
        return super().decode(encoding, errors)


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 429, 500])
async def test_a_response_is_parsed_once(status: int):
    body = CountedBody(b'{"error": {"message": "job failed"}}')

    with pytest.raises(ProviderError):
        await gateway(always(response(body, status=status))).fetch("video_1")

    assert body.decoded == 1
