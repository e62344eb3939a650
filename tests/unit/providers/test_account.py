import pytest

from bot.providers.account import Account


def account(base_url: str = "https://gateway.example.com", key: str = "sk-secret-of-ours") -> Account:
    return Account(name="wan", base_url=base_url, key=key)


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1beta", "//", "/v1beta/"])
def test_a_pasted_tail_is_forgiven(tail: str):
    url = account(f"https://gateway.example.com{tail}").url("/v1/videos/{id}", "x")
    assert url == "https://gateway.example.com/v1/videos/x"


def test_a_prefix_stays():
    assert (
        account("http://h:3000/api/v1").url("/jimeng/fetch/{id}", "x") == "http://h:3000/api/jimeng/fetch/x"
    )


def test_an_id_is_one_encoded_segment():
    url = account().url("/v1/videos/{id}/content", "sora-2:a+b=c.d_e")
    assert url == "https://gateway.example.com/v1/videos/sora-2%3Aa%2Bb%3Dc.d_e/content"


def test_the_key_is_not_in_the_repr():
    assert "secret" not in repr(account())


def test_the_host_shows_no_credentials():
    assert account("https://user:pass@gateway.example.com:8443/v1").host == "gateway.example.com:8443"


@pytest.mark.parametrize(
    ("link", "own"),
    [
        ("https://gateway.example.com/v1/videos/x/content", True),
        ("https://GATEWAY.example.com:443/x", True),
        ("http://gateway.example.com/x", False),
        ("https://gateway.example.com:8443/x", False),
        ("https://gateway.example.com.evil.example/x", False),
        ("https://gateway.example.com@evil.example/x", False),
        ("https://evil.example/https://gateway.example.com/", False),
        ("not a link", False),
    ],
)
def test_only_the_same_origin_is_the_gateway(link: str, own: bool):
    assert account().is_own_origin(link) is own


@pytest.mark.parametrize(("key", "usable"), [("sk-x", True), ("sk-密钥", False), ("sk-x\r\nX: y", False)])
def test_a_key_that_no_header_can_carry_is_known(key: str, usable: bool):
    assert account(key=key).has_valid_key is usable


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1", "[::1]:8080", "api.localhost"])
def test_a_link_to_the_gateways_own_machine_leads_to_the_gateway(host: str):
    link = account("https://gateway.example.com/api/v1").rebase_link(
        f"http://{host}/v1/videos/x%3A1/content?a=%2F"
    )
    assert link == "https://gateway.example.com/api/v1/videos/x%3A1/content?a=%2F"


@pytest.mark.parametrize(
    ("base_url", "link"),
    [
        ("http://localhost:3000", "http://127.0.0.1:3000/v1/videos/x/content"),
        ("http://[::1]:3000", "http://localhost/v"),
        ("https://gateway.example.com", "https://cdn.example.com/v.mp4?s=%2F"),
        ("https://gateway.example.com", "http://localhost@evil.example/v"),
        ("https://gateway.example.com", "http://localhost.evil.example/v"),
        ("https://gateway.example.com", "http://10.0.0.1/v"),
    ],
)
def test_every_other_link_stays_as_it_is(base_url: str, link: str):
    assert account(base_url).rebase_link(link) == link
