"""The only file that sends and edits messages; every Telegram error becomes a SendResult."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from telegram import InputFile, InputMediaDocument, InputMediaVideo, Message, ReplyParameters
from telegram.constants import ChatAction
from telegram.error import TelegramError
from telegram.ext import ExtBot

from bot.media.video import VideoFile
from bot.messages.markup import caption_options, keyboard, text_options
from bot.messages.view import View
from bot.outbox.rate_limiter import ChatRateLimiter, is_accounted
from bot.outbox.results import NOT_MODIFIED, Refusal, Refused, SendResult, Sent, as_retryable, read_error
from bot.outbox.route import TelegramRoute
from storage.models import StoredFile, Watch

log = logging.getLogger(__name__)

# Telegram answers an upload, or an address it fetches, only when it has all of it.
_MEDIA_ANSWER_S = 180.0
_MEDIA_UPLOAD_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAddress:
    """Where a message goes."""

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None

    @property
    def bare(self) -> "ChatAddress":
        """The chat itself: a reply across topics is refused, so without the topic it goes too."""
        return ChatAddress(chat_id=self.chat_id)


def address_of(watch: Watch) -> ChatAddress:
    """Where a watch's messages go: its topic, as replies to the request."""
    return ChatAddress(chat_id=watch.chat_id, thread_id=watch.thread_id, reply_to=watch.request_message_id)


class Sender:
    """Sends and edits; knows nothing of tasks."""

    def __init__(
        self,
        bot: ExtBot[None],
        rate_limiter: ChatRateLimiter | None = None,
        route: TelegramRoute | None = None,
        *,
        local_mode: bool = False,
        migrated: Callable[[int, int], None] = lambda _old_id, _new_id: None,
    ) -> None:
        """local_mode: the Bot API server shares this disk and takes files by path."""
        self.rate_limiter = (
            rate_limiter or ChatRateLimiter()
        )  # asked, and told of calls, by those who decide what goes next
        self.route = route or TelegramRoute()  # likewise, and told what became of them
        self.migrated = migrated  # likewise, when a group has got another id
        self._bot = bot
        self._local_mode = local_mode

    async def send(self, place: ChatAddress, view: View, *, is_silent: bool = False) -> SendResult:
        """Send a new text; a topic that is deleted or closed gets it in the chat itself."""
        result = await self._send(place, view, is_silent=is_silent)
        if isinstance(result, Refused) and result.reason is Refusal.NO_THREAD and place.thread_id:
            result = await self._send(place.bare, view, is_silent=is_silent)
        return result

    async def edit(self, chat_id: int, message_id: int, view: View) -> SendResult:
        """Change a text message; may be repeated freely."""
        return await self._attempt(
            self._bot.edit_message_text(chat_id=chat_id, message_id=message_id, **text_options(view)),
            message_id,
        )

    async def edit_into_video(
        self, chat_id: int, message_id: int, film: VideoFile, caption: View
    ) -> SendResult:
        """Make a text message the video; may be repeated freely."""
        thumbnail = _thumbnail(film)

        async def edit(media: InputFile | str) -> SendResult:
            return await self._attempt(
                self._bot.edit_message_media(
                    _input_media(film, media, caption, thumbnail),
                    chat_id=chat_id,
                    message_id=message_id,
                    reply_markup=keyboard(caption),
                    read_timeout=_MEDIA_ANSWER_S,
                    write_timeout=_MEDIA_UPLOAD_S,
                    # Inside InputMedia python-telegram-bot uploads it only if the film is uploaded, too.
                    api_kwargs={"thumbnail": thumbnail} if thumbnail else None,
                ),
                message_id,
                film=film,
            )

        result = await self._hand_over(film, edit)
        if _may_be_the_preview(result, film):
            return await self.edit_into_video(chat_id, message_id, replace(film, thumbnail=None), caption)
        return result

    async def send_video_file(self, place: ChatAddress, film: VideoFile, caption: View) -> SendResult:
        """Send a new message with the video; must never be repeated after Unknown."""
        result = await self._send_film(place, film, caption)
        if isinstance(result, Refused) and result.reason is Refusal.NO_THREAD and place.thread_id:
            result = await self._send_film(place.bare, film, caption)
        return result

    async def ping(self) -> SendResult:
        """Ask Telegram for something that changes nothing, to see whether it answers."""
        try:
            await self._bot.get_me()
        except TelegramError as error:
            return as_retryable(read_error(error))
        return Sent(0)

    async def withdraw(self, chat_id: int, message_id: int) -> None:
        """Delete a message, if it is still there."""
        await self._attempt(self._bot.delete_message(chat_id, message_id), message_id)

    async def uploading(self, place: ChatAddress) -> None:
        """Show for up to five seconds that a video is on its way; a failure does not matter."""
        await self._attempt(
            self._bot.send_chat_action(
                place.chat_id, ChatAction.UPLOAD_VIDEO, message_thread_id=place.thread_id
            ),
            0,
        )

    async def _send(self, place: ChatAddress, view: View, *, is_silent: bool) -> SendResult:
        return await self._attempt(
            self._bot.send_message(
                place.chat_id,
                message_thread_id=place.thread_id,
                reply_parameters=_reply(place),
                disable_notification=is_silent or None,
                **text_options(view),
            )
        )

    async def _send_film(self, place: ChatAddress, film: VideoFile, caption: View) -> SendResult:
        target: dict[str, Any] = {
            "chat_id": place.chat_id,
            "message_thread_id": place.thread_id,
            "reply_parameters": _reply(place),
            "reply_markup": keyboard(caption),
            "read_timeout": _MEDIA_ANSWER_S,
            "write_timeout": _MEDIA_UPLOAD_S,
            **caption_options(caption),
        }

        async def send(media: InputFile | str) -> SendResult:
            if not film.is_video:
                return await self._attempt(
                    self._bot.send_document(document=media, disable_content_type_detection=True, **target),
                    film=film,
                )
            return await self._attempt(
                self._bot.send_video(video=media, thumbnail=_thumbnail(film), **target, **_geometry(film)),
                film=film,
            )

        result = await self._hand_over(film, send)
        if _may_be_the_preview(result, film):
            return await self._send_film(place, replace(film, thumbnail=None), caption)
        return result

    async def _hand_over(
        self, film: VideoFile, call: Callable[[InputFile | str], Awaitable[SendResult]]
    ) -> SendResult:
        """Call with an address or file_id as it is, with a file's path where the server shares the disk, else
        with the file, which is streamed. A server that can't read the path gets the file as well.
        """
        if isinstance(film.source, str):
            return await call(film.source)
        if self._local_mode:
            result = await call(film.source.absolute().as_uri())
            if not (isinstance(result, Refused) and result.reason is Refusal.BAD_FILE):
                return result
            log.warning("The Bot API server does not take %s by its path: %s", film.source.name, result.why)
        with film.source.open("rb") as handle:
            return await call(
                InputFile(handle, filename=film.source.name, attach=True, read_file_handle=False)
            )

    async def _attempt(
        self, call: Awaitable[Message | bool], message_id: int | None = None, *, film: VideoFile | None = None
    ) -> SendResult:
        """message_id: of the message that an edit changes; a new message brings its own."""
        accounted = is_accounted.set(True)
        try:
            answer = await call
        except TelegramError as error:
            if message_id is not None and NOT_MODIFIED in error.message.lower():
                return Sent(message_id)
            return read_error(error)
        finally:
            is_accounted.reset(accounted)
        if isinstance(answer, Message):
            return Sent(answer.message_id, _file(answer, film))
        return Sent(message_id or 0)


