"""Every button under a message about a task, pressed in each kind of chat, through the real process."""

from bot.sandbox.telegram.chats import Message
from tests.e2e.scene import Scene

GROUP, CHANNEL = -1001000000001, -1001000000002
DENIED = "Only the person who asked for it"


async def press(scene: Scene, message: Message, label: str, *, user: int | None = None) -> tuple[str, bool]:
    """Press a button; return the bubble's text and whether it is an alert."""
    [data] = [each["callback_data"] for each in message.buttons if each["text"].endswith(label)]
    query_id = scene.telegram.press(message.chat_id, message.message_id, data, user=user)
    [answer] = await scene.wait_for(
        lambda: [
            each.params
            for each in scene.telegram.requests
            if each.method == "answerCallbackQuery" and each.params["callback_query_id"] == query_id
        ]
    )
    return answer.get("text", ""), answer.get("show_alert") == "true"


async def test_a_card_in_a_private_chat_is_checked_and_stopped(scene: Scene):
    await scene.start_bot()
    anna, task = scene.add_user(), scene.task("alibailian")
    command_id = await scene.watch(anna, task)
    card = await scene.until_shown(anna, command_id, "Queued")
    scene.gateway.advance(task.task_id)

    assert (await press(scene, card, "Check now"))[0].startswith("Running")
    assert await press(scene, card, "Stop") == ("Stopped watching.", False)

    stopped = await scene.until_shown(anna, command_id, "Stopped watching · stopped by Anna")
    assert stopped.buttons == []


async def test_in_a_group_members_may_not_stop_but_who_asked_and_admins_may(scene: Scene):
    scene.telegram.group(GROUP)
    anna, ben, clara = (scene.add_user() for _ in range(3))
    scene.telegram.promote(GROUP, clara)
    bot = await scene.start_bot()
    first, second = scene.task("jimeng"), scene.task("jimeng")
    of_first, of_second = [await scene.watch(GROUP, each, user=anna) for each in (first, second)]
    [card], [other] = scene.replies(GROUP, of_first), scene.replies(GROUP, of_second)

    text, is_alert = await press(scene, card, "Stop", user=ben)
    assert (text.startswith(DENIED), is_alert) == (True, True)
    assert await press(scene, card, "Stop", user=anna) == ("Stopped watching.", False)
    refused = await scene.command(GROUP, f"/unwatch {second.task_id}", user=ben)
    assert DENIED in refused.plain_text
    assert await press(scene, other, "Stop", user=clara) == ("Stopped watching.", False)

    await scene.until_shown(GROUP, of_first, "stopped by Anna")
    assert await bot.stop() == 0
    assert "(of user" in bot.log


async def test_in_a_channel_its_admins_stop_by_a_button_and_whoever_posts_by_a_command(scene: Scene):
    scene.telegram.channel(CHANNEL)
    ben, clara = scene.add_user(), scene.add_user()
    scene.telegram.promote(CHANNEL, clara)
    await scene.start_bot()
    first, second = scene.task("videos"), scene.task("videos")
    command_id = await scene.watch(CHANNEL, first)
    [card] = scene.replies(CHANNEL, command_id)

    assert (await press(scene, card, "Stop", user=ben))[1]
    assert await press(scene, card, "Stop", user=clara) == ("Stopped watching.", False)
    await scene.until_shown(CHANNEL, command_id, "stopped by Anna")

    of_second = await scene.watch(CHANNEL, second)
    await scene.command(CHANNEL, f"/unwatch {second.task_id}")
    await scene.until_shown(CHANNEL, of_second, "Stopped watching")


async def test_who_stopped_is_shown_after_a_restart_too(scene: Scene):
    bot = await scene.start_bot()
    anna, task = scene.add_user(), scene.task("newapi")
    command_id = await scene.watch(anna, task)
    [card] = scene.replies(anna, command_id)
    scene.telegram.press(anna, card.message_id, card.buttons[-1]["callback_data"])
    await scene.until_shown(anna, command_id, "stopped by Anna")
    await bot.stop()

    await scene.start_bot()
    assert "stopped by Anna" in (await scene.poll(anna, task)).plain_text


