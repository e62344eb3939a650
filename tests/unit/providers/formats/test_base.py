import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from bot.providers.account import Account
from bot.providers.base import BadResponse, TaskMissing
from bot.providers.formats.base import FieldPaths, WireFormat
from storage.models import Cause, Media, TaskError, TaskStatus


class Flat(WireFormat):
    """A format with one path per field."""

    kind = "flat"
    path = "/flat/{id}"
    status_map: ClassVar[Mapping[str, TaskStatus]] = {**WireFormat.status_map, "lost": TaskStatus.NOT_FOUND}
    link_life = timedelta(hours=24)
    paths = FieldPaths(
        progress=("progress",),
        links=("url",),
        expires=("expires_at",),
        codes=("code",),
        reasons=("reason",),
        fallback_reasons=("raw",),
        prompt=("prompt",),
        submitted=("submitted",),
        started=("started",),
        finished=("finished",),
        size=("size",),
        width=("width",),
        height=("height",),
        short_side=("sr",),
        ratio=("ratio",),
    )


class Lengthy(Flat):
    """A format with a duration."""

    paths = FieldPaths(
        length=("seconds", "duration"),
        submitted=("submitted",),
        started=("started",),
        finished=("finished",),
    )


@pytest.mark.parametrize(
    ("task", "length_s"),
    [
        ({"duration": 89, "metadata": {"total_time": 89.55}}, None),
        ({"duration": 89, "cost_time": 89}, None),
        ({"duration": 45, "started": 1768000015, "finished": 1768000060}, None),
        ({"duration": 60, "submitted": 1768000000, "finished": 1768000060}, None),
        ({"duration": 5, "submitted": 1768000000, "finished": 1768000060}, 5),
        ({"duration": 5}, 5),
        ({"seconds": 10, "duration": 60, "submitted": 1768000000, "finished": 1768000060}, 10),
    ],
)
def test_a_duration_may_be_the_time_taken(task: dict[str, object], length_s: float | None):
    wire = Lengthy(Account(name="mine", base_url="https://gateway.example.com", key="sk-secret-of-ours"))
    assert wire.read({"status": "completed"} | task, "x").video_s == length_s


@pytest.fixture
def wire() -> Flat:
    return Flat(Account(name="mine", base_url="https://gateway.example.com", key="sk-secret-of-ours"))


@pytest.mark.parametrize("word", ["IN_PROGRESS", "in-progress", " In Progress ", "running"])
def test_words_are_known_in_any_spelling(wire: Flat, word: str):
    snapshot = wire.read({"status": word}, "x")
    assert snapshot.status is TaskStatus.RUNNING
    assert snapshot.raw_status == word.strip()


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("done", TaskStatus.SUCCEEDED),
        ("CANCEL", TaskStatus.CANCELLED),
        ("queueing", TaskStatus.QUEUED),
        ("Timed-Out", TaskStatus.FAILED),
        ("Not Start", TaskStatus.QUEUED),
        ("NotStart", TaskStatus.QUEUED),
        ("IN PROGRESS", TaskStatus.RUNNING),
        ("video_generation_completed", TaskStatus.RUNNING),
        ("完成", TaskStatus.SUCCEEDED),
        ("ｃｏｍｐｌｅｔｅｄ", TaskStatus.SUCCEEDED),
        ("TASK_STATUS_SUCCEED", TaskStatus.SUCCEEDED),
        ("JOB_STATE_FAILED", TaskStatus.FAILED),
        ("TaskStatus.COMPLETED", TaskStatus.SUCCEEDED),
        ("task_cancelled", TaskStatus.CANCELLED),
        ("CANCELED_BY_USER", TaskStatus.CANCELLED),
        ("video_rendering_completed", TaskStatus.RUNNING),
        ("THROTTLED", TaskStatus.QUEUED),
        ("unsuccessful", TaskStatus.FAILED),
        ("任务超时", TaskStatus.FAILED),
        ("almost done", TaskStatus.RUNNING),
    ],
)
def test_one_table_holds_the_words_of_all_formats(wire: Flat, word: str, status: TaskStatus):
    assert wire.read({"status": word}, "x").status is status


