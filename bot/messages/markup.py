"""Converts a View to the arguments of Telegram's methods."""

import hashlib
from typing import TypedDict

from telegram import CopyTextButton, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode

from bot.messages.view import Button, View


class TextOptions(TypedDict):
    """Arguments of send_message, edit_message_text and reply_text."""

    text: str
    parse_mode: str
    reply_markup: InlineKeyboardMarkup | None
    link_preview_options: LinkPreviewOptions


class CaptionOptions(TypedDict):
    """Arguments of send_video, send_document and the InputMedia classes."""

    caption: str
    parse_mode: str


def text_options(view: View) -> TextOptions:
    """The arguments for a text message, without link previews."""
    return TextOptions(
        text=view.text,
        parse_mode=ParseMode.HTML,
        reply_markup=keyboard(view),
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )


def caption_options(view: View) -> CaptionOptions:
    """The arguments for a caption; buttons are a separate argument: see keyboard()."""
    return CaptionOptions(caption=view.text, parse_mode=ParseMode.HTML)


def keyboard(view: View) -> InlineKeyboardMarkup | None:
    """The view's buttons; None if it has none."""
    if not view.buttons:
        return None
    return InlineKeyboardMarkup([[_button(button) for button in row] for row in view.buttons])


def digest(view: View) -> str:
    """A fingerprint of all visible content, used to skip edits that change nothing."""
    return hashlib.sha256(repr(view).encode()).hexdigest()[:16]


def _button(button: Button) -> InlineKeyboardButton:
    return InlineKeyboardButton(
        button.label,
        callback_data=button.action,
        url=button.url,
        copy_text=CopyTextButton(button.copy) if button.copy else None,
    )
