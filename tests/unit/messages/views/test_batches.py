"""The card of a batch, as people see it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.messages.callback_data import SendBatchAgain, StopBatch
from bot.messages.views import batches
from storage.models import Cause, DeliveryState, Snapshot, Stall, TaskStatus
from storage.watches import Batch, WatchedTask, WatchState
from tests.unit.messages.builders import NOW, failed, failing, snapshot, succeeded, watched
from tests.unit.messages.reading import utf16_units, visible


def named(found: WatchedTask, external_id: str, provider: str = "wan") -> WatchedTask:
    ref = replace(found.task.ref, external_id=external_id, provider=provider)
    return replace(found, task=replace(found.task, ref=ref))


def delivered(found: WatchedTask, result: DeliveryState) -> WatchedTask:
    return replace(found, watch=replace(found.watch, state=WatchState.FINISHED, result=result))


def batch(language: str = "en") -> Batch:
    return Batch(
        id=1,
        chat_id=42,
        thread_id=None,
        request_message_id=7,
        user_id=42,
        language=language,
        created_at=NOW - timedelta(minutes=5),
    )


def card(*found: WatchedTask, language: str = "en") -> list[str]:
    return visible(batches.card(batch(language), found).text).split("\n")


def running(percent: float | None = None) -> WatchedTask:
    return watched(TaskStatus.RUNNING, snapshot=snapshot(TaskStatus.RUNNING, progress=percent))


def test_the_card_counts_the_tasks_and_shows_the_state_of_each():
    assert card(
        named(succeeded(), "a1"),
        named(running(45.6), "a2"),
        named(watched(TaskStatus.QUEUED), "a3"),
        named(watched(TaskStatus.UNKNOWN), "a4"),
        named(failed(Cause.MODERATION), "a5"),
    ) == [
        "1 of 5 done · Queued 2 · Running 1 · Failed 1",
        "✅ a1 · Done",
        "🎬 a2 · Running 45%",
        "⏳ a3 · Queued",
        "⏳ a4 · Queued",
        "❌ a5 · Failed",
    ]


def test_the_providers_are_named_where_there_are_several():
    shown = card(named(running(), "a1"), named(running(), "b1", "videos"))

    assert shown[1:] == ["🎬 wan a1 · Running", "🎬 videos b1 · Running"]


def test_stopped_and_resting_tasks_are_told_apart():
    stopped = watched(TaskStatus.RUNNING, state=WatchState.STOPPED)
    resting = watched(TaskStatus.RUNNING, stall=Stall.RESTING)

    assert card(named(stopped, "a1"), named(resting, "a2"))[1:] == [
        "⏹ a1 · Stopped watching",
        "💤 a2 · Running",
    ]


def test_each_problem_of_polling_is_told_once():
    shown = card(*(named(failing(Cause.UNREACHABLE), f"a{number}") for number in range(4)))

    assert len(shown) == 6
    assert shown[-1] == "⚠️ The gateway isn't responding. I'll keep retrying."


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("away", "isn't responding"),
        ("odd", "can't read"),
        ("proxy", "proxy isn't working"),
        ("key", "rejected the bot's API key"),
        ("quota", "out of credit"),
    ],
)
def test_the_problem_of_a_gateway_is_told_before_any_task_s_own_polls_have_failed(problem: str, words: str):
    found = [named(running(), "a1"), named(running(), "a2"), named(running(), "b1", "veo"), succeeded()]

    shown = visible(batches.card(batch(), found, problem_of={"wan": problem}.get).text).split("\n")

    assert len([line for line in shown if "⚠️" in line]) == 1
    assert words in shown[-1]


def test_the_summary_does_not_tell_the_problem_of_a_gateway():
    assert "⚠️" not in batches.card(batch(), [succeeded()], problem_of={"wan": "away"}.get).text


def test_the_summary_says_what_failed_and_why_by_reason():
    ended = [
        named(succeeded(), "a1"),
        named(failed(Cause.MODERATION, "nsfw"), "a2"),
        named(watched(TaskStatus.NOT_FOUND), "a3"),
        named(failed(Cause.MODERATION), "a4"),
        named(watched(TaskStatus.RUNNING, state=WatchState.STOPPED), "a5"),
    ]

    assert card(*ended) == [
        "1 of 5 done · Failed 2 · Not found 1 · Stopped watching 1",
        "❌ The content filter rejected the prompt, an image or the video.",
        "a2, a4",
        "❓ Not found",
        "a3",
        "⏹ Stopped watching",
        "a5",
    ]


def test_the_summary_says_how_long_it_took_from_the_request_to_the_last_end():
    ended = succeeded()
    last = replace(ended, task=replace(ended.task, last_poll_at=NOW))

    assert card(named(ended, "a1"), named(last, "a2")) == ["2 of 2 done · took 5 min"]


def test_a_success_without_a_video_counts_as_failed():
    without = snapshot(TaskStatus.SUCCEEDED, finished_at=NOW)

    shown = card(named(watched(TaskStatus.SUCCEEDED, snapshot=without), "a1"), named(succeeded(), "a2"))

    assert shown[0] == "1 of 2 done · Failed 1"
    assert shown[1:] == ["❌ The task is done, but the gateway has no video for it.", "a1"]


def test_the_summary_names_results_that_did_not_arrive():
    shown = card(
        named(delivered(succeeded(), DeliveryState.SENT), "a1"),
        named(delivered(succeeded(), DeliveryState.UNKNOWN), "a2"),
        named(delivered(succeeded(), DeliveryState.DEAD), "a3"),
    )

    assert shown == [
        "3 of 3 done",
        "⚠️ Telegram didn't confirm, so the video may or may not have arrived.",
        "a2",
        "⚠️ The result couldn't be sent here.",
        "a3",
    ]


STOP_ALL = StopBatch(batch_id=1).pack()
AGAIN = SendBatchAgain(batch_id=1).pack()


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        ([running(), succeeded()], [STOP_ALL]),
        (
            [delivered(succeeded(), DeliveryState.SENT), delivered(failed(Cause.OTHER), DeliveryState.SENT)],
            [],
        ),
        ([delivered(succeeded(), DeliveryState.UNKNOWN), running()], [STOP_ALL, AGAIN]),
        ([delivered(succeeded(), DeliveryState.DEAD), succeeded()], [AGAIN]),
        ([delivered(watched(TaskStatus.NOT_FOUND), DeliveryState.SENT), succeeded()], [AGAIN]),
        ([watched(TaskStatus.EXPIRED), succeeded()], [AGAIN]),
        ([watched(TaskStatus.EXPIRED, state=WatchState.STOPPED), succeeded()], []),
    ],
)
def test_the_buttons_stop_what_is_awaited_and_repeat_what_did_not_arrive(
    found: list[WatchedTask], actions: list[str]
):
    view = batches.card(batch(), found)

    assert [button.action for row in view.buttons for button in row] == actions


def test_the_card_tells_who_stopped():
    found = watched(TaskStatus.RUNNING, state=WatchState.STOPPED)
    stopped = replace(found, watch=replace(found.watch, stopped_by="Bob <b>"))

    assert card(named(stopped, "a1"), named(stopped, "a2"))[1:] == [
        "⏹ Stopped watching · stopped by Bob <b>",
        "a1, a2",
    ]


def test_a_batch_waits_as_long_as_one_of_its_tasks_does():
    assert not batches.is_over([succeeded(), running()])
    assert batches.is_over([succeeded(), watched(TaskStatus.RUNNING, state=WatchState.STOPPED)])


def fifty(found: WatchedTask, id_length: int, providers: Sequence[str]) -> list[WatchedTask]:
    return [
        named(found, f"{number:02}" + "x" * (id_length - 2), providers[number % len(providers)])
        for number in range(50)
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("id_length", [36, 48, 512])
@pytest.mark.parametrize("found", [running(100.0), watched(TaskStatus.NOT_FOUND), failed(Cause.COPYRIGHT)])
@pytest.mark.parametrize("providers", [("wan",), ("alibailian", "x" * 64)])
def test_fifty_tasks_fit_into_a_message(
    language: str, id_length: int, found: WatchedTask, providers: Sequence[str]
):
    view = batches.card(batch(language), fifty(found, id_length, providers))

    assert utf16_units(view.text) <= 4096
    assert all(f"{number:02}x" in view.text for number in range(50))


def test_fifty_uuids_of_one_provider_can_be_copied():
    assert batches.card(batch(), fifty(running(100.0), 36, ("wan",))).text.count("<code>") == 50


def test_an_id_that_is_cut_cannot_be_copied():
    view = batches.card(batch(), fifty(running(), 512, ("wan",)))

    assert "<code>" not in view.text
    assert f"00{'x' * 22}…{'x' * 24} · Running" in view.text


def test_fifty_different_failures_fit_into_a_message():
    causes = [cause for cause in Cause if not (cause.is_redirect or cause is Cause.PROXY)]
    found = [named(failed(causes[number % len(causes)]), f"{number:02}" + "x" * 46) for number in range(50)]

    view = batches.card(batch(), found)

    assert utf16_units(view.text) <= 4096
    assert "and" not in view.text.split("\n")[-1]


def test_hostile_names_are_escaped():
    hostile = named(running(), "a<b>&", "</code><script>")

    assert card(hostile, named(running(), "b"))[1] == "🎬 </code><script> a<b>& · Running"


def test_the_prompt_and_the_vendors_words_are_left_to_the_results():
    found = failed(Cause.MODERATION, "vendor text")
    prompt = Snapshot(status=TaskStatus.RUNNING, raw_status="R", prompt="a cat")

    text = "\n".join(card(named(found, "a1"), named(watched(TaskStatus.RUNNING, snapshot=prompt), "a2")))

    assert "vendor text" not in text
    assert "a cat" not in text