@pytest.mark.parametrize("key", ["status", "state", "task_status"])
@pytest.mark.parametrize("envelope", [None, "data", "output", "task", "result", "response"])
def test_the_status_stands_under_several_keys_at_the_task_or_one_level_in(
    wire: Flat, key: str, envelope: str | None
):
    task = {key: "failed", "failReason": "the prompt is sensitive"}
    snapshot = wire.read(task if envelope is None else {envelope: task}, "x")
    assert snapshot.status is TaskStatus.FAILED
    assert snapshot.error is not None
    assert snapshot.error.message == "the prompt is sensitive"


def test_an_envelopes_own_word_is_not_the_tasks(wire: Flat):
    response = {"status": "success", "data": {"task_id": "x", "status": "processing"}}
    assert wire.read(response, "x").status is TaskStatus.RUNNING


def test_an_unknown_status_means_running_and_is_logged_once(wire: Flat, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        for word in ("polishing", "polishing", "dreaming"):
            assert wire.read({"status": word}, "x").status is TaskStatus.RUNNING
    assert [record.getMessage().rsplit(maxsplit=1)[-1] for record in caplog.records] == [
        "polishing",
        "dreaming",
    ]
    assert "mine" in caplog.text


def test_ever_new_words_do_not_fill_the_log(wire: Flat, caplog: pytest.LogCaptureFixture):
    for number in range(1000):
        wire.read({"status": f"step {number}"}, "x")
    assert len(caplog.records) == 100


@pytest.mark.parametrize("status", [None, "", 5, [], {}])
def test_no_status_is_an_odd_response(wire: Flat, status: object):
    with pytest.raises(BadResponse):
        wire.read({"status": status, "url": "https://x.example/v.mp4"}, "x")


def test_a_word_for_lost_is_a_missing_task(wire: Flat):
    with pytest.raises(TaskMissing, match="gone since monday"):
        wire.read({"status": "lost", "reason": "gone since monday"}, "x")


def test_a_link_or_an_error_decides_nothing(wire: Flat):
    response = {
        "status": "queued",
        "url": "https://x.example/v.mp4",
        "reason": "boom",
        "finished": 1768000000,
    }
    snapshot = wire.read(response, "x")
    assert (snapshot.status, snapshot.media, snapshot.error) == (TaskStatus.QUEUED, None, None)
    assert snapshot.finished_at is None


def test_a_generic_reason_is_extended_by_the_fallback(wire: Flat):
    response = {"status": "failed", "reason": "task failed", "raw": "the prompt is sensitive"}
    assert wire.read(response, "x").error == TaskError(
        message="task failed: the prompt is sensitive", cause=Cause.MODERATION
    )


def test_a_specific_reason_is_kept(wire: Flat):
    response = {"status": "failed", "reason": "the size is not supported", "raw": "other"}
    assert wire.read(response, "x").error == TaskError(
        message="the size is not supported", cause=Cause.BAD_INPUT
    )


def test_a_code_stands_in_for_a_missing_reason(wire: Flat):
    error = TaskError(message="generation_failed", code="generation_failed", cause=Cause.GENERATION)
    assert wire.read({"status": "failed", "code": "generation_failed"}, "x").error == error


def test_vendor_text_holds_no_piece_of_the_key(wire: Flat):
    response = {
        "status": "failed",
        "reason": "key sk-secret-of-ours",
        "prompt": "secret-of-ours",
        "code": "secret-of",
    }
    snapshot = wire.read(response, "x")
    assert "secret" not in repr(snapshot)


def test_a_prompt_stays_as_it_was_written(wire: Flat):
    prompt = "***cinematic*** a standard bearer with a bottle of SK-II"
    assert wire.read({"status": "queued", "prompt": prompt}, "x").prompt == prompt


def test_times_that_run_backwards_have_no_end(wire: Flat):
    snapshot = wire.read({"status": "success", "submitted": 1768000000, "finished": 1767000000}, "x")
    assert snapshot.submitted_at == datetime(2026, 1, 9, 23, 6, 40, tzinfo=UTC)
    assert snapshot.finished_at is None


def test_a_queued_task_has_not_started(wire: Flat):
    assert wire.read({"status": "queued", "started": 1768000000}, "x").started_at is None


def test_the_creation_time_is_read_from_the_id_if_the_response_has_none(wire: Flat):
    snapshot = wire.read({"status": "queued", "submitted": 0}, "cgt-20250829165122-qkwch")
    assert snapshot.submitted_at == datetime(2025, 8, 29, 8, 51, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "expires_at"),
    [
        ({"url": "https://x.example/v?Expires=1768010000"}, datetime(2026, 1, 10, 1, 53, 20, tzinfo=UTC)),
        (
            {"url": "https://x.example/v", "expires_at": 1768010000},
            datetime(2026, 1, 10, 1, 53, 20, tzinfo=UTC),
        ),
        (
            {"url": "https://x.example/v", "finished": 1768000000},
            datetime(2026, 1, 10, 23, 6, 40, tzinfo=UTC),
        ),
        ({"url": "https://x.example/v"}, None),
    ],
)
def test_a_link_expires_by_its_query_or_by_the_formats_default(
    wire: Flat, more: dict[str, object], expires_at: datetime | None
):
    media = wire.read({"status": "success", "url": "https://x.example/v", **more}, "x").media
    assert media is not None
    assert media.expires_at == expires_at


