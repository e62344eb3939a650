"""Groups, discussion groups, anonymous admins: what counts and for whom, with the real process."""

from bot.chat.message_limit import MESSAGES_PER_MINUTE
from bot.sandbox.telegram.serializers import ANONYMOUS_ADMIN
from tests.e2e.scene import Scene

GROUP, CHANNEL = -1001000000051, -1001000000052


async def test_a_post_in_a_channel_with_a_discussion_group_is_watched_once(scene: Scene):
    await scene.start_bot()
    channel, group = scene.telegram.channel(CHANNEL), scene.telegram.group(GROUP)
    task, anna = scene.task("newapi"), scene.add_user()
    command_id = scene.telegram.send(channel, f"/watch newapi {task.task_id}")
    scene.telegram.forward_to_discussion(channel, command_id, group)
    await scene.until_shown(channel, command_id, task.task_id)

    nothing = await scene.command(group, "/tasks", user=anna)
    assert "Nothing is being watched here" in nothing.plain_text
    assert [each.plain_text for each in scene.telegram.messages(group) if each.from_bot] == [
        nothing.plain_text
    ]


async def test_an_anonymous_admin_s_task_is_watched_without_a_limit_of_a_person(scene: Scene):
    await scene.start_bot(MAX_WATCHES="2")
    group = scene.telegram.group(GROUP)
    for _ in range(2):
        await scene.watch(group, scene.task("newapi"), user=ANONYMOUS_ADMIN)
    full = await scene.command(group, f"/watch newapi {scene.task('newapi').task_id}", user=ANONYMOUS_ADMIN)
    assert "This chat is at its limit of 2 tasks" in full.plain_text


async def test_a_person_may_watch_half_of_what_the_group_may(scene: Scene):
    await scene.start_bot(MAX_WATCHES="2")
    group, anna, boris = scene.telegram.group(GROUP), scene.add_user(), scene.add_user()
    await scene.watch(group, scene.task("newapi"), user=anna)
    full = await scene.command(group, f"/watch newapi {scene.task('newapi').task_id}", user=anna)
    assert "your limit of 1 task" in full.plain_text
    await scene.watch(group, scene.task("newapi"), user=boris)


async def test_a_person_who_sends_too_much_to_a_group_is_told_once(scene: Scene):
    await scene.start_bot()
    group, anna, boris = scene.telegram.group(GROUP), scene.add_user(), scene.add_user()
    task = scene.task("newapi")
    for _ in range(MESSAGES_PER_MINUTE + 5):
        scene.telegram.send(group, f"/watch newapi {task.task_id}", user=anna)
    await scene.wait_for(
        lambda: [each for each in scene.telegram.messages(group) if "a lot of messages" in each.plain_text]
    )
    await scene.command(group, "/tasks", user=boris)
    told = [each for each in scene.telegram.messages(group) if "a lot of messages" in each.plain_text]
    assert len(told) == 1