def _may_be_the_preview(result: SendResult, film: VideoFile) -> bool:
    """Whether the film may be taken without its preview; the error's text seldom says which was refused."""
    return (
        isinstance(result, Refused)
        and result.reason in {Refusal.BAD_FILE, Refusal.OTHER}
        and film.thumbnail is not None
    )


def _reply(place: ChatAddress) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


def _file(message: Message, film: VideoFile | None) -> StoredFile | None:
    """What other chats can have; where only this one takes no videos, they can have better than a file."""
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
    if (document := message.document) is not None and film is not None and film.unplayable:
        return StoredFile(
            file_id=document.file_id,
            is_video=False,
            unplayable=film.unplayable,
            size=document.file_size,
        )
    return None


def _geometry(film: VideoFile) -> dict[str, Any]:
    return {
        "width": film.width,
        "height": film.height,
        "duration": None if film.duration_s is None else round(film.duration_s),
        "supports_streaming": True,
    }


def _thumbnail(film: VideoFile) -> InputFile | None:
    if film.thumbnail is None:
        return None
    return InputFile(film.thumbnail.read_bytes(), filename="thumbnail.jpg", attach=True)


def _input_media(
    film: VideoFile, media: InputFile | str, caption: View, thumbnail: InputFile | None
) -> InputMediaVideo | InputMediaDocument:
    if not film.is_video:
        return InputMediaDocument(media, disable_content_type_detection=True, **caption_options(caption))
    return InputMediaVideo(
        media,
        thumbnail=thumbnail.attach_uri if thumbnail else None,
        **caption_options(caption),
        **_geometry(film),
    )
