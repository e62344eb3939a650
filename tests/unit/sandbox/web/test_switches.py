"""Each switch breaks one thing, and mends it again."""

import aiohttp
import pytest
from yarl import URL

from bot.sandbox.environment import Sandbox
from bot.sandbox.web.switches import Switch, Switches


@pytest.fixture
def switches(sandbox: Sandbox) -> Switches:
    return Switches(sandbox.telegram, sandbox.gateway)


async def status(sandbox: Sandbox, url: str) -> int | None:
    """The status of a request with the gateway's key; None: the connection was closed."""
    headers = {} if "/files/" in url else {"Authorization": f"Bearer {sandbox.gateway.key}"}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(URL(url, encoded=True), headers=headers) as response,
        ):
            return response.status
    except aiohttp.ClientError:
        return None


async def test_the_gateway_goes_away_and_comes_back(sandbox: Sandbox, switches: Switches) -> None:
    url = f"{sandbox.gateway.url}/jimeng/fetch/1"

    switches.turn(Switch.GATEWAY_AWAY, on=True)
    assert await status(sandbox, url) is None
    switches.turn(Switch.GATEWAY_AWAY, on=False)
    assert await status(sandbox, url) == 400


async def test_telegram_goes_away_and_comes_back(sandbox: Sandbox, switches: Switches) -> None:
    url = f"{sandbox.telegram.url}/bot{sandbox.telegram.token}/getMe"

    switches.turn(Switch.TELEGRAM_AWAY, on=True)
    assert await status(sandbox, url) is None
    switches.turn(Switch.TELEGRAM_AWAY, on=False)
    assert await status(sandbox, url) == 200


async def test_switches_are_independent(sandbox: Sandbox, switches: Switches) -> None:
    task = sandbox.gateway.add("jimeng", "1", seconds=0.0)
    polls, link = f"{sandbox.gateway.url}/jimeng/fetch/1", sandbox.gateway.link(task)

    switches.turn(Switch.TOO_MANY_REQUESTS, on=True)
    switches.turn(Switch.DEAD_LINKS, on=True)
    assert [await status(sandbox, url) for url in (polls, link)] == [429, 403]
    switches.turn(Switch.TOO_MANY_REQUESTS, on=False)
    assert [await status(sandbox, url) for url in (polls, link)] == [200, 403]
    switches.turn(Switch.DEAD_LINKS, on=False)
    assert [await status(sandbox, url) for url in (polls, link)] == [200, 200]


def test_all_switches_are_told(switches: Switches) -> None:
    switches.turn(Switch.SLOW_HOST, on=True)

    assert switches.states() == {each: each is Switch.SLOW_HOST for each in Switch}
