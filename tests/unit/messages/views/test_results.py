import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.media.video import Fault, VideoFile
from bot.messages.callback_data import Details
from bot.messages.view import View
from bot.messages.views import results
from storage.models import Cause, Media, Stall, TaskError, TaskStatus
from tests.unit.messages.builders import (
    LINK,
    NOW,
    TASK_ID,
    failed,
    failing,
    snapshot,
    succeeded,
    watched,
)
from tests.unit.messages.reading import utf16_units, visible

HOSTILE = "</b>&<i>🎬 " * 500
TITLE = f"✅ alibailian · {TASK_ID}"


def caption(found, **sample) -> list[str]:
    shown = VideoFile(source="file_id", **{"size": 2_123_456} | sample)
    return visible(results.caption(found, shown, now=NOW).text).split("\n")


def link(media: Media | None, why: str = "too_large", language: str = "en") -> list[str]:
    view = results.link(succeeded(language=language), media=media, why=why, now=NOW)
    return visible(view.text).split("\n")


def failure(found) -> list[str]:
    return visible(results.failure(found).text).split("\n")


def test_the_announcement_is_short():
    assert visible(results.announcement(succeeded()).text) == f"{TITLE}\nDone · the video is on its way"


def test_a_caption_shows_everything_known():
    found = succeeded(model="wan2.2", prompt="A cat & a dog", width=1280, height=720, video_s=5.0)
    assert caption(found) == [
        TITLE,
        "wan2.2 · took 1 min 53 s",
        "1280×720 · 5 s · 2.1 MB",
        "The gateway's link works until 2025-10-13 10:07 UTC · 23 h 5 min left",
        "A cat & a dog",
    ]


def test_a_caption_omits_unknown_facts():
    found = watched(TaskStatus.SUCCEEDED, snapshot=snapshot(TaskStatus.SUCCEEDED, submitted_at=None))
    assert caption(found, size=None) == [TITLE]


def test_properties_probed_from_the_video_override_those_of_the_gateway():
    found = succeeded(width=1280, height=720, video_s=5.0)
    assert "1088×832 · 6 s · 2.1 MB" in caption(found, width=1088, height=832, duration_s=6.04)


def test_an_unplayable_video_has_the_reason_in_its_caption():
    assert "Sent as a file: Telegram can't play hevc." in caption(succeeded(), unplayable="hevc")


def test_a_caption_does_not_promise_an_expired_link():
    found = succeeded(media=Media(url=LINK, expires_at=NOW))
    assert caption(found) == [TITLE, "took 1 min 53 s", "2.1 MB"]


def test_the_prompt_is_an_expandable_quotation():
    assert (
        "<blockquote expandable>A cat</blockquote>"
        in results.caption(succeeded(prompt="A cat"), VideoFile(source="file_id"), now=NOW).text
    )


def labels(view: View) -> list[str]:
    return [button.label for row in view.buttons for button in row]


def test_a_video_has_buttons_for_its_file_and_the_details_and_a_file_for_the_details():
    video, file = VideoFile(source="file_id"), VideoFile(source="file_id", is_video=False)

    assert labels(results.caption(succeeded(), video, now=NOW)) == ["📄 Original file", "ℹ️ Details"]
    assert labels(results.caption(succeeded(language="zh"), file, now=NOW)) == ["ℹ️ 详情"]


def test_a_link_has_the_button_that_sends_the_video_again():
    view = results.link(succeeded(), media=None, why="too_large", now=NOW)

    assert labels(view) == ["🔁 Send again"]


def test_a_link_in_place_of_a_file_has_the_button_that_sends_the_file():
    view = results.link(succeeded(), media=None, why="dead_link", now=NOW, lead=results.NO_FILE)

    assert labels(view) == ["📄 Original file"]


def test_details_are_the_model_raw_status_times_and_a_button_that_copies_the_id():
    found = succeeded(model="wan2.2", started_at=NOW - timedelta(seconds=100))
    view = results.details(found)

    assert visible(view.text).split("\n") == [
        TITLE,
        "wan2.2",
        "Gateway status: SUCCEEDED",
        "Submitted: 2025-10-12 11:00 UTC",
        "Started: 2025-10-12 11:00 UTC",
        "Finished: 2025-10-12 11:02 UTC",
        "Watched here since: 2025-10-12 11:00 UTC",
    ]
    [copy, hide] = view.buttons[0]
    assert (copy.label, copy.copy) == ("📋 Copy task id", TASK_ID)
    assert hide.action == Details(watch_id=1, is_shown=False).pack()


