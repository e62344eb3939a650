"""The container's health check against HTTP servers."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bot.http.probe import probe
from bot.sandbox.ports import free_port


class Healthy(BaseHTTPRequestHandler):
    """A bot that is alive."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body())

    def body(self) -> bytes:
        """A page of the bot."""
        return json.dumps({"ok": self.status == 200, "summary": f"{self.path} {self.status}."}).encode()

    def log_message(self, *_: object) -> None:
        """Write no log lines."""


class Unhealthy(Healthy):
    """A bot that is not alive."""

    status = 503


class Foreign(Healthy):
    """Another program's server."""

    def body(self) -> bytes:
        return b"<h1>It works!</h1>"


class Controlling(Healthy):
    """Another program's server, whose text controls the terminal."""

    def body(self) -> bytes:
        return json.dumps({"summary": "\x1b[2J"}).encode()


class ForeignJson(Healthy):
    """Another program's server with JSON."""

    def body(self) -> bytes:
        return b'["ok"]'


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), request.param) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("port", [Healthy], indirect=True)
def test_a_healthy_bot_is_printed_to_stdout(port: int, capsys: pytest.CaptureFixture[str]):
    assert probe(port)
    assert capsys.readouterr() == ("/livez 200.\n", "")


@pytest.mark.parametrize("port", [Unhealthy], indirect=True)
def test_an_unhealthy_bot_is_printed_to_stderr(port: int, capsys: pytest.CaptureFixture[str]):
    assert not probe(port)
    assert capsys.readouterr() == ("", "/livez 503.\n")


@pytest.mark.parametrize("port", [Healthy], indirect=True)
def test_the_proxy_that_docker_sets_in_containers_is_bypassed(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert probe(port)
    assert capsys.readouterr().out == "/livez 200.\n"


@pytest.mark.parametrize("port", [Foreign, ForeignJson, Controlling], indirect=True)
def test_what_is_not_this_bot_is_not_alive(port: int, capsys: pytest.CaptureFixture[str]):
    assert not probe(port)
    assert capsys.readouterr().err == f"What responds on port {port} is not this bot; see HEALTH_PORT.\n"


def test_a_bot_whose_event_loop_hangs_is_not_alive(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never responds
        port = server.getsockname()[1]
        assert not probe(port, timeout_s=0.1)
    assert capsys.readouterr().err == f"The bot does not respond on port {port}: no response within 0 s.\n"


def test_a_bot_that_is_not_running_is_unhealthy(capsys: pytest.CaptureFixture[str]):
    port = free_port()
    assert not probe(port)
    assert capsys.readouterr().err.startswith(f"The bot does not respond on port {port}: ")


def test_a_port_of_another_program_is_reported_in_one_sentence(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        serving = threading.Thread(target=respond)
        serving.start()
        assert not probe(server.getsockname()[1])
        serving.join()

    assert capsys.readouterr().err.startswith("The bot does not respond on port")
