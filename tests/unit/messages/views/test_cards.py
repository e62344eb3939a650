from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.messages.callback_data import TasksPage
from bot.messages.view import OVERDUE, Forecast
from bot.messages.views import cards, task_list
from storage.models import Cause, DeliveryState, PollFailure, Stall, TaskStatus
from storage.watches import WatchState
from tests.unit.messages.builders import NOW, TASK_ID, failed, failing, snapshot, succeeded, watched
from tests.unit.messages.reading import utf16_units, visible

HOSTILE = "</b>&<i>🎬 " * 500


def card(found) -> list[str]:
    return visible(cards.card(found, now=NOW).text).split("\n")


def already(found) -> str:
    return visible(cards.already(found, language="en", now=NOW).text)


def status(found, language: str = "en") -> str:
    return visible(cards.status(found, language=language, now=NOW).text)


def test_a_new_card_names_provider_id_and_status():
    assert card(watched(TaskStatus.UNKNOWN)) == [f"⏳ alibailian · {TASK_ID}", "Queued · 1 min 20 s so far"]


def test_a_queued_card_shows_the_queue_position_and_the_age_of_the_task():
    found = watched(TaskStatus.QUEUED, snapshot=snapshot(TaskStatus.QUEUED, queue_position=3))
    assert card(found)[1] == "Queued · 3 tasks ahead · 1 min 53 s so far"


def test_a_running_card_shows_no_queue_position():
    found = watched(TaskStatus.RUNNING, snapshot=snapshot(TaskStatus.RUNNING, queue_position=3))
    assert card(found)[1] == "Running · 1 min 53 s so far"


def test_measured_progress_is_a_bar():
    found = snapshot(TaskStatus.RUNNING, progress=45.6, progress_measured=True)
    assert (
        card(watched(TaskStatus.RUNNING, snapshot=found))[1] == "Running · ▰▰▰▰▱▱▱▱▱▱ 45% · 1 min 53 s so far"
    )


def test_unmeasured_progress_is_only_a_number():
    found = watched(TaskStatus.RUNNING, snapshot=snapshot(TaskStatus.RUNNING, progress=30.0))
    assert card(found)[1] == "Running · 30% · 1 min 53 s so far"


def test_model_and_prompt_are_truncated():
    found = snapshot(TaskStatus.RUNNING, model="wan2.2", prompt="A cat & a dog\n" * 20)
    line = card(watched(TaskStatus.RUNNING, snapshot=found))[2]
    assert line.startswith("wan2.2 · “A cat & a dog A cat & a dog")
    assert line.endswith("…”")


def test_a_poll_failure_has_a_sentence_of_its_own():
    assert card(failing(Cause.UNREACHABLE))[-1] == "⚠️ The gateway isn't responding. I'll keep retrying."
    assert card(failing(Cause.UNREACHABLE, language="zh"))[-1] == "⚠️ 网关没有响应。我会继续尝试。"


def test_a_cause_rare_for_a_poll_still_has_a_sentence():
    assert card(failing(Cause.MODERATION)) == card(failing(Cause.OTHER))


def test_a_stopped_card_shows_no_poll_failure():
    trouble = PollFailure(cause=Cause.UNREACHABLE, message="", since=NOW)
    found = watched(TaskStatus.RUNNING, state=WatchState.STOPPED, poll_failure=trouble)
    assert card(found) == [f"⏹ alibailian · {TASK_ID}", "Stopped watching"]


def test_a_finished_card_shows_the_duration():
    assert card(succeeded())[1] == "Done · took 1 min 53 s"
    assert card(succeeded(language="zh"))[1] == "已完成 · 用时 1 分钟 53 秒"


def test_a_time_from_registration_is_only_a_lower_bound():
    found = snapshot(TaskStatus.SUCCEEDED, submitted_at=None, finished_at=NOW)
    task = watched(TaskStatus.SUCCEEDED, snapshot=found)
    assert card(task)[1] == "Done · took at least 1 min 20 s"


def test_a_negative_duration_is_omitted():
    found = snapshot(TaskStatus.SUCCEEDED, submitted_at=None, finished_at=NOW - timedelta(days=1))
    assert card(watched(TaskStatus.SUCCEEDED, snapshot=found))[1] == "Done"


def test_a_failed_card_shows_the_reason():
    assert card(failed(Cause.KEY_EXHAUSTED))[1:] == [
        "Failed · after 1 min 53 s",
        "Out of credit or quota.",
    ]


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        (TaskStatus.CANCELLED, "Cancelled"),
        (TaskStatus.EXPIRED, "Expired"),
        (TaskStatus.NOT_FOUND, "Not found"),
    ],
)
def test_the_other_final_statuses_have_a_text(ending, word):
    assert card(watched(ending))[1] == word


def test_status_shows_the_raw_status_the_last_poll_and_the_next():
    found = watched(
        TaskStatus.RUNNING,
        snapshot=snapshot(TaskStatus.RUNNING, raw_status="IN_PROGRESS"),
        last_poll_at=NOW - timedelta(seconds=5),
        next_poll_at=NOW + timedelta(seconds=10),
    )
    assert status(found).split("\n")[2:] == [
        "Gateway status: IN_PROGRESS",
        "Last checked 5 s ago · next check in 10 s",
    ]


