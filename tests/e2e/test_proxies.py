"""All three routes through proxies, from /watch to the video."""

import pytest

from tests.e2e.scene import Scene
from tests.fakes.proxy import ADDRESS, NAME, FakeProxy

LOGIN, ENCODED = ("anna", "correct:horse"), "anna:correct%3Ahorse"


@pytest.mark.parametrize(("scheme", "how"), [("socks5", ADDRESS), ("socks5h", NAME)])
async def test_a_video_arrives_over_socks_on_all_three_routes(scene: Scene, scheme: str, how: str):
    async with (
        FakeProxy.open(login=LOGIN) as telegram,
        FakeProxy.open() as gateway,
        FakeProxy.open() as files,
    ):
        bot = await scene.start_bot(
            # Names, so that it shows who resolves them.
            TELEGRAM_API_URL=scene.telegram.url.replace("127.0.0.1", "localhost"),
            GATEWAY_BASE_URL=scene.gateway.url.replace("127.0.0.1", "localhost"),
            TELEGRAM_PROXY=telegram.url(scheme, login=ENCODED),
            PROVIDER_PROXY=gateway.url(scheme),
            DOWNLOAD_PROXY=files.url(scheme),
        )
        anna, task = scene.add_user(), scene.task("newapi")
        command_id = await scene.watch(anna, task)
        scene.finish(task)
        await scene.poll(anna, task)
        await scene.until_video(anna, command_id)

    assert {asked.how for asked in telegram.asked} == {how}
    assert {asked.how for asked in gateway.asked} == {how}
    assert files.asked
    assert len(telegram.asked) <= 6, "connections are kept"
    assert "horse" not in bot.log
