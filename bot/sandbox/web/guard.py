"""Which requests the page's server takes: those of its own page only, not of a web page elsewhere."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse foreign requests with 403.

    1. The Host is an address or localhost: the names of a page elsewhere may lead here, too (DNS rebinding).
    2. What changes something has this Origin and is JSON, which no form of a page elsewhere can send.
    3. What reads has no other Origin, and a browser that says that it comes from another site is refused, but
       for the page itself.
    """
    if not _is_local(request.host):
        return _refused("This page has no such name; use localhost or its address.")
    origin = request.headers.get("Origin")
    if origin not in {None, f"http://{request.host}"}:
        return _refused("Only this page may do that.")
    if request.method not in {"GET", "HEAD"}:
        if origin is None:
            return _refused("Only this page may do that.")
        if request.content_type != "application/json":
            return web.Response(status=415, text="Only JSON is read.", headers=HEADERS)
    elif request.path != "/" and request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return _refused("Only this page may read that.")
    return await handler(request)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to each response, before it is sent."""
    response.headers.update(HEADERS)


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refused(why: str) -> web.Response:
    return web.Response(status=403, text=why, headers=HEADERS)
