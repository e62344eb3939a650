"""The audit log: who started watches, and who stopped those of others."""

import logging

import pytest

from bot.chat.audit import LINES_PER_MINUTE, Audit
from tests.fakes import updates
from tests.fakes.clock import SteadyClock
from tests.fakes.log_lines import json_lines
from tests.unit.chat.chat_harness import ANN, EVE, GROUP, ChatHarness


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="bot.chat.audit")

    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    return messages


async def test_a_watch_is_logged_in_one_line_with_its_user_chat_and_task(harness: ChatHarness, lines):
    await harness.receive(updates.group(GROUP, EVE, "/watch wan id-1 id-2 and-what-else no/id"))
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))  # is watched already
    assert lines() == [
        f"Chat {GROUP}: user {EVE} started watches:"
        " alibailian id-1, alibailian id-2, alibailian and-what-else"
    ]


async def test_stopping_another_users_watch_is_logged(harness: ChatHarness, lines):
    harness.request.admins = [EVE]
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2"))
    await harness.receive(updates.group(GROUP, EVE, "/watch wan id-3"))
    await harness.receive(updates.group(GROUP, EVE, "/unwatch id-1 id-3"))
    assert lines()[2:] == [
        f"Chat {GROUP}: user {EVE} stopped watches of other users: alibailian id-1 (of user {ANN})"
    ]


async def test_stopping_ones_own_watch_is_not_logged(harness: ChatHarness, lines):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await harness.receive(updates.group(GROUP, ANN, "/unwatch id-1"))
    assert len(lines()) == 1


async def test_a_line_has_its_fields_in_json(harness: ChatHarness, lines, caplog: pytest.LogCaptureFixture):
    harness.request.admins = [EVE]
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2"))
    await harness.receive(updates.group(GROUP, EVE, "/unwatch id-2"))

    assert json_lines(caplog.records) == [
        {
            "message": f"Chat {GROUP}: user {ANN} started watches: alibailian id-1, alibailian id-2",
            "action": "watches_started",
            "chat_id": GROUP,
            "user_id": ANN,
            "task_ids": [1, 2],
        },
        {
            "message": f"Chat {GROUP}: user {EVE} stopped watches of other users:"
            f" alibailian id-2 (of user {ANN})",
            "action": "watches_stopped",
            "chat_id": GROUP,
            "user_id": EVE,
            "task_ids": [2],
        },
    ]


async def test_an_anonymous_admin_is_logged_without_a_user(harness: ChatHarness, lines):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await harness.receive(updates.anonymous_admin(GROUP, "/unwatch id-1"))
    assert lines()[1] == (
        f"Chat {GROUP}: an anonymous user stopped watches of other users: alibailian id-1 (of user {ANN})"
    )


async def test_a_log_line_names_a_bounded_number_of_tasks(harness: ChatHarness, lines):
    ids = " ".join(f"id-{number}" for number in range(50))
    await harness.receive(updates.group(GROUP, ANN, f"/watch wan {ids}"))
    (line,) = lines()
    assert line.count("alibailian") == 20
    assert line.endswith("id-19 and 30 more")


async def test_repeated_watching_and_stopping_cannot_flood_the_log(harness: ChatHarness, lines):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    watched = await harness.service.active(GROUP)
    before, ticks = len(lines()), SteadyClock()
    audit = Audit(clock=ticks)

    for _ in range(1000):
        audit.started(GROUP, ANN, watched)
    assert len(lines()) - before == LINES_PER_MINUTE
    audit.stopped(GROUP, EVE, watched)  # what floods one sort hides nothing of the other
    assert "stopped watches of other users" in lines()[-1]

    ticks.advance(60)
    audit.started(GROUP, ANN, watched)
    omitted = 1000 - LINES_PER_MINUTE
    assert lines()[-1].endswith(f"id-1; {omitted} commands not logged since the last line")