async def test_tasks_has_pages_filters_and_stops_that_edit_it_in_place(scene: Scene):
    scene.telegram.group(GROUP)
    anna, ben = scene.add_user(), scene.add_user()
    await scene.start_bot()
    for kind in ("jimeng", "newapi"):
        ids = " ".join(scene.task(kind).task_id for _ in range(5))
        scene.telegram.send(GROUP, f"/watch {kind} {ids}", user=anna)
    listed = await scene.command(GROUP, "/tasks", user=ben)

    def current() -> Message:
        return scene.telegram.state.chats[GROUP].messages[listed.message_id]

    await press(scene, current(), "▶", user=ben)
    await scene.wait_for(lambda: "10. " in current().plain_text)
    assert (await press(scene, current(), "Stop 10", user=ben))[1]
    assert await press(scene, current(), "Stop 10", user=anna) == ("Stopped watching.", False)
    await scene.wait_for(lambda: "Watching 9 tasks" in current().plain_text)
    await press(scene, current(), "jimeng", user=ben)
    await scene.wait_for(lambda: "newapi" not in current().plain_text)
    assert len(scene.replies(GROUP, listed.reply_to or 0)) == 1


async def test_details_are_shown_in_the_caption_of_the_video_and_hidden_again(scene: Scene):
    await scene.start_bot()
    anna, task = scene.add_user(), scene.task("alibailian")
    scene.finish(task)
    command_id = scene.telegram.send(anna, f"/watch alibailian {task.task_id}")
    video = await scene.until_video(anna, command_id)
    before = video.plain_text

    def current() -> Message:
        return scene.telegram.state.chats[anna].messages[video.message_id]

    await press(scene, current(), "Details")
    await scene.wait_for(lambda: "Gateway status: SUCCEEDED" in current().plain_text)
    assert [each["copy_text"]["text"] for each in current().buttons if "copy_text" in each] == [task.task_id]
    await press(scene, current(), "Hide details")
    await scene.wait_for(lambda: current().plain_text.splitlines()[:3] == before.splitlines()[:3])
    assert len(scene.telegram.videos(anna)) == 1
    assert current().video == video.video


async def test_the_original_file_comes_as_a_document_that_replies_to_the_video_once_for_a_double_press(
    scene: Scene,
):
    scene.telegram.group(GROUP)
    anna, ben, task = scene.add_user(), scene.add_user(), scene.task("videos")
    await scene.start_bot()
    scene.finish(task)
    command_id = scene.telegram.send(GROUP, f"/watch videos {task.task_id}", user=anna)
    video = await scene.until_video(GROUP, command_id)

    def documents() -> list[Message]:
        return [each for each in scene.replies(GROUP, video.message_id) if each.document]

    for _ in range(2):
        assert await press(scene, video, "Original file", user=ben) == ("Sending the original file.", False)
        await scene.wait_for(documents)
        await scene.until_all_is_sent()

    [first] = documents()
    assert first.document is not None
    assert video.video is not None
    assert not first.buttons
    assert len(scene.telegram.videos(GROUP)) == 1


async def test_in_a_channel_only_its_admins_get_the_original_file_and_the_details(scene: Scene):
    scene.telegram.channel(CHANNEL)
    ben, clara, task = scene.add_user(), scene.add_user(), scene.task("jimeng")
    scene.telegram.promote(CHANNEL, clara)
    await scene.start_bot()
    scene.finish(task)
    video = await scene.until_video(CHANNEL, scene.telegram.send(CHANNEL, f"/watch jimeng {task.task_id}"))

    for label in ("Original file", "Details"):
        text, is_alert = await press(scene, video, label, user=ben)
        assert (text.startswith("Only this chat's admins"), is_alert) == (True, True)
    assert await press(scene, video, "Original file", user=clara) == ("Sending the original file.", False)
    await scene.wait_for(lambda: [each for each in scene.replies(CHANNEL, video.message_id) if each.document])
