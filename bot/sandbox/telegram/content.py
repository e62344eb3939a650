"""The content of a bot's message: text, buttons and files, validated as by Telegram."""

import io
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import av
from yarl import URL

from bot.sandbox.telegram.api_errors import bad_request
from bot.sandbox.telegram.arguments import Arguments, Upload
from bot.sandbox.telegram.chats import Attachment, StoredFile
from bot.sandbox.telegram.entities import parse_html, trimmed
from bot.sandbox.telegram.state import State

TEXT_LIMIT = 4096  # code points, after parsing
CAPTION_LIMIT = 1024
_CALLBACK_LIMIT = 64  # bytes
_COPY_LIMIT = 256  # characters
_FETCH_LIMIT = 20 * 1024 * 1024  # bytes; https://core.telegram.org/bots/api#sending-files
_FETCH_LIMIT_S = 20.0
_THUMBNAIL_LIMIT = 200 * 1000  # bytes; larger ones are dropped silently
_READ_LIMIT = 10 * 1024 * 1024  # bytes; Telegram does not probe larger videos
_PHOTO_LIMIT = 10 * 1024 * 1024  # bytes; https://core.telegram.org/bots/api#sendphoto
_PHOTO_SIDES = 10_000  # pixels, width and height together
_PHOTO_RATIO = 20
_FETCHED_DOCUMENTS = {"application/pdf", "application/zip", "image/gif"}

Entities = tuple[dict[str, Any], ...]


def _text(source: str, parse_mode: str, entities: Any) -> tuple[str, Entities]:
    """Read a text or caption with its markup."""
    if parse_mode.lower() == "html":
        return trimmed(*parse_html(source))
    if parse_mode:
        raise bad_request("unsupported parse_mode")
    return trimmed(source, tuple(entities or ()))


def message_text(source: str, parse_mode: str, entities: Any) -> tuple[str, Entities]:
    """Read the text of a message: 1 to 4096 characters."""
    text, found = _text(source, parse_mode, entities)
    if not text:
        raise bad_request("message text is empty")
    if len(text) > TEXT_LIMIT:
        raise bad_request("message is too long")
    return text, found


def caption_text(source: str, parse_mode: str, entities: Any) -> tuple[str, Entities]:
    """Read a caption: at most 1024 characters."""
    text, found = _text(source, parse_mode, entities)
    if len(text) > CAPTION_LIMIT:
        raise bad_request("message caption is too long")
    return text, found


def reply_markup(arguments: Arguments) -> Mapping[str, Any] | None:
    """Read the buttons; None for an empty keyboard."""
    markup = arguments.structure("reply_markup")
    if not isinstance(markup, dict):
        return None
    rows = [row for row in markup.get("inline_keyboard", []) if row]
    for button in [button for row in rows for button in row]:
        _check_button(button)
    if "inline_keyboard" in markup:
        return {"inline_keyboard": rows} if rows else None
    return markup


