"""The audit log: who started and who stopped watches, where."""

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
        f"User {EVE} in chat {GROUP} now watches alibailian id-1, alibailian id-2, alibailian and-what-else"
    ]


async def test_stopping_is_logged_with_the_owner_of_another_users_watch(harness: ChatHarness, lines):
    harness.request.admins = [EVE]
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2"))
    await harness.receive(updates.group(GROUP, EVE, "/watch wan id-3"))
    await harness.receive(updates.group(GROUP, EVE, "/unwatch id-1 id-3"))
    assert lines()[2:] == [
        f"User {EVE} in chat {GROUP} stopped watching alibailian id-1 (of user {ANN}), alibailian id-3"
    ]


async def test_a_private_chat_is_named_by_its_user(harness: ChatHarness, lines):
    await harness.receive(updates.private(ANN, "/watch wan id-1"))
    assert lines() == [f"User {ANN} now watches alibailian id-1"]


async def test_a_line_has_its_fields_in_json(harness: ChatHarness, lines, caplog: pytest.LogCaptureFixture):
    harness.request.admins = [EVE]
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1 id-2"))
    await harness.receive(updates.group(GROUP, EVE, "/unwatch id-2"))

    assert json_lines(caplog.records) == [
        {
            "event": "watched",
            "message": f"User {ANN} in chat {GROUP} now watches alibailian id-1, alibailian id-2",
            "tasks": ["alibailian id-1", "alibailian id-2"],
            "chat_id": GROUP,
            "user_id": ANN,
            "count": 2,
        },
        {
            "event": "unwatched",
            "message": f"User {EVE} in chat {GROUP} stopped watching alibailian id-2 (of user {ANN})",
            "tasks": [f"alibailian id-2 (of user {ANN})"],
            "chat_id": GROUP,
            "user_id": EVE,
            "count": 1,
        },
    ]


async def test_an_anonymous_admin_is_logged_without_a_user(harness: ChatHarness, lines):
    await harness.receive(updates.group(GROUP, ANN, "/watch wan id-1"))
    await harness.receive(updates.anonymous_admin(GROUP, "/unwatch id-1"))
    assert lines()[1] == (
        f"An anonymous user in chat {GROUP} stopped watching alibailian id-1 (of user {ANN})"
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
    assert "stopped watching" in lines()[-1]

    ticks.advance(60)
    audit.started(GROUP, ANN, watched)
    omitted = 1000 - LINES_PER_MINUTE
    assert lines()[-1].endswith(f"id-1; {omitted} commands not logged since the last line")


async def test_ids_whose_provider_is_to_be_found_are_logged(harness: ChatHarness, lines):
    Audit().looked_up(GROUP, ANN, ["id-1", "id-2"])
    assert lines() == [f"User {ANN} in chat {GROUP} asks the providers which of them knows id-1, id-2"]


async def test_commands_that_only_read_have_no_lines(harness: ChatHarness, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="bot")
    await harness.receive(updates.private(ANN, "/watch wan id-1"))
    caplog.clear()

    for command in ("/tasks", "/history", "/providers", "/help", "/start", "/settings", "hello"):
        await harness.receive(updates.private(ANN, command))

    assert caplog.messages == []
