"""Which private addresses a list of host, host:port or CIDR allows."""

import pytest

from bot.private_hosts import PrivateHosts, private_hosts


@pytest.mark.parametrize(
    ("words", "host", "port", "address", "allowed"),
    [
        (["nas.lan"], "NAS.lan.", 8080, "192.168.1.2", True),
        (["nas.lan"], "other.lan", 8080, "192.168.1.2", False),
        (["nas.lan:8080"], "nas.lan", 8080, "192.168.1.2", True),
        (["nas.lan:8080"], "nas.lan", 80, "192.168.1.2", False),
        (["192.168.1.2"], "nas.lan", 80, "192.168.1.2", True),
        (["192.168.1.2:81"], "nas.lan", 81, "192.168.1.2", True),
        (["192.168.1.2:81"], "192.168.1.2", 80, "192.168.1.2", False),
        (["10.0.0.0/8", "fd00::/8"], "a.lan", 80, "10.3.2.1", True),
        (["10.0.0.0/8", "fd00::/8"], "a.lan", 80, "fd00::1", True),
        (["10.0.0.0/8"], "a.lan", 80, "127.0.0.1", False),
        (["[::1]:9000"], "[::1]", 9000, "::1", True),
        (["[::1]:9000"], "[::1]", 9001, "::1", False),
        ([], "nas.lan", 80, "192.168.1.2", False),
    ],
)
def test_a_list_allows_what_it_names_and_no_more(
    words: list[str], host: str, port: int, address: str, *, allowed: bool
):
    assert private_hosts(words).allows(host, port, address) is allowed


def test_true_allows_every_address():
    assert PrivateHosts(everything=True).allows("a.lan", 80, "127.0.0.1")


@pytest.mark.parametrize(
    "word", ["http://nas", "a/b", "nas:0", "nas:99999", "10.0.0.300", "10.0.0.0/33", "*", "ä"]
)
def test_what_names_neither_host_nor_network_is_a_mistake(word: str):
    with pytest.raises(ValueError, match="nor a list of host, host:port or CIDR"):
        private_hosts([word])


def test_it_says_what_it_holds():
    assert str(PrivateHosts()) == "false"
    assert str(PrivateHosts(everything=True)) == "true"
    assert str(private_hosts(["nas.lan", "10.0.0.0/8", "b:1"])) == "10.0.0.0/8, b:1, nas.lan"
