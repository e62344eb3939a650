"""A task at which nothing changes, and the button that takes it up again, through the real process."""

from tests.e2e.scene import Scene

SOON = "0.000001"  # days: less than a tenth of a second


async def test_polling_of_an_unchanged_task_stops_until_its_button_is_pressed(scene: Scene):
    await scene.start_bot(REST_DAYS=SOON)
    anna, task = scene.add_user(), scene.task("alibailian")
    command_id = await scene.watch(anna, task)
    for _ in range(2):
        await scene.poll(anna, task)

    card = await scene.until_shown(anna, command_id, "I've stopped checking this task")
    button, _ = card.buttons
    assert button["text"] == "🔄 Check again"
    scene.finish(task)
    scene.telegram.press(anna, card.message_id, button["callback_data"])

    await scene.until_video(anna, command_id)
    await scene.until_all_is_sent()
    [card] = [each for each in scene.replies(anna, command_id) if each.message_id == card.message_id]
    assert card.buttons == []