def _check_button(button: Mapping[str, Any]) -> None:
    if not button.get("text"):
        raise bad_request("BUTTON_TEXT_INVALID")
    if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= _CALLBACK_LIMIT:
        raise bad_request("BUTTON_DATA_INVALID")
    if "copy_text" in button and not 1 <= len(button["copy_text"].get("text", "")) <= _COPY_LIMIT:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    if "url" in button and urlsplit(button["url"]).scheme not in {"http", "https", "tg"}:
        raise bad_request(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
    if not {"callback_data", "copy_text", "url", "web_app"} & button.keys():
        raise bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedFile:
    """A video, photo or document as requested by the bot."""

    kind: str  # video, photo or document
    source: str  # file_id, URL, attach://… or "" for the part named like the kind
    fields: Mapping[str, Any]  # width, height, duration, supports_streaming, thumbnail


async def attachment(state: State, requested: RequestedFile, uploads: Mapping[str, Upload]) -> Attachment:
    """Store a file: an upload, a known file_id, or a URL that Telegram fetches."""
    if requested.source.startswith("attach://") or (not requested.source and requested.kind in uploads):
        part = requested.source.removeprefix("attach://") or requested.kind
        if part not in uploads:
            raise bad_request(f"there is no file with name {part} in the request")
        file = _store_upload(state, uploads[part])
        if not file.size:
            raise bad_request("file must be non-empty")
    elif requested.source.startswith("file://") and state.local:
        file = _from_disk(state, requested.source)
    elif "." in requested.source or ":" in requested.source:
        file = await _fetched(state, requested)
    elif requested.source:
        return state.stored_attachment(requested.source, requested.kind)
    else:
        raise bad_request(f"there is no {requested.kind} in the request")
    if requested.kind == "photo":
        return state.store_attachment(_photo(file))
    thumbnail = _thumbnail(state, requested, uploads)
    if requested.kind != "video":
        return state.store_attachment(Attachment(kind=requested.kind, file=file, thumbnail=thumbnail))
    width, height, duration_s = _geometry(file, requested.fields)
    streaming = str(requested.fields.get("supports_streaming", "")).lower() == "true"
    video = Attachment(
        kind="video",
        file=file,
        width=width,
        height=height,
        duration_s=duration_s,
        supports_streaming=streaming,
        thumbnail=thumbnail,
    )
    return state.store_attachment(video)


def _store_upload(state: State, upload: Upload) -> StoredFile:
    return state.store_file(upload.content, name=upload.name, mime_type=upload.mime_type)


def _from_disk(state: State, source: str) -> StoredFile:
    """Name and type come from the path: https://github.com/tdlib/td, td/telegram/MessageContent.cpp."""
    path = Path(unquote(urlsplit(source).path))
    mime_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        return state.store_file(path.read_bytes(), name=path.name, mime_type=mime_type)
    except OSError as error:
        raise bad_request("invalid file HTTP URL specified: file not found") from error


def _thumbnail(state: State, requested: RequestedFile, uploads: Mapping[str, Upload]) -> StoredFile | None:
    part = str(requested.fields.get("thumbnail") or "thumbnail").removeprefix("attach://")
    upload = uploads.get(part)
    return _store_upload(state, upload) if upload and len(upload.content) < _THUMBNAIL_LIMIT else None


def _photo(file: StoredFile) -> Attachment:
    """Telegram makes a JPEG of it; here it stays as it is."""
    if file.size > _PHOTO_LIMIT:
        raise bad_request(f"file of size {file.size} bytes is too big for a photo")
    try:
        with av.open(io.BytesIO(file.content), mode="r") as container:
            width, height = container.streams.video[0].width, container.streams.video[0].height
    except (av.FFmpegError, IndexError) as error:
        raise bad_request("IMAGE_PROCESS_FAILED") from error
    if width + height > _PHOTO_SIDES or max(width, height) > _PHOTO_RATIO * min(width, height):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return Attachment(kind="photo", file=file, width=width, height=height)


def _geometry(file: StoredFile, fields: Mapping[str, Any]) -> tuple[int, int, int]:
    """Width, height, seconds: as given by the bot, else probed in a small file, else defaults."""
    given = [int(float(fields.get(name) or 0)) for name in ("width", "height", "duration")]
    if all(given) or file.size > _READ_LIMIT:
        return given[0] or 320, given[1] or 320, given[2]
    try:
        with av.open(io.BytesIO(file.content), mode="r") as container:
            stream = container.streams.video[0]
            seconds = round((container.duration or 0) / av.time_base)
            return given[0] or stream.width, given[1] or stream.height, given[2] or seconds
    except (av.FFmpegError, IndexError):
        return given[0] or 320, given[1] or 320, given[2]


async def _fetched(state: State, requested: RequestedFile) -> StoredFile:
    if urlsplit(requested.source).scheme not in {"http", "https"}:
        raise bad_request(f"invalid file HTTP URL specified: Unsupported URL protocol: {requested.source}")
    timeout = aiohttp.ClientTimeout(total=_FETCH_LIMIT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, requote_redirect_url=False) as session,
            session.get(URL(requested.source, encoded=True)) as response,
        ):
            mime_type = response.content_type
            content = (
                await response.content.read(_FETCH_LIMIT + 1) if response.status == HTTPStatus.OK else b""
            )
            while content and len(content) <= _FETCH_LIMIT and (more := await response.content.readany()):
                content += more
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise bad_request("failed to get HTTP URL content") from error
    if not content or len(content) > _FETCH_LIMIT:
        raise bad_request("failed to get HTTP URL content")
    if not (mime_type.startswith("video/") if requested.kind == "video" else mime_type in _FETCHED_DOCUMENTS):
        raise bad_request("wrong type of the web page content")
    name = urlsplit(requested.source).path.rpartition("/")[2]
    return state.store_file(content, name=name, mime_type=mime_type, by_url=True)
