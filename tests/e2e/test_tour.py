"""`python -m bot demo`: the tour, one recorded answer, and the page."""

import json
import re
from urllib.request import urlopen

from tests.e2e.conftest import CASE, Demos


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


def test_the_page_stays_where_nothing_can_be_typed_until_the_program_is_stopped(demos: Demos):
    """As in a container that is run without -i, whose standard input is /dev/null."""
    page = demos["page"]
    assert page.stdout is not None
    address = ""
    for line in page.stdout:
        address = address or "".join(re.findall(r"http://127\.0\.0\.1:\d+", line))
        if "Go on in the browser; Ctrl-C ends." in line:
            break
    with urlopen(address, timeout=10) as response:
        assert b"Reelwatch" in response.read()

    page.terminate()
    _, log = page.communicate(timeout=20)
    assert (page.returncode, log) == (0, "")
