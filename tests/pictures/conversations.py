"""The conversations of the pictures: what is written, pressed and waited for before a picture is taken."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.pictures.scene import Scene

_LIN, _GROUP, _SAM = 1, 2, 4  # in the list of chats
_RENDERS = "Renders"  # a topic of the group
_DONE = (("alibailian", 7), ("jimeng", 14))  # kind and seconds of a batch's tasks
_NOT_YET = (("alibailian", 75), ("jimeng", 80), ("jimeng", 400), ("alibailian", 500))
_REASON = "The output video may contain sensitive information."


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is played for one or more pictures, and how large the window is."""

    play: "Callable[[Scene], Iterator[str]]"  # yields the name of each picture, when it is to be taken
    names: tuple[str, ...]
    themes: tuple[str, ...] = ("light",)
    size: tuple[int, int] = (440, 700)  # narrow: only the chat is shown, as high as its messages
    scale: float = 2.0


def _video(scene: Scene) -> Iterator[str]:
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="alibailian")
    scene.say(f"/watch wan {task_id}")
    scene.show_frames(1)
    yield "video"


def _batch(scene: Scene) -> Iterator[str]:
    scene.open_chat(_GROUP, topic=_RENDERS)
    scene.act_as(scene.language.person_name)
    done, not_yet = ([scene.submit(kind=kind, seconds=s) for kind, s in each] for each in (_DONE, _NOT_YET))
    failing = scene.submit(kind="jimeng", seconds=2, fails=_REASON)
    scene.say("\n".join(["/watch@reelwatch_bot", *done, failing, *not_yet]))
    scene.show_frames(2)
    scene.messages(re.compile("2 of 7|已完成 2")).wait_for()
    request, card, failure, *videos = scene.message_ids()
    scene.show_only(videos)
    scene.take()
    scene.show_only([request, card, failure])
    yield "batch"
    scene.page.locator(
        "#lines article:visible .key"
    ).click()  # stop all: no result comes into the next picture
    scene.page.locator("#toast").filter(has_text=re.compile(r"\d")).wait_for()


def _letting_in(scene: Scene) -> Iterator[str]:
    language = scene.language
    _choose_chinese(scene)
    scene.open_chat(language.admin)
    scene.send(chat=language.newcomer_id, text="/start")
    question = scene.page.locator("#lines article:visible .key").first
    question.wait_for()
    yield "asking"
    question.click()
    scene.open_chat(language.newcomer, is_whole=True)
    scene.messages(re.compile(".")).nth(1).wait_for()
    yield "letting-in"


def _settings(scene: Scene) -> Iterator[str]:
    scene.open_chat(scene.language.person)
    scene.say("/settings")
    scene.page.locator("#lines article:visible .key").first.wait_for()
    yield "settings"


def _outage(scene: Scene) -> Iterator[str]:
    _choose_chinese(scene)
    scene.open_chat(_SAM)  # after an earlier outage the bot must know that the gateway is back
    task_id = scene.submit(kind="alibailian", seconds=3)
    scene.say(f"/watch wan {task_id}")
    scene.messages(task_id).locator("video").wait_for()
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="alibailian", seconds=20)
    scene.say(f"/watch wan {task_id}")
    scene.messages(re.compile("🎬")).first.wait_for()  # it is running
    scene.switch("gatewayAway", on=True)
    scene.messages(re.compile("Not checked for|未能查询")).wait_for()
    scene.show_only(scene.message_ids()[:2])  # 小林 is an admin, too
    yield "outage"
    scene.open_chat(scene.language.admin, is_whole=True)
    # Of an outage soon after another admins get no report: then it is that of the first.
    report = scene.messages(re.compile(r"127\.0\.0\.1:\d+.*(isn't responding|没有响应)"))
    report.last.wait_for()
    scene.show_only(scene.message_ids(report)[-1:])
    yield "report"
    scene.switch("gatewayAway", on=False)


def _link(scene: Scene) -> Iterator[str]:
    scene.open_chat(scene.language.person)
    task_id = scene.submit(kind="videos", seconds=3, isHuge=True)
    scene.say(f"/watch sora {task_id}")
    scene.page.locator("#lines article:visible .text a").first.wait_for()
    yield "link"


def _choose_chinese(scene: Scene) -> None:
    """Let 小林 choose Chinese: unasked, the bot writes to admins in English."""
    scene.open_chat(_LIN)
    scene.say("/settings")
    scene.page.locator("#lines article:visible .key").filter(has_text="中文").click()
    scene.page.locator("#lines article:visible .key").filter(has_text="✓ 中文").wait_for()


CONVERSATIONS = (
    Conversation(play=_video, names=("video",), themes=("light", "dark"), size=(1280, 800), scale=1.5),
    Conversation(play=_batch, names=("batch",), size=(440, 900)),
    Conversation(play=_settings, names=("settings",)),
    Conversation(play=_link, names=("link",)),
    Conversation(
        play=_outage, names=("outage", "report"), themes=("light", "dark")
    ),  # last in the chats: its results come later
    Conversation(play=_letting_in, names=("asking", "letting-in")),
)
