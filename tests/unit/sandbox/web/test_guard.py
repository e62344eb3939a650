"""A web page elsewhere can't talk to the page's server."""

import pytest

from bot.sandbox.environment import ANNA, Sandbox
from tests.unit.sandbox.web.conftest import Client


async def test_the_page_has_a_strict_content_security_policy(client: Client) -> None:
    async with client.session.get(client.address) as response:
        policy = response.headers["Content-Security-Policy"]

        assert response.status == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8090", "localhost.evil.example", "[::1", ""])
async def test_another_host_name_is_refused(client: Client, host: str) -> None:
    async with client.session.get(client.address, headers={"Host": host}) as response:
        assert response.status in {400, 403}


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "192.168.1.5:8090", "[::1]:8090"])
async def test_localhost_and_addresses_are_taken(client: Client, host: str) -> None:
    async with client.session.get(client.address, headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "https://127.0.0.1:1", "http://127.0.0.1:1"]
)
async def test_another_origin_changes_nothing(client: Client, sandbox: Sandbox, origin: str) -> None:
    status, _ = await client.do("send", {"chat": ANNA, "text": "hi"}, Origin=origin)

    assert status == 403
    assert not sandbox.telegram.messages(ANNA)


async def test_a_form_of_another_page_changes_nothing(client: Client, sandbox: Sandbox) -> None:
    headers = {"Origin": client.address, "Content-Type": "text/plain"}
    body = b'{"chat": 1001, "text": "hi"}'

    async with client.session.post(f"{client.address}/do/send", data=body, headers=headers) as response:
        assert response.status == 415
    assert not sandbox.telegram.messages(ANNA)


@pytest.mark.parametrize("path", ["/events", "/static/app.js", f"/media/{ANNA}/1/x"])
async def test_another_site_can_load_no_part_of_the_page(client: Client, path: str) -> None:
    async with client.session.get(
        client.address + path, headers={"Sec-Fetch-Site": "cross-site"}
    ) as response:
        assert response.status == 403


@pytest.mark.parametrize("path", ["/", "/events", "/static/app.js"])
async def test_another_origin_reads_nothing(client: Client, path: str) -> None:
    headers = {"Origin": "http://127.0.0.1:3000"}  # another service of this machine
    async with client.session.get(client.address + path, headers=headers) as response:
        assert response.status == 403


async def test_no_other_origin_is_allowed_by_a_preflight(client: Client) -> None:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    async with client.session.options(f"{client.address}/do/send", headers=headers) as response:
        assert response.status == 403
        assert not any(name.startswith("Access-Control") for name in response.headers)


async def test_a_link_of_another_site_opens_the_page(client: Client) -> None:
    async with client.session.get(client.address, headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert response.status == 200


async def test_nothing_is_changed_by_get(client: Client, sandbox: Sandbox) -> None:
    async with client.session.get(f"{client.address}/do/send") as response:
        assert response.status == 405
    assert not sandbox.telegram.messages(ANNA)
