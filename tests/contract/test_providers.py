"""Every provider reads the recorded responses of its folder as expected there."""

import json
import re
from datetime import datetime
from urllib.parse import quote

import pytest

from bot.providers.base import (
    AuthFailed,
    BadResponse,
    ProviderError,
    RateLimited,
    TaskMissing,
    Unavailable,
)
from bot.providers.registry import KINDS
from storage.models import Media, Snapshot, TaskError
from tests.contract.provider_answers import BASE_URL, FOLDER, Recorded, provider_that_gets, recorded
from tests.fakes.transport import response

STATES = {
    TaskMissing: "not_found",
    AuthFailed: "unauthorized",
    RateLimited: "rate_limited",
    Unavailable: "transient",
    BadResponse: "transient",
}
CASES = [case for kind in KINDS for case in recorded(kind)]
NO_MEDIA = Media(url=None)
NO_ERROR = TaskError(message="")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_recorded_response_is_read_as_expected(case: Recorded):
    reply = response(case.content, status=case.status, headers=case.headers)
    provider = provider_that_gets(case.kind, reply)
    try:
        seen = facts_of(await provider.fetch(case.task_id), case)
    except ProviderError as error:
        seen = facts_of_error(error)

    expect = dict(case.expect)
    assert seen.pop("state") == expect.pop("state")
    wanted, message = expect.pop("error_contains"), seen.pop("message")
    assert wanted is None or str(wanted) in str(message)
    progress, reported = expect.pop("progress"), seen.pop("progress")
    assert progress == (None if reported is None else pytest.approx(reported, abs=0.01))
    retry, asked = expect.pop("retry_after_s"), seen.pop("retry_after_s")
    assert retry is None or retry == asked
    assert {name: seen.get(name) for name in expect} == expect


def test_every_kind_has_a_folder_and_every_folder_a_kind():
    folders = {path.name for path in FOLDER.iterdir()}
    assert folders == set(KINDS)
    assert all(len(recorded(kind)) > 10 for kind in KINDS)


def facts_of(snapshot: Snapshot, case: Recorded) -> dict[str, object]:
    media = snapshot.media or NO_MEDIA
    error = snapshot.error or NO_ERROR
    return {
        "state": snapshot.status,
        "video_url": expected_link(media, case),
        "needs_auth": media.needs_auth,
        "inline": snapshot.media is not None and media.url is None,
        "expires_at": text_of(media.expires_at),
        "progress": snapshot.progress,
        "measured": snapshot.progress_measured,
        "message": error.message,
        "code": error.code,
        "cause": error.cause,
        "retry_after_s": None,
        "raw": snapshot.raw_status,
        "submitted_at": text_of(snapshot.submitted_at),
        "finished_at": text_of(snapshot.finished_at),
        "video_s": snapshot.video_s,
        "width": snapshot.width,
        "height": snapshot.height,
        "model": snapshot.model,
        "prompt": snapshot.prompt,
        "queue_position": snapshot.queue_position,
    }


def expected_link(media: Media, case: Recorded) -> str | None:
    """The video's link, unless it is the gateway's content URL, which is not in the response."""
    own = f"{BASE_URL}/v1/videos/{quote(case.task_id, safe='')}/content"
    return (
        None
        if media.url == own and re.search(r"://[^\"]*/content", json.dumps(case.body)) is None
        else media.url
    )


def facts_of_error(error: ProviderError) -> dict[str, object]:
    return {
        "state": next(state for kind, state in STATES.items() if isinstance(error, kind)),
        "video_url": None,
        "progress": None,
        "message": error.message,
        "cause": error.cause,
        "retry_after_s": error.retry_after_s,
    }


def text_of(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
