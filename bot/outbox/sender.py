"""Sends and edits messages; maps every Telegram error to a SendResult."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from telegram import InputFile, InputMediaDocument, InputMediaVideo, Message, ReplyParameters
from telegram.constants import ChatAction
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.bot_api.request import is_not_modified
from bot.logs import log_fields
from bot.media.video import VideoFile
from bot.messages.markup import caption_options, keyboard, text_options
from bot.messages.view import View
from bot.outbox.rate_limiter import ChatRateLimiter
from bot.outbox.results import Refusal, Refused, SendResult, Sent, as_retryable, read_error
from bot.outbox.route import TelegramRoute
from storage.models import StoredFile
from storage.outbox import ChatAddress

log = logging.getLogger(__name__)

# Telegram responds to an upload, or to a link that it fetches, only after the whole transfer.
_MEDIA_READ_S = 180.0
_MEDIA_UPLOAD_S = 600.0


class Sender:
    """Sends and edits messages; independent of tasks and watches."""

    def __init__(
        self,
        bot: ExtBot[None],
        rate_limiter: ChatRateLimiter | None = None,
        route: TelegramRoute | None = None,
        *,
        local_mode: bool = False,
        migrated: Callable[[int, int], None] = lambda _old_id, _new_id: None,
    ) -> None:
        """local_mode: the Bot API server shares this disk and reads files by path."""
        # These three are used by the callers, who decide what is sent next.
        self.rate_limiter = rate_limiter or ChatRateLimiter()
        self.route = route or TelegramRoute()
        self.migrated = migrated  # (old id, new id) of a group that became a supergroup
        self._bot = bot
        self._local_mode = local_mode

    async def send(
        self, address: ChatAddress, view: View, *, reply_to: int | None = None, is_silent: bool = False
    ) -> SendResult:
        """Send a text; if the topic is deleted or closed, send it to the chat without topic.

        reply_to: a message; without topic it is left out as well, as Telegram rejects replies across topics.
        """
        result = await self._send(address, view, reply_to, is_silent=is_silent)
        if isinstance(result, Refused) and result.reason is Refusal.NO_THREAD and address.thread_id:
            result = await self._send(ChatAddress(chat_id=address.chat_id), view, None, is_silent=is_silent)
        return result

    async def edit(self, chat_id: int, message_id: int, view: View) -> SendResult:
        """Edit a text message; idempotent."""
        return await self._attempt(
            self._bot.edit_message_text(chat_id=chat_id, message_id=message_id, **text_options(view)),
            message_id,
        )

    async def edit_into_video(
        self, chat_id: int, message_id: int, video: VideoFile, caption: View
    ) -> SendResult:
        """Replace a text message by the video; idempotent."""
        thumbnail = _thumbnail(video)

        async def edit(media: InputFile | str) -> SendResult:
            return await self._attempt(
                self._bot.edit_message_media(
                    _input_media(video, media, caption, thumbnail),
                    chat_id=chat_id,
                    message_id=message_id,
                    reply_markup=keyboard(caption),
                    read_timeout=_MEDIA_READ_S,
                    write_timeout=_MEDIA_UPLOAD_S,
                    # In InputMedia, python-telegram-bot uploads the thumbnail only together with the video.
                    api_kwargs={"thumbnail": thumbnail} if thumbnail else None,
                ),
                message_id,
                video=video,
            )

        result = await self._with_media(video, edit)
        if _may_be_the_thumbnail(result, video):
            return await self.edit_into_video(chat_id, message_id, replace(video, thumbnail=None), caption)
        return result

    async def send_video_file(
        self,
        address: ChatAddress,
        video: VideoFile,
        caption: View,
        *,
        reply_to: int | None = None,
        is_silent: bool = False,
    ) -> SendResult:
        """Send a new message with the video; not idempotent, so never retry it after Unknown."""
        result = await self._send_video(address, video, caption, reply_to, is_silent=is_silent)
        if isinstance(result, Refused) and result.reason is Refusal.NO_THREAD and address.thread_id:
            chat = ChatAddress(chat_id=address.chat_id)
            result = await self._send_video(chat, video, caption, None, is_silent=is_silent)
        return result

    async def ping(self) -> SendResult:
        """Probe Telegram with getMe."""
        try:
            await self._bot.get_me()
        except TelegramError as error:
            return as_retryable(read_error(error))
        return Sent(0)

    async def withdraw(self, chat_id: int, message_id: int) -> None:
        """Delete a message, if it still exists."""
        await self._attempt(self._bot.delete_message(chat_id, message_id), message_id)

    async def pin(self, chat_id: int, message_id: int) -> None:
        """Pin a message silently; errors, such as a missing right, are ignored."""
        await self._attempt(
            self._bot.pin_chat_message(chat_id, message_id, disable_notification=True), message_id
        )

    async def uploading(self, address: ChatAddress) -> None:
        """Show the upload action for up to five seconds; errors are ignored."""
        await self._attempt(
            self._bot.send_chat_action(
                address.chat_id, ChatAction.UPLOAD_VIDEO, message_thread_id=address.thread_id
            ),
            0,
        )

    async def _send(
        self, address: ChatAddress, view: View, reply_to: int | None, *, is_silent: bool
    ) -> SendResult:
        return await self._attempt(
            self._bot.send_message(
                address.chat_id,
                message_thread_id=address.thread_id,
                reply_parameters=_reply(reply_to),
                disable_notification=is_silent or None,
                **text_options(view),
            )
        )

    async def _send_video(
        self, address: ChatAddress, video: VideoFile, caption: View, reply_to: int | None, *, is_silent: bool
    ) -> SendResult:
        target: dict[str, Any] = {
            "chat_id": address.chat_id,
            "message_thread_id": address.thread_id,
            "reply_parameters": _reply(reply_to),
            "reply_markup": keyboard(caption),
            "disable_notification": is_silent or None,
            "read_timeout": _MEDIA_READ_S,
            "write_timeout": _MEDIA_UPLOAD_S,
            **caption_options(caption),
        }

        async def send(media: InputFile | str) -> SendResult:
            if not video.is_video:
                return await self._attempt(
                    self._bot.send_document(document=media, disable_content_type_detection=True, **target),
                    video=video,
                )
            return await self._attempt(
                self._bot.send_video(video=media, thumbnail=_thumbnail(video), **target, **_geometry(video)),
                video=video,
            )

        result = await self._with_media(video, send)
        if _may_be_the_thumbnail(result, video):
            bare = replace(video, thumbnail=None)
            return await self._send_video(address, bare, caption, reply_to, is_silent=is_silent)
        return result

    async def _with_media(
        self, video: VideoFile, call: Callable[[InputFile | str], Awaitable[SendResult]]
    ) -> SendResult:
        """Call with a link, file_id or, in local mode, a path; otherwise upload the file.

        If the server can't read the path, the file is uploaded.
        """
        if isinstance(video.source, str):
            return await call(video.source)
        if self._local_mode:
            result = await call(video.source.absolute().as_uri())
            if not (isinstance(result, Refused) and result.reason is Refusal.BAD_FILE):
                return result
            log.warning(
                "The local Bot API server can't read a video by its path, so it is uploaded: %s. Does the"
                " server share the bot's folder under the same path?",
                result.why,
                extra=log_fields(None, "path_unreadable", path=str(video.source.parent)),
            )
        with video.source.open("rb") as handle:
            return await call(
                InputFile(handle, filename=video.source.name, attach=True, read_file_handle=False)
            )

    async def _attempt(
        self,
        call: Awaitable[Message | bool],
        message_id: int | None = None,
        *,
        video: VideoFile | None = None,
    ) -> SendResult:
        """message_id: of the edited message; None: the response contains that of the new message."""
        try:
            response = await call
        except TelegramError as error:
            if message_id is not None and is_not_modified(error):
                return Sent(message_id)
            return read_error(error)
        if isinstance(response, Message):
            is_document = response.document is not None
            return Sent(response.message_id, _file(response, video), is_document=is_document)
        return Sent(message_id or 0)


def _may_be_the_thumbnail(result: SendResult, video: VideoFile) -> bool:
    """Whether to retry without the thumbnail; the error text seldom names the refused file."""
    return (
        isinstance(result, Refused)
        and result.reason in {Refusal.BAD_FILE, Refusal.OTHER}
        and video.thumbnail is not None
    )


def _reply(message_id: int | None) -> ReplyParameters | None:
    return None if message_id is None else ReplyParameters(message_id, allow_sending_without_reply=True)


def _file(message: Message, uploaded: VideoFile | None) -> StoredFile | None:
    """The file to reuse in other chats."""
    if (video := message.video) is not None:
        length = video.duration
        return StoredFile(
            file_id=video.file_id,
            is_video=True,
            size=video.file_size,
            width=video.width,
            height=video.height,
            duration_s=length.total_seconds() if isinstance(length, timedelta) else float(length),
        )
    if (document := message.document) is not None and uploaded is not None:
        return StoredFile(
            file_id=document.file_id,
            is_video=False,
            unplayable=uploaded.unplayable,
            size=document.file_size,
        )
    return None


def _geometry(video: VideoFile) -> dict[str, Any]:
    return {
        "width": video.width,
        "height": video.height,
        "duration": None if video.duration_s is None else round(video.duration_s),
        "supports_streaming": True,
    }


def _thumbnail(video: VideoFile) -> InputFile | None:
    if video.thumbnail is None:
        return None
    return InputFile(video.thumbnail.read_bytes(), filename="thumbnail.jpg", attach=True)


def _input_media(
    video: VideoFile, media: InputFile | str, caption: View, thumbnail: InputFile | None
) -> InputMediaVideo | InputMediaDocument:
    if not video.is_video:
        return InputMediaDocument(media, disable_content_type_detection=True, **caption_options(caption))
    return InputMediaVideo(
        media,
        thumbnail=thumbnail.attach_uri if thumbnail else None,
        **caption_options(caption),
        **_geometry(video),
    )
