"""The demo judges the bot that it is given."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import Case, Page, demo
from bot.sandbox.environment import ANNA, Sandbox, open_sandbox
from bot.sandbox.interactive import run_interactive
from bot.sandbox.tour import Tours
from tests.unit.sandbox.small_bot import SmallBot


async def test_a_good_bot_passes_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    status = await demo(SmallBot(), once=True, pace=0.2)

    assert "✓ 5 of 5 videos arrived exactly once" in capsys.readouterr().out
    assert status == 0


async def test_a_bot_that_sends_a_video_twice_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status = await demo(SmallBot(repeats_watches=True), once=True, pace=0.2)

    assert "✗ 4 of 5 videos arrived exactly once" in capsys.readouterr().out
    assert status == 1


async def test_a_bot_that_omits_the_reason_of_a_failure_fails(capsys: pytest.CaptureFixture[str]) -> None:
    status = await demo(SmallBot(reports_reasons=False), once=True, pace=0.05)

    printed = capsys.readouterr().out
    assert "Not all results arrived in time." in printed
    assert "the failure was reported without its reason" in printed
    assert status == 1


async def test_a_bot_that_ends_by_itself_fails(capsys: pytest.CaptureFixture[str]) -> None:
    async def end_at_once(environment: Mapping[str, str]) -> int:
        return 2

    assert await demo(end_at_once, once=True) == 1
    assert "The bot has stopped (exit status 2)." in capsys.readouterr().out


async def test_an_exception_of_the_bot_is_raised() -> None:
    async def break_down(environment: Mapping[str, str]) -> int:
        raise LookupError("broken")

    with pytest.raises(LookupError, match="broken"):
        await demo(break_down, once=True)


async def test_a_recorded_response_is_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(file=tmp_path / "case.json", status_paths={"jimeng": "/jimeng/fetch/{id}"})
    recorded = {"provider": "jimeng", "task_id": "cgt-1", "http_status": 200, "headers": {}}
    body = {"data": {"status": "FAILURE", "fail_reason": "why"}}
    case.file.write_text(json.dumps(recorded | {"body": body}))

    status = await demo(SmallBot(), once=True, case=case, pace=0.05)

    printed = capsys.readouterr().out
    assert status == 0
    assert "/watch jimeng cgt-1" in printed
    assert "/status cgt-1" in printed
    assert '"fail_reason": "why"' in printed


async def test_an_unreadable_case_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = Case(file=tmp_path / "case.json", status_paths={})
    case.file.write_text("{}")

    assert await demo(SmallBot(), once=True, case=case) == 1
    assert "case.json is not a recorded response" in capsys.readouterr().out


async def test_the_environment_holds_the_settings_of_a_bot() -> None:
    async with open_sandbox() as sandbox:
        environment = sandbox.environment

        assert environment["TELEGRAM_API_URL"] == sandbox.telegram.url
        assert environment["TELEGRAM_BOT_TOKEN"] == sandbox.telegram.token
        assert environment["GATEWAY_BASE_URL"] == sandbox.gateway.url
        assert Path(environment["DATABASE_URL"].removeprefix("sqlite:///")).parent.is_dir()
    assert not Path(environment["DATABASE_URL"].removeprefix("sqlite:///")).parent.exists()


async def run_typed(sandbox: Sandbox, typed: str) -> None:
    """Type this and end the input."""
    reading, writing = os.pipe()
    os.write(writing, typed.encode())
    os.close(writing)
    async with asyncio.timeout(30):
        await run_interactive(sandbox, Tours(sandbox), reading)
    os.close(reading)


async def test_typed_lines_are_sent_to_the_bot() -> None:
    async with open_sandbox() as sandbox:
        await run_typed(sandbox, "/tasks\n\n  /help \n")

        assert [message.text for message in sandbox.telegram.messages(ANNA)] == ["/tasks", "/help"]


async def test_commands_with_a_colon_are_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_sandbox() as sandbox:
        await run_typed(sandbox, ":new videos\n:fail jimeng\n:new nonsense\n")

        assert sandbox.telegram.messages(ANNA) == []
        [*_, new, failing] = sandbox.gateway.tasks.values()
        assert (new.kind, new.fails) == ("videos", None)
        assert failing.kind == "jimeng"
        assert failing.fails
        assert f"/watch jimeng {failing.task_id}   (this one fails)" in capsys.readouterr().out


def read_nothing(_: Path) -> dict[str, Any]:
    """What the bot has in its database: there is none."""
    raise OSError


async def until_printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wait until a text is printed."""
    for _ in range(400):
        if text in capsys.readouterr().out:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(text)


PAGE = Page(host="127.0.0.1", port=0, read_database=read_nothing)


async def test_a_demo_in_a_terminal_ends_with_what_is_typed() -> None:
    ours, terminal = os.openpty()
    os.write(ours, b"/tasks\n\x04")

    assert await demo(SmallBot(), once=False, page=PAGE, typed=terminal, pace=0.05) == 0

    os.close(ours)
    os.close(terminal)


@pytest.mark.parametrize("has_input", [True, False])
async def test_a_page_without_a_terminal_stays(has_input: bool, capsys: pytest.CaptureFixture[str]) -> None:
    typed, writing = os.pipe()
    os.close(writing)

    running = asyncio.create_task(
        demo(SmallBot(), once=False, page=PAGE, typed=typed if has_input else None, pace=0.05)
    )
    await until_printed("Go on in the browser", capsys)

    assert not running.done()
    running.cancel()
    await asyncio.wait({running})
    os.close(typed)


async def test_the_tour_can_be_played_again_beside_other_conversations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_sandbox(pace=0.1) as sandbox:
        bot = asyncio.ensure_future(SmallBot()(sandbox.environment))
        tours = Tours(sandbox)
        assert await tours.play()
        assert "✓ 5 of 5 videos" in capsys.readouterr().out
        task = sandbox.new_task("jimeng", seconds=1)
        sandbox.telegram.send(ANNA, f"/watch jimeng {task.task_id}")

        assert tours.play_again()
        assert not tours.play_again()
        await until_printed("✓ 5 of 5 videos", capsys)
        bot.cancel()
        await asyncio.wait({bot})
