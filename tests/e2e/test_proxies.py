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


async def test_check_tries_each_route_and_names_its_proxy(scene: Scene):
    async with FakeProxy.open(login=LOGIN) as socks, FakeProxy.open(speaks=["http"]) as http:
        good = await scene.run(
            "check",
            TELEGRAM_PROXY=socks.url("socks5h", login=ENCODED),
            PROVIDER_PROXY=socks.url("socks5", login=ENCODED),
            DOWNLOAD_PROXY=http.url("http"),
        )
        bad = await scene.run(
            "check",
            TELEGRAM_PROXY=http.url("socks5h"),
            PROVIDER_PROXY=socks.url("socks5", login="anna:wrong-horse"),
            DOWNLOAD_PROXY="socks5h://127.0.0.1:9",
        )
        assert await good.end() == 0
        assert await bad.end() == 1

    assert good.row("telegram").split("  ")[-1].endswith(f"through the proxy {socks.url('socks5h')}")
    assert good.row("provider videos").endswith(f"accepted, through the proxy {socks.url('socks5')}")
    assert good.row("downloads").endswith(f"the proxy {http.url('http')} works")
    assert bad.row("telegram").endswith(
        f"error  the proxy {http.url('socks5h')} speaks no SOCKS: it is an HTTP proxy, so write http://"
    )
    assert bad.row("provider videos").endswith(f"error  the proxy {socks.url('socks5')} refuses the login")
    assert "error  the proxy socks5h://127.0.0.1:9 refuses connections" in bad.row("downloads")
    assert "horse" not in good.output + bad.output + good.log + bad.log


async def test_a_dead_proxy_of_the_route_to_telegram_is_named_in_one_line(scene: Scene):
    dead = "socks5h://anna:horse@127.0.0.1:9"
    bot = await scene.run(TELEGRAM_PROXY=dead)
    await scene.wait_for(lambda: "retrying: the proxy socks5h://127.0.0.1:9 refuses connections" in bot.log)

    assert await bot.stop() == 0
    assert bot.log.count("refuses connections") == 1
    assert "horse" not in bot.log


async def test_a_dead_proxy_of_the_route_to_the_gateways_is_said_in_the_chat(scene: Scene):
    bot = await scene.start_bot(PROVIDER_PROXY="http://anna:horse@127.0.0.1:9")
    anna, task = scene.add_user(), scene.task("newapi")
    await scene.watch(anna, task)

    answer = await scene.poll(anna, task)
    assert "The bot's proxy isn't working" in answer.plain_text
    assert "127.0.0.1:9" not in answer.plain_text
    assert "horse" not in bot.log