def test_a_link_to_the_gateway_wants_the_key(wire: Flat):
    url = "https://gateway.example.com/v1/videos/x/content"
    assert wire.read({"status": "success", "url": url}, "x").media == Media(url=url, needs_auth=True)


def test_no_link_and_no_content_path_is_no_media(wire: Flat):
    assert wire.read({"status": "success", "url": "soon"}, "x").media is None


@pytest.mark.parametrize(
    ("more", "sides"),
    [
        ({"size": "1280x720", "sr": 480}, (1280, 720)),
        ({"size": "small", "width": 352, "height": "640"}, (352, 640)),
        ({"sr": "720", "ratio": "16:9"}, (None, 720)),
        ({"sr": 720, "ratio": "9:16"}, (720, None)),
        ({}, (None, None)),
    ],
)
def test_sides_are_read_from_what_there_is(wire: Flat, more: dict[str, object], sides: tuple[int, int]):
    snapshot = wire.read({"status": "success", **more}, "x")
    assert (snapshot.width, snapshot.height) == sides


@pytest.mark.parametrize(
    ("response", "task"),
    [
        ({"code": "success", "data": {"status": "a"}}, {"status": "a"}),
        ({"code": 0, "status": "ok", "data": {"status": "a"}}, {"status": "a"}),
        ({"data": {"status": "a"}}, {"status": "a"}),
        ({"code": "success", "data": {"raw": 1}}, {"code": "success", "data": {"raw": 1}}),
        ({"status": "a", "data": {"status": "raw"}}, {"status": "a", "data": {"status": "raw"}}),
        ({"code": "success", "data": None}, {"code": "success", "data": None}),
    ],
)
def test_an_envelope_is_distinguished_from_a_task_with_raw_data(
    wire: Flat, response: dict[str, object], task: dict[str, object]
):
    assert wire.unwrap(response) == task


def test_a_link_to_the_gateways_own_localhost_is_one_to_the_gateway_and_wants_the_key(wire: Flat):
    snapshot = wire.read({"status": "completed", "url": "http://localhost:3000/v1/videos/x/content"}, "x")
    assert snapshot.media == Media(url="https://gateway.example.com/v1/videos/x/content", needs_auth=True)


def test_what_a_format_does_not_name_is_read_where_others_keep_it(wire: Flat):
    queued = wire.read({"status": "queued", "queue_position": 3, "createdAt": "2026-07-25T17:20:00Z"}, "x")
    assert queued.queue_position == 3
    assert queued.submitted_at == datetime(2026, 7, 25, 17, 20, tzinfo=UTC)
    done = wire.read({"status": "done", "completeTime": 1785000060000, "percentage": "99%"}, "x")
    assert done.finished_at == datetime(2026, 7, 25, 17, 21, tzinfo=UTC)
    assert done.progress == 99.0


@pytest.mark.parametrize(
    "task",
    [
        {"url": "https://c.example/cover.jpg", "other": {"video": "https://c.example/v.mp4"}},
        {"url": "https://c.example/last.PNG?sig=1", "outputs": ["https://c.example/v.mp4"]},
    ],
)
def test_a_picture_where_the_video_should_stand_gives_way_to_a_video(wire: Flat, task: dict[str, object]):
    media = wire.read({"status": "done", **task}, "x").media
    assert media is not None
    assert media.url == "https://c.example/v.mp4"


def test_a_link_that_ends_like_a_picture_is_taken_where_there_is_no_other(wire: Flat):
    media = wire.read({"status": "done", "url": "https://c.example/v.gif"}, "x").media
    assert media is not None
    assert media.url == "https://c.example/v.gif"