def test_status_before_the_first_poll_says_so():
    assert status(watched(TaskStatus.UNKNOWN, next_poll_at=NOW)).endswith("Not checked yet")


def test_an_overdue_poll_is_due_at_any_moment():
    found = watched(TaskStatus.RUNNING, last_poll_at=NOW, next_poll_at=NOW - timedelta(seconds=1))
    assert status(found).endswith("Last checked 0 s ago · next check any moment")


def test_a_final_status_promises_no_further_poll():
    found = watched(TaskStatus.EXPIRED, last_poll_at=NOW - timedelta(seconds=5))
    assert status(found).endswith("Last checked 5 s ago")


def test_status_quotes_the_gateways_error():
    text = status(failing(Cause.UNREACHABLE, "HTTP 502 <html>"))
    assert text.endswith("⚠️ The gateway isn't responding. I'll keep retrying.\nHTTP 502 <html>")


@pytest.mark.parametrize("task", [failing(Cause.KEY_INVALID, "HTTP 401"), failed(Cause.MODERATION)])
def test_the_status_of_a_stopped_watch_shows_no_poll_and_no_failure(task):
    stopped = replace(task, watch=replace(task.watch, state=WatchState.STOPPED))
    raw_status = task.task.snapshot.raw_status
    _title, standing, word, polls = status(stopped).split("\n")
    assert (standing, word) == ("Stopped watching", f"Gateway status: {raw_status}")
    assert polls in {"Last checked 5 s ago", "Not checked yet"}


def test_status_is_in_the_language_of_the_user():
    assert "排队中" in status(watched(TaskStatus.UNKNOWN, language="en"), language="zh")


def test_an_existing_watch_is_shown_with_its_status():
    running = watched(TaskStatus.RUNNING)
    assert already(running) == "Already watching this: Running · 1 min 20 s so far"


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (DeliveryState.SENT, "Already watched and delivered: Done"),
        (
            DeliveryState.UNKNOWN,
            "Watched before: Done\nTelegram didn't confirm, so the video may or may not have arrived.",
        ),
        (DeliveryState.DEAD, "Watched before: Done\nThe result couldn't be sent here."),
        (None, "Watched before: Done\nSending it again."),
    ],
)
def test_a_result_shows_only_what_is_known(result, shown):
    assert already(watched(TaskStatus.SUCCEEDED, state=WatchState.FINISHED, result=result)) == shown


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("ending", list(TaskStatus))
def test_no_external_text_makes_a_view_too_long_or_breaks_it(language, ending):
    facts = {"raw_status": HOSTILE, "model": HOSTILE, "prompt": HOSTILE, "queue_position": 10**9}
    found = watched(
        ending,
        language=language,
        provider=HOSTILE,
        external_id="i" * 512,
        snapshot=snapshot(ending, **facts),
        poll_failure=PollFailure(cause=Cause.KEY_INVALID, message=HOSTILE, since=NOW),
    )
    for view in (
        cards.card(found, now=NOW),
        cards.status(found, language=language, now=NOW),
        cards.statuses([found] * 50, language=language, now=NOW),
    ):
        assert utf16_units(view.text) <= 4096


@pytest.mark.parametrize(
    ("seconds", "language", "shown"),
    [
        ((60, 122, 238), "en", "about 2 min left (1 min – 4 min)"),
        ((61, 118, 241), "zh", "大约还需 2 分钟（1 分钟 – 4 分钟）"),
        ((1, 12, 33), "en", "about 10 s left (5 s – 35 s)"),
        ((3700, 4000, 7300), "en", "about 1 h 7 min left (1 h 2 min – 2 h 2 min)"),
        ((41, 42, 43), "en", "about 40 s left (40 s – 45 s)"),
        ((41, 41, 41), "en", "about 40 s left"),
    ],
)
def test_a_forecast_is_a_range_rounded_to_its_precision(seconds, language, shown):
    low_s, middle_s, high_s = seconds
    forecast = Forecast(low_s=low_s, middle_s=middle_s, high_s=high_s)
    view = cards.card(watched(TaskStatus.RUNNING, language=language), now=NOW, forecast=forecast)
    assert shown in visible(view.text).split("\n")


def test_a_task_past_its_forecast_takes_longer_than_usual():
    view = cards.card(watched(TaskStatus.RUNNING), now=NOW, forecast=OVERDUE)
    assert "longer than usual" in visible(view.text)


def test_an_ended_task_has_no_forecast():
    view = cards.card(succeeded(), now=NOW, forecast=OVERDUE)
    assert "longer than usual" not in visible(view.text)


def test_a_card_shows_how_long_its_gateway_has_been_unreachable():
    found = watched(
        TaskStatus.RUNNING,
        snapshot=snapshot(TaskStatus.RUNNING),
        snapshot_at=NOW - timedelta(minutes=3),
        poll_failure=PollFailure(cause=Cause.UNREACHABLE, message="", since=NOW),
    )

    *_, last = visible(cards.card(found, now=NOW, problem="away").text).split("\n")

    assert last == "⚠️ Not checked for 3 min: the gateway isn't responding."


