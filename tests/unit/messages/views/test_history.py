from dataclasses import replace
from typing import Any

from bot.messages.callback_data import HistoryPage, SendCopy
from bot.messages.limits import TEXT_UNITS, utf16_len
from bot.messages.views.history import PAGE, history
from storage.models import Cause
from storage.watches import Ending, WatchedTask, WatchState
from tests.unit.messages.builders import NOW, failed, succeeded
from tests.unit.messages.reading import visible

NAMES = ("alibailian", "wan")


def ended(watched: WatchedTask, *, state: WatchState = WatchState.FINISHED, **fields: Any) -> WatchedTask:
    values: dict[str, Any] = {"state": state, "ended_at": NOW, "user_name": "Anna"} | fields
    return replace(watched, watch=replace(watched.watch, **values))


def labels(found: list[WatchedTask], shown: HistoryPage, names: tuple[str, ...] = NAMES) -> list[str]:
    return [each.label for row in history(found, shown, names, language="en").buttons for each in row]


def test_an_entry_says_what_it_was_how_and_when_it_ended_and_who_asked():
    view = history([ended(succeeded())], HistoryPage(), NAMES, language="en")

    assert visible(view.text).splitlines() == [
        "History",
        "1. ✅ alibailian · 86ecf553-d340-4e21-af6e-a0c6a421c010",
        "Done · took 1 min 53 s · 2025-10-12 11:02 UTC · Anna",
    ]
    assert f'unix="{int(NOW.timestamp())}"' in view.text


def test_a_failed_and_a_stopped_one_have_no_video_to_send_again():
    found = [
        ended(failed(Cause.MODERATION)),
        ended(succeeded(), state=WatchState.STOPPED, user_name=None),
        ended(succeeded()),
    ]
    view = history(found, HistoryPage(), NAMES, language="en")

    assert "Failed · after 1 min 53 s" in visible(view.text)
    assert "\nStopped watching · 2025" in visible(view.text)
    assert [each.label for each in view.buttons[0]] == ["🔁 Send again · 3"]
    assert SendCopy.parse(view.buttons[0][0].action or "") == SendCopy(watch_id=1)


def test_pages_are_offered_where_there_are_others():
    one, six = [ended(succeeded())], [ended(succeeded())] * (PAGE + 1)

    assert not {"◀", "▶"} & set(labels(one, HistoryPage()))
    assert "▶" in labels(six, HistoryPage())
    assert {"◀", "3", "▶"} <= set(labels(six, HistoryPage(page=2)))
    assert "6." not in history(six, HistoryPage(), NAMES, language="en").text
    assert "page 3" in history(six, HistoryPage(page=2), NAMES, language="en").text


def test_filters_are_marked_and_begin_with_the_first_page():
    view = history([], HistoryPage(page=3, ending=Ending.FAILED), NAMES, language="en")

    [endings] = [row for row in view.buttons if row[0].label == "Done"]
    assert [each.label for each in endings] == ["Done", "✓ Failed", "Stopped"]
    assert HistoryPage.parse(endings[0].action or "") == HistoryPage(ending=Ending.DONE)
    assert HistoryPage.parse(endings[1].action or "") == HistoryPage()
    assert "No tasks match" in view.text
    assert "No task has ended here" in history([], HistoryPage(), NAMES, language="en").text


def test_a_provider_is_chosen_and_the_choice_undone():
    shown = HistoryPage(page=1, ending=Ending.DONE)
    row = history([], shown, NAMES, language="en").buttons[-1]
    assert [each.label for each in row] == ["alibailian", "wan"]
    of_wan = HistoryPage.parse(row[1].action or "")
    assert of_wan == HistoryPage(ending=Ending.DONE, provider="wan")

    row = history([], replace(shown, provider="wan"), NAMES, language="en").buttons[-1]
    assert [each.label for each in row] == ["alibailian", "✓ wan"]
    assert HistoryPage.parse(row[1].action or "") == HistoryPage(ending=Ending.DONE)
    assert "wan" not in labels([], HistoryPage(), ("wan",))


def test_many_providers_stay_within_what_telegram_allows():
    names = tuple(f"name-{number}" for number in range(200))

    assert len(labels([ended(succeeded())] * (PAGE + 1), HistoryPage(page=1), names)) <= 100


def test_the_longest_names_and_ids_fit():
    long = replace(succeeded().task.ref, provider="p" * 32, external_id="x" * 512)
    watched = ended(succeeded(), user_name="<&>" * 30)
    found = [replace(watched, task=replace(watched.task, ref=long))] * PAGE
    shown = HistoryPage(page=999, ending=Ending.STOPPED, provider="p" * 32)
    view = history(found, shown, ("p" * 32, "q"), language="zh")

    assert utf16_len(view.text) <= TEXT_UNITS
    assert all(len((each.action or "").encode()) <= 64 for row in view.buttons for each in row)
    assert "&lt;&amp;&gt;" in view.text
