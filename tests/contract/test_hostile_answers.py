"""For any response, a provider returns a valid snapshot or raises ProviderError."""

import asyncio
import json
import math
import random
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.base import ProviderError
from bot.providers.parsing.response import Response
from bot.providers.registry import KINDS
from storage.models import Snapshot, TaskStatus
from tests.contract.provider_answers import KEY, Recorded, provider_that_gets, recorded
from tests.fakes.transport import response

CASES = {kind: recorded(kind) for kind in KINDS}
STATUSES = [200] * 12 + [
    201, 202, 204, 301, 304, 400, 401, 402, 403, 404, 410, 418, 429, 500, 503, 524, 599, 999,
]  # fmt: skip
POISON: list[object] = [
    None, True, False, 0, -1, 1e308, -1e308, float("nan"), float("inf"), 10**25, 10**400, 2**63, 1e-320, [],
    {}, [[]], "", " ", "0", "NaN", "1e999", "9" * 5000, "-", "100%", "%", "\x00", "\u202e", "\ud800",
    "💥" * 300,
    "https://", "http://[", "https://h:99999/", "https://h\\@x/", "//x/y", "javascript:alert(1)", "data:,",
    "data:;base64,====", f"Bearer {KEY}", f"https://user:{KEY}@x.example/?sig={KEY}", "2025-99-99 00:00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31 23:59:59", "SUCCESS", "completed", "FAILURE", "failed",
    "unknown", f"the key {KEY[4:14]} is wrong", "https://cdn.example.com/v.mp4?Expires=1e400&se=x&X-Tos-Date=0&X-Tos-Expires=1e9",
]  # fmt: skip
KEYS = [
    "status", "data", "output", "task_status", "video_url", "url", "error", "message", "code", "detail",
    "pending_info", "progress", "progress_pct", "created_at", "finish_time", "metadata", "size", "usage",
]  # fmt: skip


def leaves() -> st.SearchStrategy[object]:
    return st.one_of(
        st.sampled_from(POISON), st.text(max_size=30), st.integers(), st.floats(allow_nan=True, width=32)
    )


def any_json() -> st.SearchStrategy[object]:
    return st.recursive(
        leaves(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
        ),
        max_leaves=12,
    )


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_response_gives_a_snapshot_or_a_provider_error(kind: str, runner: asyncio.Runner):
    @given(st.sampled_from(CASES[kind]), st.integers(0, 2**32), st.sampled_from(STATUSES))
    def check(case: Recorded, seed: int, status: int):
        body = mutated(case.content, random.Random(seed))
        outcome(runner, kind, response(body, status=status, headers=case.headers))

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_response_gives_a_snapshot_or_a_provider_error(kind: str, runner: asyncio.Runner):
    @given(any_json(), st.sampled_from(STATUSES), st.text(max_size=20))
    def check(body: object, status: int, header: str):
        content = json.dumps(body).encode("utf-8", "replace")
        outcome(runner, kind, response(content, status=status, headers={"Retry-After": header}))

    check()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"data":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"status":' + b"9" * 1_000_000 + b"}",
        b'{"status":"completed","progress":NaN,"created_at":Infinity,"width":-Infinity}',
        b'{"status":"completed","video_url":"https://x.example/\\ud800.mp4","prompt":"\\udfff"}',
        b'{"status":"failed","status":"completed","status":"queued"}',
        b"\xef\xbb\xbf" + b'{"status":"queued"}',
        '{"status":"queued"}'.encode("utf-16"),
        b'{"status":"\xff\xfe"}',
        b"\x00" * 1000,
        b"null",
        b'"completed"',
    ],
    ids=lambda body: repr(body[:30]),
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_body_is_survived(kind: str, body: bytes, runner: asyncio.Runner):
    outcome(runner, kind, response(body))


@pytest.mark.parametrize("task_id", ["", ".", "..", "a/b", "a b", "\ud800", "x" * 513, "🎬", "a?b", "a#b"])
async def test_an_impossible_id_is_missing_without_a_request(task_id: str):
    provider = provider_that_gets("videos", response(b'{"status": "completed"}'))
    with pytest.raises(ProviderError) as caught:
        await provider.fetch(task_id)
    assert caught.value.cause == "task_missing"


def outcome(runner: asyncio.Runner, kind: str, reply: Response) -> None:
    """Fetch once, and check the snapshot or the error."""
    provider = provider_that_gets(kind, reply)
    try:
        check_snapshot(runner.run(provider.fetch("task_01k6x15vhrff09dkkqjrzwhm60")))
    except ProviderError as error:
        check_error(error)


def check_error(error: ProviderError) -> None:
    check_text(error.message, 500)
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 3600


def check_snapshot(snapshot: Snapshot) -> None:
    assert snapshot.status is not TaskStatus.NOT_FOUND
    assert (snapshot.media is None) or snapshot.status is TaskStatus.SUCCEEDED
    assert (snapshot.error is None) == (
        not snapshot.status.is_final or snapshot.status is TaskStatus.SUCCEEDED
    )
    check_text(snapshot.raw_status, 64)
    for text in (snapshot.prompt, snapshot.model, snapshot.error and snapshot.error.message):
        check_text(text or "", 1000)
    if snapshot.media and snapshot.media.url:
        assert snapshot.media.url.lower().startswith(("http://", "https://"))
        assert len(snapshot.media.url) <= 8192
        assert snapshot.media.url.isprintable()
        assert not snapshot.media.needs_auth or "gateway.example.com" in snapshot.media.url
    for number in (
        snapshot.progress,
        snapshot.video_s,
        snapshot.width,
        snapshot.height,
        snapshot.queue_position,
    ):
        assert number is None or (math.isfinite(number) and number >= 0)
    assert snapshot.progress is None or snapshot.progress <= 100
    for moment in (snapshot.submitted_at, snapshot.started_at, snapshot.finished_at):
        check_moment(moment)
    check_moment(snapshot.media.expires_at if snapshot.media else None)


def check_text(text: str, limit: int) -> None:
    assert len(text) <= limit
    text.encode("utf-8")
    assert not any(KEY[at : at + 8] in text for at in range(len(KEY) - 7))
    assert not any(ord(char) < 32 for char in text)


def check_moment(moment: datetime | None) -> None:
    assert moment is None or (moment.utcoffset() is not None and 2010 < moment.year < 2105)


def mutated(content: bytes, dice: random.Random) -> bytes:
    """The body with fields re-typed, removed or moved, or truncated, or with bytes flipped."""
    how = dice.random()
    if how < 0.1:
        return content[: dice.randrange(len(content) + 1)]
    if how < 0.2 and content:
        at = dice.randrange(len(content))
        return content[:at] + dice.randbytes(dice.randrange(1, 5)) + content[at + 1 :]
    try:
        body = json.loads(content)
    except ValueError:
        return content
    for _ in range(dice.randrange(1, 5)):
        body = with_change(body, dice)
    return json.dumps(body).encode("utf-8", "replace")


def with_change(body: object, dice: random.Random) -> object:
    """The value with one field somewhere inside replaced, removed, wrapped or renamed."""
    if not isinstance(body, dict) or not body or dice.random() < 0.1:
        return dice.choice([dice.choice(POISON), [body], {"data": body, "code": "success"}, str(body)])
    field = dice.choice(list(body))
    changed = dict(body)
    if dice.random() < 0.15:
        del changed[field]
    elif dice.random() < 0.15:
        changed[dice.choice(KEYS)] = changed.pop(field)
    else:
        changed[field] = with_change(body[field], dice)
    return changed
