"""Reads a method's parameters from the query, a form or multipart."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from bot.sandbox.telegram.api_errors import ApiError, bad_request

UPLOAD_LIMIT = 50 * 1024 * 1024  # bytes; https://core.telegram.org/bots/api#sending-files
LOCAL_UPLOAD_LIMIT = (
    2000 * 1024 * 1024
)  # bytes; https://core.telegram.org/bots/api#using-a-local-bot-api-server
_FORM_ROOM = 64 * 1024  # bytes, for everything in a request except the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file in a multipart request."""

    name: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """Parameters by name; structures are JSON text, as in the request."""

    values: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The parameter, or ""."""
        return self.values.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """The parameter as an integer; the default if it is none."""
        try:
            return int(float(self.values[name]))
        except (KeyError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """Whether the parameter is true."""
        return self.text(name).lower() in {"true", "yes", "1"}

    def structure(self, name: str) -> Any:
        """The parsed JSON of the parameter; None if it is missing."""
        try:
            return json.loads(self.values[name]) if self.text(name) else None
        except ValueError as error:
            raise bad_request(f"can't parse {name} JSON object") from error

    def plain(self) -> dict[str, Any]:
        """All parameters with structures decoded, and files as name and size."""
        decoded: dict[str, Any] = {}
        for name, value in self.values.items():
            decoded[name] = value
            if name not in {"text", "caption"} and value[:1] in {"{", "["}:
                decoded[name] = json.loads(value)
        return decoded | {
            name: f"<{upload.name}: {len(upload.content)} bytes>" for name, upload in self.uploads.items()
        }


async def read_arguments(request: web.Request, *, upload_limit: int) -> Arguments:
    """Read parameters and files; raises ApiError for an upload of more than upload_limit bytes."""
    values = dict(request.query)
    uploads: dict[str, Upload] = {}
    if request.content_type == "multipart/form-data":
        body_limit = upload_limit + _FORM_ROOM
        if (request.content_length or 0) > body_limit:
            raise ApiError(413, "Request Entity Too Large")
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            content = await _content(part, body_limit)
            if part.filename is None:
                values[part.name] = content.decode()
            else:
                mime_type = part.headers.get("Content-Type", "application/octet-stream")
                uploads[part.name] = Upload(name=part.filename, mime_type=mime_type, content=content)
    else:
        values |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return Arguments(values=values, uploads=uploads)


async def _content(part: BodyPartReader, body_limit: int) -> bytes:
    # Reads at least as much as may be buffered: otherwise aiohttp unreads the rest with a deprecated
    # method (https://github.com/aio-libs/aiohttp/issues/3260).
    content = bytearray()
    while not part.at_eof():
        content += await part.read_chunk(body_limit)
    return bytes(content)
