"""The task is found in every envelope, and an envelope's status is never read as the task's."""

import json

import pytest

from bot.providers.account import Account
from bot.providers.base import BadResponse
from bot.providers.formats.base import WireFormat
from bot.providers.formats.jimeng import Jimeng
from bot.providers.formats.newapi import NewApi
from bot.providers.formats.videos import Videos
from storage.models import TaskStatus

ACCOUNT = Account(name="mine", base_url="https://gateway.example.com", key="sk-secret-of-ours")
TASK = {"id": "x", "status": "processing"}


@pytest.fixture(params=[Videos, NewApi, Jimeng])
def wire(request: pytest.FixtureRequest) -> WireFormat:
    kind: type[WireFormat] = request.param
    return kind(ACCOUNT)


@pytest.mark.parametrize("word", ["success", "ok", "SUCCEEDED"])
@pytest.mark.parametrize("task", [TASK, {"status": "processing"}, {"task_status": "processing"}])
@pytest.mark.parametrize("name", ["data", "result", "response"])
def test_success_of_the_question_is_not_success_of_the_task(
    wire: WireFormat, word: str, task: dict[str, object], name: str
):
    response = {"status": word, "message": "fine", name: task}
    assert wire.read(response, "x").status is TaskStatus.RUNNING


@pytest.mark.parametrize(
    "response",
    [
        {"data": [TASK]},
        {"data": {"task": TASK}},
        {"code": 0, "data": {"data": TASK}},
        {"result": {"data": TASK}},
        {"data": json.dumps(TASK)},
        {"payload": TASK},
        {"data": {"taskStatus": "RUNNING", "taskId": "x"}},
        {"data": {"task_state": "processing"}},
        {"id": "x", "job_status": "processing"},
        {"id": "x", "status": {"state": "processing"}},
        {"Response": {"Status": "RUN", "ErrorCode": ""}},
        {"name": "models/veo/operations/x", "done": False},
    ],
    ids=lambda response: json.dumps(response)[:50],
)
def test_a_running_task_is_found_under_other_names_and_deeper(wire: WireFormat, response: dict[str, object]):
    assert wire.read(response, "x").status is TaskStatus.RUNNING


@pytest.mark.parametrize("response", [{"done": True, "response": {}}, {"Response": {"Status": "DONE"}}])
def test_a_vendors_own_form_of_done_is_known(wire: WireFormat, response: dict[str, object]):
    assert wire.read(response, "x").status is TaskStatus.SUCCEEDED


def test_an_operation_that_is_done_with_an_error_has_failed(wire: WireFormat):
    snapshot = wire.read({"done": True, "error": {"code": 3, "message": "blocked by safety"}}, "x")
    assert snapshot.status is TaskStatus.FAILED
    assert snapshot.error is not None
    assert snapshot.error.message == "blocked by safety"


def test_the_upstreams_word_inside_a_task_is_not_the_tasks(wire: WireFormat):
    response = {"task_id": "x", "status": "IN_PROGRESS", "data": {"status": "succeeded"}}
    assert wire.read(response, "x").status is TaskStatus.RUNNING


@pytest.mark.parametrize("depth", [50, 5_000])
def test_an_endless_nest_is_given_up(wire: WireFormat, depth: int):
    response: dict[str, object] = {"status": None}
    for _ in range(depth):
        response = {"data": response}
    with pytest.raises(BadResponse, match="no status"):
        wire.read(response, "x")


def test_an_errors_own_status_is_not_the_tasks(wire: WireFormat):
    response = {"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}
    with pytest.raises(BadResponse, match="bad"):
        wire.read(response, "x")


def test_a_nest_that_widens_with_every_level_is_given_up(wire: WireFormat):
    names = ("data", "output", "task", "result", "response", "job", "detail", "payload", "Response", "Data")
    last: dict[str, object] = {**TASK}
    other: dict[str, object] = {"x": 1}
    for _ in range(3):
        last = {**dict.fromkeys(names, other), "Output": last}
        other = {**dict.fromkeys(names, other)}
    with pytest.raises(BadResponse, match="no status"):
        wire.read(last, "x")
