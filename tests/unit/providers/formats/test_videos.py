import pytest

from bot.providers.account import Account
from bot.providers.base import ProviderError
from bot.providers.formats.videos import Videos
from storage.models import Media, TaskStatus
from tests.fakes.transport import response

NEW_API_ID = "task_3cV7bN1mK5jH9gF2dS4aQ8wE6rT0yUiO"


@pytest.fixture
def wire() -> Videos:
    return Videos(Account(name="videos", base_url="https://gateway.example.com", key="sk-secret-of-ours"))


@pytest.mark.parametrize(
    ("inside", "status"),
    [
        ({"pending_info": {"status": "processing"}}, TaskStatus.RUNNING),
        ({"status": "processing", "pending_info": None}, TaskStatus.RUNNING),
        ({"pending_info": {"status": "preprocessing"}}, TaskStatus.QUEUED),
        ({"pending_info": {"status": "completed"}}, TaskStatus.QUEUED),
        ({"pending_info": []}, TaskStatus.QUEUED),
    ],
)
def test_pending_runs_when_its_inside_does(wire: Videos, inside: object, status: TaskStatus):
    assert wire.read({"status": "pending", "detail": inside}, "x").status is status


def test_an_inner_status_never_ends_a_task(wire: Videos):
    response = {"status": "in_progress", "detail": {"status": "failed", "pending_info": {"status": "failed"}}}
    assert wire.read(response, "x").status is TaskStatus.RUNNING


@pytest.mark.parametrize(
    ("external_id", "progress", "measured"),
    [
        (NEW_API_ID, 30, False),
        (NEW_API_ID, 31, True),
        ("video_1", 30, True),
        ("video_1", None, False),
    ],
)
def test_new_apis_made_up_figures_are_not_measured(
    wire: Videos, external_id: str, progress: int | None, measured: bool
):
    snapshot = wire.read({"status": "in_progress", "progress": progress}, external_id)
    assert (snapshot.progress, snapshot.progress_measured) == (progress, measured)


def test_the_id_may_name_the_model(wire: Videos):
    assert wire.read({"status": "queued"}, "sora-2:task_x").model == "sora-2"
    assert wire.read({"status": "queued", "model": "sora-2-pro"}, "sora-2:task_x").model == "sora-2-pro"
    assert wire.read({"status": "queued"}, "video_x").model is None


def test_a_finished_task_without_a_link_is_at_the_gateway(wire: Videos):
    url = "https://gateway.example.com/v1/videos/sora-2%3Ax/content"
    assert wire.read({"status": "completed"}, "sora-2:x").media == Media(url=url, needs_auth=True)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"request_id": "r"}'])
def test_an_accepted_request_is_pending(wire: Videos, body: bytes):
    assert wire.read_response(response(body, status=202), "r").status is TaskStatus.QUEUED


@pytest.mark.parametrize(
    "body", [b"<html>challenge</html>", b'{"error": {"message": "task not found"}}', b'{"code": 401}']
)
def test_an_accepted_request_that_holds_no_task_is_an_error(wire: Videos, body: bytes):
    with pytest.raises(ProviderError):
        wire.read_response(response(body, status=202), "r")
