"""`python -m bot demo`: the tour, and one recorded answer."""

import json
import re
import subprocess
from urllib.request import urlopen

import pytest

from tests.e2e.conftest import CASE, Demos
from tests.e2e.program import command, environment


def test_the_tour_delivers_every_video_once_and_finishes_every_card(demos: Demos):
    output, log = demos["tour"].communicate(timeout=90)
    assert demos["tour"].returncode == 0, output
    assert "✓ 5 of 5 videos arrived exactly once" in output
    signs = re.findall(r" (\S+) +[‹✎] #(\d+) +([⏳🎬✅❌])", output)
    last = {(chat, number): sign for chat, number, sign in signs}
    assert ("Anna", "6", "⏳") in signs
    assert set(last.values()) == {"✅", "❌"}
    assert log == ""


def test_a_recorded_response_is_shown_as_in_a_chat(demos: Demos):
    output, log = demos["case"].communicate(timeout=60)
    assert demos["case"].returncode == 0, output
    assert f"/watch alibailian {json.loads(CASE.read_text())['task_id']}" in output
    assert "Failed" in output
    assert log == ""


def test_the_page_stays_without_a_terminal_and_ends_at_once_while_it_is_open(demos: Demos):
    demo = demos["page"]
    assert demo.stdout is not None
    printed = ""
    while "Go on in the browser" not in printed and (line := demo.stdout.readline()):
        printed += line
    [address] = re.findall(r"http://127\.0\.0\.1:\d+", printed.partition("\n")[0])

    with urlopen(f"{address}/events") as first, urlopen(f"{address}/events") as second:
        assert first.readline() == second.readline() == b"event: snapshot\n"
        demo.terminate()
        _, log = demo.communicate(timeout=20)

    assert (demo.returncode, log) == (0, "")


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("--port", "65536"), 2, "'65536' is not a port from 0 to 65535"),
        (("--port", "web"), 2, "'web' is not a port from 0 to 65535"),
        (("--port", "0", "--host", "192.0.2.1"), 1, "The page can't be served at 192.0.2.1: "),
    ],
)
def test_a_page_that_cannot_be_served_ends_the_demo_with_a_sentence(
    options: tuple[str, ...], status: int, sentence: str
):
    ended = subprocess.run(
        command("demo", *options),
        capture_output=True,
        text=True,
        env=environment({}),
        timeout=30,
        check=False,
    )

    assert ended.returncode == status
    assert sentence in ended.stderr.splitlines()[-1]