def test_a_card_of_a_task_without_any_response_shows_that_instead_of_queued():
    found = watched(TaskStatus.UNKNOWN, failures=1)

    text = visible(cards.card(found, now=NOW, problem="key").text)

    assert "Queued" not in text
    assert "Not checked yet · 1 min 20 s so far" in text
    assert text.endswith("⚠️ Not checked yet: the gateway rejects the bot's API key.")


@pytest.mark.parametrize(
    ("language", "cause", "target", "sentence"),
    [
        ("en", Cause.WANTS_HTTPS, "https://g.example", "needs to set BASE_URL to https://g.example"),
        ("zh", Cause.WANTS_HTTPS, "https://g.example", "把 BASE_URL 改为 https://g.example"),
        ("en", Cause.REDIRECTED, "login.example", "redirects to login.example"),
        ("zh", Cause.REDIRECTED, "login.example", "重定向到了 login.example"),
    ],
)
def test_a_card_shows_where_the_gateway_redirects_to(language: str, cause: Cause, target: str, sentence: str):
    found = failing(cause, target, language=language)

    alone = visible(cards.card(found, now=NOW).text)
    with_its_gateway = visible(cards.card(found, now=NOW, problem="odd").text)
    answered = visible(cards.status(found, language=language, now=NOW).text)

    assert sentence in alone
    assert target in with_its_gateway
    assert "BASE_URL" in with_its_gateway
    assert answered.count(target) == 1


def test_a_final_task_has_no_problem_with_its_gateway():
    assert "⚠️" not in cards.card(succeeded(), now=NOW, problem="away").text


@pytest.mark.parametrize(
    ("stall", "language", "sentence", "label"),
    [
        (Stall.UNCHANGED, "en", "No change for a day, so I only check once an hour now.", "🔄 Check now"),
        (Stall.UNCHANGED, "zh", "已经一天没有变化，现在改为每小时查询一次。", "🔄 立即查询"),
        (Stall.RESTING, "en", "so I've stopped checking this task.", "🔄 Check again"),
        (Stall.RESTING, "zh", "这个任务不再查询。", "🔄 接着查"),
    ],
)
def test_an_unchanged_task_says_so_and_has_a_button_to_resume_its_polling(
    stall: Stall, language: str, sentence: str, label: str
):
    found = watched(TaskStatus.RUNNING, language=language, stall=stall, snapshot=snapshot(TaskStatus.RUNNING))

    view = cards.card(found, now=NOW, problem="away" if stall is Stall.RESTING else None)

    assert sentence in view.text
    assert "isn't responding" not in view.text
    assert [each.label for row in view.buttons for each in row][:-1] == [label]
    assert sentence in cards.status(found, language=language, now=NOW).text
    assert (
        sentence
        in task_list.page([found], TasksPage(page=0), language=language, thread_id=None, now=NOW).text
    )


@pytest.mark.parametrize("fields", [{"state": WatchState.STOPPED}, {}], ids=["stopped", "done"])
def test_resumed_polling_is_not_mentioned(fields: dict[str, Any]):
    status = TaskStatus.RUNNING if fields else TaskStatus.SUCCEEDED
    view = cards.card(watched(status, stall=Stall.RESTING, **fields), now=NOW)

    assert "checking" not in view.text
    assert view.buttons == ()


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({}, ["🔄 Check now", "⏹ Stop"]),
        ({"stall": Stall.RESTING}, ["🔄 Check again", "⏹ Stop"]),
        ({"state": WatchState.STOPPED}, []),
        ({"state": WatchState.SUSPENDED}, []),
    ],
)
def test_an_active_card_can_be_checked_and_stopped(fields: dict[str, Any], labels: list[str]):
    view = cards.card(watched(TaskStatus.RUNNING, **fields), now=NOW)

    assert [each.label for row in view.buttons for each in row] == labels


@pytest.mark.parametrize(
    ("language", "name", "shown"),
    [
        ("en", "Bob", "<b>Stopped watching</b> · stopped by Bob"),
        ("zh", "Bob", "<b>已停止关注</b> · 由 Bob 停止"),
        ("en", "<b>\n&", "<b>Stopped watching</b> · stopped by &lt;b&gt; &amp;"),
        ("en", None, "<b>Stopped watching</b>"),
    ],
)
def test_a_stopped_card_shows_who_stopped_it(language: str, name: str | None, shown: str):
    found = watched(TaskStatus.RUNNING, language=language, state=WatchState.STOPPED)
    by = replace(found, watch=replace(found.watch, stopped_by=name))

    assert cards.card(by, now=NOW).text.splitlines()[1] == shown


def test_a_bubble_shows_the_status_without_markup():
    found = watched(TaskStatus.RUNNING, snapshot=snapshot(TaskStatus.RUNNING))

    assert cards.bubble(found, language="en", now=NOW) == "Running · 1 min 53 s so far"
