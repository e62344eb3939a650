from dataclasses import replace

import pytest

from bot.messages.callback_data import CheckNow, SendAgain
from bot.messages.keyboards import check_again, send_again
from storage.models import TaskStatus
from tests.unit.messages.builders import watched

WATCH = watched(TaskStatus.SUCCEEDED).watch


def test_a_button_names_its_watch():
    assert send_again(WATCH).action == SendAgain(watch_id=WATCH.id).pack()
    assert check_again(WATCH).action == CheckNow(watch_id=WATCH.id).pack()


@pytest.mark.parametrize(("language", "label"), [("en", "🔁 Send again"), ("zh", "🔁 重新发送")])
def test_a_button_is_in_the_language_of_its_watch(language: str, label: str):
    assert send_again(replace(WATCH, language=language)).label == label
