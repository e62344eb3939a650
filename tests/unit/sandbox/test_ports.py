import socket
from pathlib import Path

import pytest

from bot.sandbox.ports import free_port


def test_no_port_is_returned_twice():
    ports = [free_port() for _ in range(100)]

    assert len(set(ports)) == 100


def test_a_port_on_which_somebody_listens_is_left_out():
    next_port = free_port() + 1
    with socket.create_server(("127.0.0.1", next_port)):
        assert free_port() not in {next_port, next_port - 1}


@pytest.mark.skipif(not Path("/proc/sys/net").exists(), reason="reads Linux' range of outgoing connections")
def test_no_outgoing_connection_takes_such_a_port():
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split())

    assert not first <= free_port() <= last
