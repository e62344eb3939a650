"""Serves video files like an object storage: ranges, redirects and faults."""

import re

from aiohttp import web

from bot.sandbox.gateway.tasks import ServedFile

_REFUSED = """<?xml version="1.0" encoding="UTF-8"?>
<Error>
  <Code>{code}</Code>
  <Message>{message}</Message>
  <RequestId>6911B0A1C0FFEE0000000000</RequestId>
</Error>
"""  # https://www.alibabacloud.com/help/en/oss/developer-reference/error-responses


def storage_error(status: int, code: str, message: str) -> web.Response:
    """An error response in the XML of object storages."""
    text = _REFUSED.format(code=code, message=message)
    return web.Response(status=status, text=text, content_type="application/xml")


async def serve_file(
    request: web.Request, served: ServedFile, *, mime_type: str = "video/mp4"
) -> web.StreamResponse:
    """Send the file or the requested range."""
    served.downloads += 1
    if served.redirect_to is not None:
        return web.Response(status=302, headers={"Location": served.redirect_to})
    total = len(served.content)
    headers = {"Content-Type": mime_type, "ETag": '"fake"', "Accept-Ranges": "bytes"}
    first, last = 0, total - 1
    range_match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if range_match:
        first, last = int(range_match[1]), min(int(range_match[2] or last), last)
        if first > last:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{total}"
    response = web.StreamResponse(status=206 if range_match else 200, headers=headers)
    response.content_length = last + 1 - first
    await response.prepare(request)
    part = served.content[first : last + 1]
    if served.cut_after is None:
        await response.write(part)
    else:
        await response.write(part[: served.cut_after])
        if request.transport is not None:
            request.transport.close()
    return response
