"""The pages of /tasks."""

from dataclasses import replace

import pytest

from bot.messages.callback_data import CallbackData, ListedStatus, StopListed, TasksPage
from bot.messages.view import View
from bot.messages.views import task_list
from storage.models import TaskStatus
from storage.watches import WatchedTask
from tests.unit.messages.builders import NOW, TASK_ID, watched
from tests.unit.messages.reading import utf16_units, visible

HOSTILE = "</b>&<i>🎬 " * 500
FIRST = TasksPage(page=0)


def page(found: list[WatchedTask], asked: TasksPage = FIRST, *, thread_id: int | None = None) -> View:
    return task_list.page(found, asked, language="en", thread_id=thread_id, now=NOW)


def text_of(found: list[WatchedTask], thread_id: int | None = None) -> str:
    return visible(page(found, thread_id=thread_id).text)


def many(count: int, *providers: str) -> list[WatchedTask]:
    """Watches of tasks id-1, id-2 …, of these providers in turn; every third one is running."""
    names = providers or ("wan",)
    return [
        replace(found, watch=replace(found.watch, id=number))
        for number in range(1, count + 1)
        for found in [
            watched(
                TaskStatus.UNKNOWN if number % 3 else TaskStatus.RUNNING,
                external_id=f"id-{number}",
                provider=names[number % len(names)],
            )
        ]
    ]


def labels(view: View) -> list[list[str]]:
    return [[button.label for button in row] for row in view.buttons]


def pressed(view: View, label: str, kind: type[CallbackData] = TasksPage) -> CallbackData:
    [action] = [button.action for row in view.buttons for button in row if button.label == label]
    parsed = kind.parse(action or "")
    assert parsed is not None
    return parsed


def test_tasks_has_a_numbered_line_per_task_and_a_button_that_stops_each():
    found = [watched(TaskStatus.RUNNING), watched(TaskStatus.UNKNOWN, external_id="task_2")]
    assert text_of(found) == (
        "Watching 2 tasks:\n"
        f"1. 🎬 alibailian · {TASK_ID} · Running · 1 min 20 s so far\n"
        "2. ⏳ alibailian · task_2 · Queued · 1 min 20 s so far"
    )
    assert labels(page(found)) == [["⏹ Stop 1", "⏹ Stop 2"]]


def test_the_only_task_has_no_number():
    view = page(many(1))

    assert "1." not in view.text
    assert labels(view) == [["⏹ Stop"]]
    assert pressed(view, "⏹ Stop", StopListed) == StopListed(watch_id=1, page=0)


def test_tasks_are_grouped_by_topic_with_this_one_first():
    found = [watched(TaskStatus.UNKNOWN, external_id=f"id-{n}", thread_id=n) for n in (None, 7, 9, 7)]
    lines = [line.split(" · ")[1] if " · " in line else line for line in text_of(found, 9).split("\n")[1:]]
    assert lines == [
        "In this topic",
        "id-9",
        "Outside the topics",
        "id-None",
        "In topic 7",
        "id-7",
        "id-7",
    ]


def test_tasks_of_one_topic_have_no_heading():
    assert "topic" not in text_of([watched(TaskStatus.UNKNOWN, thread_id=9)], 9)


def test_a_list_marks_tasks_that_cannot_be_polled():
    found = [watched(TaskStatus.UNKNOWN, provider=name) for name in ("wan", "veo")]

    view = task_list.page(
        found, FIRST, language="zh", thread_id=None, now=NOW, problem_of={"veo": "quota"}.get
    )

    assert view.text.count("⚠️") == 1
    assert view.text.endswith("⚠️ 尚未查询成功：网关账号的额度已用完。")


def test_many_tasks_are_shown_in_pages():
    found = many(18)
    first, second, last = (page(found, TasksPage(page=number)) for number in range(3))

    assert "8. " in first.text
    assert "9. " not in first.text
    assert ["1/3", "▶"] in labels(first)
    assert ["◀", "2/3", "▶"] in labels(second)
    assert labels(last)[:2] == [["⏹ Stop 17", "⏹ Stop 18"], ["◀", "3/3"]]
    assert pressed(first, "▶") == TasksPage(page=1)
    assert pressed(second, "⏹ Stop 9", StopListed) == StopListed(watch_id=9, page=1)


@pytest.mark.parametrize(("number", "shown"), [(99, "2/2"), (-1, "1/2")])
def test_a_page_that_is_gone_means_the_nearest(number: int, shown: str):
    assert shown in [label for row in labels(page(many(9), TasksPage(page=number))) for label in row]


def test_a_long_list_can_be_filtered_by_status_and_provider_and_the_filter_undone():
    found = many(12, "wan", "veo")
    view = page(found, TasksPage(page=1))
    assert labels(view)[-2:] == [["Queued", "Running"], ["veo", "wan"]]

    running = pressed(view, "Running")
    assert running == TasksPage(page=0, status=ListedStatus.RUNNING)
    assert isinstance(running, TasksPage)
    assert "Watching 4 tasks" in page(found, running).text
    of_veo = pressed(page(found, running), "veo")
    assert of_veo == TasksPage(page=0, status=ListedStatus.RUNNING, provider="veo")
    assert isinstance(of_veo, TasksPage)
    both = page(found, of_veo)
    assert "Watching 2 tasks" in both.text
    assert pressed(both, "✓ Running") == TasksPage(page=0, provider="veo")
    assert pressed(both, "✓ veo") == running


def test_a_short_list_or_one_of_a_kind_has_no_filters():
    assert labels(page(many(3, "wan", "veo"))) == [["⏹ Stop 1", "⏹ Stop 2", "⏹ Stop 3"]]
    assert labels(page(many(9, "wan")))[-1] == ["Queued", "Running"]


def test_a_filter_that_fits_no_task_any_more_is_left_out():
    view = page(many(9), TasksPage(page=0, provider="gone"))

    assert "Watching 9 tasks" in view.text


def test_a_page_of_the_longest_ids_says_how_many_do_not_fit():
    found = [watched(TaskStatus.UNKNOWN, external_id=f"{n:0>512}") for n in range(9)]
    text = text_of(found)
    shown = text.count("⏳")
    assert text.endswith(f"… and {8 - shown} more")
    assert shown > 5


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_external_text_makes_a_page_too_long(language: str):
    found = watched(TaskStatus.RUNNING, provider=HOSTILE, external_id="i" * 512)

    view = task_list.page([found] * 8, FIRST, language=language, thread_id=3, now=NOW)

    assert utf16_units(view.text) <= 4096


def test_the_longest_values_fit_into_callback_data():
    found = [
        replace(each, watch=replace(each.watch, id=10**15 + each.watch.id)) for each in many(9, "a" * 32, "b")
    ]

    assert page(found, TasksPage(page=1, status=ListedStatus.QUEUED, provider="a" * 32)).buttons
