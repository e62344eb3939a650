"""A real nginx with TLS in front of the bot's webhook; the tests that need it are skipped without one."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from tests.fakes.tls import CERTIFICATE
from tests.programs import find, needs

NGINX = find("nginx")
needs_nginx = needs("nginx")

_LOCATIONS = Path(__file__).parents[1] / "fixtures" / "nginx" / "webhook.conf"
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        {locations}
    }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, *, port: int, bot_port: int) -> AsyncIterator[None]:
    """nginx at https://127.0.0.1:port with the documented locations, which lead to bot_port."""
    locations = _LOCATIONS.read_text(encoding="utf-8").replace("127.0.0.1:8443", f"127.0.0.1:{bot_port}")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, certificate=CERTIFICATE, locations=locations),
        encoding="utf-8",
    )
    assert NGINX is not None
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "nginx.log")
    )
    try:
        await _until_listening(port)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
