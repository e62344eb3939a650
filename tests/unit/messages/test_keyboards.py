from dataclasses import replace

import pytest

from bot.messages.keyboards import send_again, watch_to_send_again
from storage.models import TaskStatus
from tests.unit.messages.builders import watched

WATCH = watched(TaskStatus.SUCCEEDED).watch


@pytest.mark.parametrize("watch_id", [1, 42, 10**18 - 1])
def test_a_button_names_its_watch(watch_id: int):
    button = send_again(replace(WATCH, id=watch_id))

    assert button.action is not None
    assert watch_to_send_again(button.action) == watch_id
    assert len(button.action.encode()) <= 64


@pytest.mark.parametrize(("language", "label"), [("en", "🔁 Send again"), ("zh", "🔁 重新发送")])
def test_a_button_is_in_the_language_of_its_watch(language: str, label: str):
    assert send_again(replace(WATCH, language=language)).label == label


@pytest.mark.parametrize(
    "data",
    [
        "",
        "again:",
        "again:-1",
        "again: 1",
        "again:1.0",
        "again:１",
        "again:1 or 1=1",
        "42",
        "stop:1",
        f"again:{2**63}",
        "again:" + "9" * 19,
        "again:" + "9" * 58,
    ],
)
def test_other_data_names_no_watch(data: str):
    assert watch_to_send_again(data) is None
