"""A proxy's setting: what it means, and what is wrong with it."""

import pytest

from bot.proxies.proxy import Proxy, read_proxy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:7890", Proxy(scheme="http", host="127.0.0.1", port=7890)),
        ("HTTPS://p.example:443/", Proxy(scheme="https", host="p.example", port=443)),
        ("Socks5://P.example:1080", Proxy(scheme="socks5", host="p.example", port=1080)),
        ("socks5h://[::1]:1080", Proxy(scheme="socks5h", host="::1", port=1080)),
        ("http://a:b@p.example:1", Proxy(scheme="http", host="p.example", port=1, user="a", password="b")),
        ("socks5://a@p.example:1", Proxy(scheme="socks5", host="p.example", port=1, user="a")),
        (
            "socks5h://%E7%94%A8:p%40%3A%2F%23%25@p.example:1",
            Proxy(scheme="socks5h", host="p.example", port=1, user="用", password="p@:/#%"),
        ),
    ],
)
def test_a_proxy_is_read(text: str, expected: Proxy):
    assert read_proxy(text) == expected


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("socks4://p.example:1", "only socks5:// and socks5h://"),
        ("socks://p.example:1", "only socks5:// and socks5h://"),
        ("socks4a://p.example:1", "only socks5:// and socks5h://"),
        ("ftp://p.example:1", "does not begin with http://, https://, socks5:// or socks5h://"),
        ("127.0.0.1:7890", "begins with no scheme: write http:// or socks5h:// before it"),
        ("http：//127.0.0.1:7890", "begins with no scheme"),
        ("http:127.0.0.1:7890", "begins with no scheme"),
        ("socks5://127.0.0.1", "has no port, as in socks5://127.0.0.1:7890"),
        ("http://127.0.0.1:0", "has no port"),
        ("http://127.0.0.1:70000", "is not an address such as http://127.0.0.1:7890"),
        ("http://:7890", "is not an address such as"),
        ("http://[::1:7890", "is not an address such as"),
        ("socks5h://p..example:1", "is not an address such as socks5h://127.0.0.1:7890"),
        (f"http://{'p' * 64}.example:1", "is not an address such as"),
        (" http://127.0.0.1:7890", "contains a space"),
        ("http://127.0.0.1: 7890", "contains a space"),
        ("http://127.0.0.1:7890\n", "contains a space"),
        ("http://127.0.0.1:7890/proxy.pac", "is not an address such as"),
        ("http://me:hunter2/x@p.example:1", "in a user name or password @ : / ? # % are written as %40"),
        ("http://me:hunter2#x@p.example:1", "are written as %40 %3A %2F %3F %23 %25"),
        (f"socks5://me:{'hunter2' * 40}@p.example:1", "more than 255 bytes"),
        ("socks5://me:hunter2%FF@p.example:1", "is not UTF-8"),
    ],
)
def test_a_mistake_says_what_to_write_and_not_what_was_written(text: str, mistake: str):
    with pytest.raises(ValueError, match=r".") as caught:
        read_proxy(text)

    assert mistake in str(caught.value)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_only_socks5_has_names_resolved_on_this_machine():
    resolved = {
        scheme: read_proxy(f"{scheme}://p:1").resolves_names for scheme in ("http", "https", "socks5h")
    }

    assert all(resolved.values())
    assert not read_proxy("socks5://p:1").resolves_names


def test_a_proxy_is_shown_without_its_login():
    proxy = read_proxy("socks5h://anna:p%40ss@[::1]:1080")

    assert str(proxy) == "socks5h://[::1]:1080"
    assert "anna" not in repr(proxy)
    assert "p@ss" not in repr(proxy)
    assert proxy.secrets == {"p@ss", "p%40ss", "YW5uYTpwQHNz"}
    assert proxy.basic_auth == "Basic YW5uYTpwQHNz"


def test_a_proxy_without_a_password_has_no_secret():
    assert read_proxy("http://anna@p.example:1").secrets == frozenset()
    assert read_proxy("http://p.example:1").basic_auth is None
