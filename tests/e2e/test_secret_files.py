"""Secrets given as files, and DATA_DIR, with the real process."""

from tests.e2e.scene import Scene


def in_files(scene: Scene) -> dict[str, str]:
    """The scene's secrets as files, in place of the settings themselves."""
    settings: dict[str, str] = {}
    for name in ("TELEGRAM_BOT_TOKEN", "GATEWAY_API_KEY", "DATABASE_URL"):
        path = scene.folder / name.lower()
        path.write_text(f"{scene.settings[name]}\n")
        settings |= {name: "", f"{name}_FILE": str(path)}
    return settings


async def test_a_bot_with_its_secrets_in_files_sends_a_video_by_way_of_data_dir(scene: Scene):
    films = scene.folder / "films"
    bot = await scene.start_bot(**in_files(scene), DATA_DIR=str(films))
    anna, task = scene.add_user(), scene.task("videos")
    scene.finish(task)
    await scene.until_video(anna, await scene.watch(anna, task))
    assert await bot.stop() == 0

    assert len(list(films.iterdir())) == 1
    assert not (scene.folder / "reelwatch.db.downloads").exists()
    assert str(scene.folder / "films") not in bot.log


async def test_check_shows_which_secrets_are_from_files_and_where_videos_wait(scene: Scene):
    (scene.folder / "plain").touch()
    check = await scene.run("check", **in_files(scene), DATA_DIR=str(scene.folder / "films"))
    unusable = await scene.run("check", DATA_DIR=str(scene.folder / "plain"))

    assert await check.end() == 0
    for name in ("TELEGRAM_BOT_TOKEN", "GATEWAY_API_KEY"):
        assert check.row(name).split(maxsplit=1)[1] == "set (from file)"
    assert check.row("DATABASE_URL").endswith(" (from file)")
    assert f"  ok  waiting ones are kept in {scene.folder}/films/" in check.row("videos")
    assert await unusable.end() == 1
    assert f"error  Videos can't be kept in {scene.folder}/plain/" in unusable.output


async def test_every_file_that_cannot_be_used_is_a_sentence_and_the_program_ends(scene: Scene):
    given = in_files(scene)
    (scene.folder / "gateway_api_key").write_text("")
    token = scene.settings["TELEGRAM_BOT_TOKEN"]
    refused = await scene.run(**(given | {"TELEGRAM_BOT_TOKEN_FILE": token, "DATABASE_URL_FIEL": "x"}))

    assert await refused.end() == 2
    assert refused.log.splitlines() == [
        "DATABASE_URL_FIEL is not a setting; DATABASE_URL_FILE is meant.",
        "TELEGRAM_BOT_TOKEN_FILE names a file that does not exist.",
        "GATEWAY_API_KEY_FILE names an empty file.",
    ]
