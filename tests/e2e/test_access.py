"""Access over migrations of groups and restarts of the bot, through the real process."""

from tests.e2e.scene import Scene

GROUP, SUPERGROUP = -4000000031, -1001000000031


async def test_a_group_that_becomes_a_supergroup_keeps_its_access(scene: Scene):
    group, anna = scene.telegram.group(GROUP, supergroup=False), scene.add_user()
    bot = await scene.start_bot(ALLOWED_CHATS=str(group))
    await scene.watch(group, scene.task("newapi"), user=anna)
    scene.telegram.migrate(group, SUPERGROUP)
    await scene.watch(SUPERGROUP, scene.task("newapi"), user=anna)

    assert await bot.stop() == 0
    await scene.start_bot(ALLOWED_CHATS=str(group))
    await scene.watch(SUPERGROUP, scene.task("newapi"), user=anna)


async def test_a_group_that_migrated_while_the_bot_was_down_regains_access_when_a_send_reports_the_new_id(
    scene: Scene,
):
    group, anna = scene.telegram.group(GROUP, supergroup=False), scene.add_user()
    bot = await scene.start_bot(ALLOWED_CHATS=str(group))
    task = scene.task("newapi")
    await scene.watch(group, task, user=anna)
    assert await bot.stop() == 0
    scene.telegram.migrate(group, SUPERGROUP)
    scene.telegram.state.updates.drop()
    scene.finish(task)

    await scene.start_bot(ALLOWED_CHATS=str(group))
    await scene.wait_for(lambda: scene.telegram.videos(SUPERGROUP))
    await scene.watch(SUPERGROUP, scene.task("newapi"), user=anna)


async def test_a_chat_removed_from_the_settings_gets_no_more_videos(scene: Scene):
    anna, boris = scene.add_user(), scene.add_user()
    bot = await scene.start_bot(ALLOWED_CHATS=f"{anna},{boris}")
    task = scene.task("newapi")
    await scene.watch(anna, task)
    command_id = await scene.watch(boris, task)
    assert await bot.stop() == 0

    before = len(scene.telegram.messages(anna))
    bot = await scene.start_bot(ALLOWED_CHATS=str(boris))
    await scene.wait_for(lambda: "Stopped 1 watches" in bot.log)
    scene.finish(task)
    await scene.poll(boris, task)
    await scene.until_video(boris, command_id)
    assert len(scene.telegram.messages(anna)) == before
    assert await bot.stop() == 0