def test_details_leave_out_what_is_unknown_and_cannot_be_copied():
    view = results.details(watched(TaskStatus.SUCCEEDED, external_id="i" * 257))

    assert len(view.text.splitlines()) == 2
    assert labels(view) == ["↩️ Hide details"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_details_fit_into_a_caption(language: str):
    facts = {"raw_status": HOSTILE, "model": HOSTILE, "started_at": NOW, "finished_at": NOW}
    found = watched(
        TaskStatus.SUCCEEDED,
        language=language,
        provider=HOSTILE,
        external_id="i" * 512,
        snapshot=snapshot(TaskStatus.SUCCEEDED, **facts),
    )

    assert utf16_units(results.details(found).text) <= 1024


def test_the_prompt_is_shortened_for_a_long_id():
    found = succeeded(model="veo-3.1", prompt="a cat " * 100, width=1280, height=720, video_s=5.0)
    ref = replace(found.task.ref, external_id="i" * 512)
    text = results.caption(
        replace(found, task=replace(found.task, ref=ref)), VideoFile(source="f"), now=NOW
    ).text
    assert utf16_units(text) <= 1024
    assert "i" * 512 in text
    assert "a cat a cat" in text


def test_a_link_is_sent_with_the_reason_and_its_expiry():
    assert link(Media(url=LINK, expires_at=NOW + timedelta(minutes=90))) == [
        TITLE,
        "The video is ready but can't be sent here: it's larger than bots may send on Telegram.",
        LINK,
        "This link works until 2025-10-12 12:32 UTC (1 h 30 min left).",
    ]


def test_a_link_without_a_deadline_should_be_used_soon():
    assert link(Media(url=LINK))[-1].endswith("so save the video soon.")


def test_a_link_past_its_deadline_is_not_promised():
    assert link(Media(url=LINK, expires_at=NOW))[-1] == "This link worked until 2025-10-12 11:02 UTC."


def test_a_dead_link_is_sent_without_a_deadline():
    lines = link(Media(url=LINK, expires_at=NOW + timedelta(hours=1)), "dead_link")
    assert lines[1:] == [
        "The video is ready but can't be sent here: the gateway's link has expired or never worked.",
        LINK,
    ]


@pytest.mark.parametrize(
    "media",
    [
        None,
        Media(url=None),
        Media(url="https://x/" + "a" * 4000),
        Media(url="https://x/" + "'" * 800, needs_auth=True),
    ],
)
def test_without_a_usable_link_the_message_names_the_gateways_website(media):
    assert link(media)[-1].startswith("There's no link to share.")


def test_a_link_that_requires_the_key_is_a_command_without_the_key():
    url = "https://gw.example/v1/videos/a/content?x=1&y='$(rm)'"
    command = shlex.split(link(Media(url=url, needs_auth=True))[-2])
    assert command == ["curl", "-fLo", "video.mp4", "-H", "Authorization: Bearer $KEY", url]


def test_a_link_that_requires_the_key_is_sent_with_its_expiry():
    media = Media(url=LINK, needs_auth=True, expires_at=NOW + timedelta(minutes=90))
    assert link(media)[-1] == "This link works until 2025-10-12 12:32 UTC (1 h 30 min left)."


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_of_a_delivery_has_a_text(fault, language):
    lead = link(Media(url=LINK), fault, language)[1]
    assert lead.endswith((".", "。"))


def test_a_failure_shows_reason_advice_and_the_gateways_text():
    found = failed(Cause.MODERATION, "may contain <bad> content", code="DataInspectionFailed")
    assert failure(found) == [
        f"❌ alibailian · {TASK_ID}",
        "Failed · after 1 min 53 s",
        "The content filter rejected the prompt, an image or the video.",
        "Change the prompt or the image and submit it again.",
        "DataInspectionFailed: may contain <bad> content",
    ]


def test_a_failure_without_a_text_has_no_empty_quote():
    assert "blockquote" not in results.failure(failed(Cause.GENERATION)).text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_cause_has_a_reason_of_its_own(language):
    causes = [cause for cause in Cause if not (cause.is_redirect or cause is Cause.PROXY)]
    reasons = [failure(failed(cause, language=language))[2] for cause in causes]
    assert len(set(reasons)) == len(causes)


@pytest.mark.parametrize(
    ("ending", "beginning"),
    [
        (TaskStatus.CANCELLED, "This task was cancelled"),
        (TaskStatus.EXPIRED, "The gateway has already deleted this task"),
        (TaskStatus.NOT_FOUND, "The gateway doesn't know this id. Check the id and that alibailian"),
    ],
)
def test_the_other_final_statuses_have_their_own_sentence(ending, beginning):
    assert failure(watched(ending))[2].startswith(beginning)


def test_an_expired_task_still_quotes_the_gateway():
    error = TaskError(message="task expired")
    found = watched(TaskStatus.EXPIRED, snapshot=snapshot(TaskStatus.EXPIRED, error=error))
    assert failure(found)[-1] == "task expired"


def test_a_success_without_a_video_says_so():
    found = watched(TaskStatus.SUCCEEDED, snapshot=snapshot(TaskStatus.SUCCEEDED))
    assert failure(found)[2] == "The task is done, but the gateway has no video for it."


@pytest.mark.parametrize("cause", [Cause.KEY_INVALID, Cause.KEY_EXHAUSTED, Cause.NOT_ALLOWED])
def test_a_notice_says_who_must_act_and_that_nothing_is_lost(cause):
    text = visible(results.notice(failing(cause, "无效的令牌")).text)
    assert "alibailian" in text
    assert "The bot's admin needs to" in text
    assert "No tasks are lost" in text
    assert text.endswith("无效的令牌")


def test_a_notice_of_another_cause_describes_the_failure():
    text = visible(results.notice(failing(Cause.ROUTE_MISSING)).text)
    assert text.startswith("⚠️ This gateway doesn't support this endpoint")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_external_text_makes_a_result_too_long_or_breaks_it(language):
    big = Media(url="https://x.example/" + "🎬&<" * 745, expires_at=NOW + timedelta(days=6))
    found = succeeded(
        language=language, media=big, model=HOSTILE, prompt=HOSTILE, width=9999, height=9999, video_s=86_399.0
    )
    ref = replace(found.task.ref, provider=HOSTILE, external_id="i" * 512)
    found = replace(found, task=replace(found.task, ref=ref))
    sample = VideoFile(source="file_id", size=10**12, unplayable=HOSTILE)
    assert utf16_units(results.caption(found, sample, now=NOW).text) <= 1024
    assert utf16_units(results.announcement(found).text) <= 1024
    for media in (big, replace(big, needs_auth=True)):
        assert utf16_units(results.link(found, media=media, why="private", now=NOW).text) <= 4096
    for cause in (cause for cause in Cause if not (cause.is_redirect or cause is Cause.PROXY)):
        assert (
            utf16_units(results.failure(failed(cause, HOSTILE, code=HOSTILE, language=language)).text) <= 4096
        )
        assert utf16_units(results.notice(failing(cause, HOSTILE, language=language)).text) <= 4096


def test_failures_of_one_request_share_the_text_of_their_reason():
    refused = [failed(Cause.MODERATION, "no"), failed(Cause.MODERATION, "no")]
    view, count_shown = results.failures([*refused, failed(Cause.COPYRIGHT), watched(TaskStatus.EXPIRED)])

    text = visible(view.text)
    assert count_shown == 4
    assert text.count("The content filter rejected") == 1
    assert text.count(TASK_ID) == 4
    assert "protected content" in text
    assert "has already deleted this task" in text


def test_a_single_failure_has_its_usual_text():
    one = failed(Cause.MODERATION, "no")

    assert results.failures([one]) == (results.failure(one), 1)


def test_quotations_of_the_gateway_are_truncated_before_a_failure_is_omitted():
    many = [failed(Cause.GENERATION, f"{place}: " + "words " * 50) for place in range(50)]

    view, count_shown = results.failures(many)

    assert count_shown == 50
    assert utf16_units(view.text) <= 4096


@pytest.mark.parametrize("count", [2, 50])
def test_of_many_failures_as_many_as_fit_are_shown(count: int):
    one = failed(Cause.OTHER, "<" * 300)
    refs = [replace(one.task.ref, external_id=f"{place}-" + "x" * 500) for place in range(count)]
    long_ones = [replace(one, task=replace(one.task, ref=ref)) for ref in refs]

    view, count_shown = results.failures(long_ones)

    assert 1 < count_shown <= count
    assert utf16_units(view.text) <= 4096
    assert f"{count_shown - 1}-x" in view.text
    assert f">{count_shown}-x" not in view.text


def test_a_notice_names_the_unchanged_task():
    view = results.notice(watched(TaskStatus.RUNNING, stall=Stall.UNCHANGED))

    assert TASK_ID in view.text
    assert "once an hour" in view.text


@pytest.mark.parametrize("ahead_s", [7200.0, -7200.0])
def test_the_remaining_life_of_a_link_uses_the_gateways_clock(ahead_s: float):
    there = NOW + timedelta(seconds=ahead_s)
    media = Media(url=LINK, expires_at=there + timedelta(hours=1))
    found = succeeded(media=media, clock_ahead_s=ahead_s)

    in_link = visible(results.link(found, media=media, why="too_large", now=NOW).text)

    until = f"until {media.expires_at:%Y-%m-%d %H:%M} UTC"
    assert f"{until} (1 h left)" in in_link
    assert f"The gateway's link works {until} · 1 h left" in caption(found)
