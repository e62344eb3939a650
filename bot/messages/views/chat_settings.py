"""The message of /settings: what the chat has chosen, and a button for each choice."""

from dataclasses import dataclass, replace
from typing import ClassVar

from bot.messages.callback_data import CallbackData
from bot.messages.lines import join_lines
from bot.messages.translate import CHINESE, ENGLISH, LANGUAGES, t
from bot.messages.view import Button, View
from storage.chat_settings import ChatSettings, ResultForm, Sound

_NAMES = {ENGLISH: "English", CHINESE: "中文"}  # each in its own language


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(CallbackData):
    """One choice for one setting."""

    PREFIX: ClassVar[str] = "choice"

    def label(self, language: str) -> str:
        """What it is called."""
        raise NotImplementedError

    def applied(self, settings: ChatSettings) -> ChatSettings:
        """The settings with this choice."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseLanguage(Choice):
    """The language of everything in the chat; None: that of whoever asks."""

    PREFIX: ClassVar[str] = "lang"
    language: str | None

    def label(self, language: str) -> str:
        return _NAMES.get(self.language or "") or t(language, "settings.auto")

    def applied(self, settings: ChatSettings) -> ChatSettings:
        return replace(settings, language=self.language if self.language in LANGUAGES else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseSound(Choice):
    """What makes a sound."""

    PREFIX: ClassVar[str] = "sound"
    sound: Sound

    def label(self, language: str) -> str:
        return t(language, f"settings.sounds.{self.sound}")

    def applied(self, settings: ChatSettings) -> ChatSettings:
        return replace(settings, sound=self.sound)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseForm(Choice):
    """As what videos come."""

    PREFIX: ClassVar[str] = "form"
    form: ResultForm

    def label(self, language: str) -> str:
        return t(language, f"settings.forms.{self.form}")

    def applied(self, settings: ChatSettings) -> ChatSettings:
        return replace(settings, result_form=self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePin(Choice):
    """Whether the card of a batch is pinned."""

    PREFIX: ClassVar[str] = "pin"
    pins: bool

    def label(self, language: str) -> str:
        return t(language, "settings.pinned" if self.pins else "settings.not_pinned")

    def applied(self, settings: ChatSettings) -> ChatSettings:
        return replace(settings, pins_batch_card=self.pins)


CHOICES: tuple[type[Choice], ...] = (ChooseLanguage, ChooseSound, ChooseForm, ChoosePin)
_ROWS: tuple[tuple[str, str, tuple[Choice, ...]], ...] = (
    ("🌐", "language", tuple(ChooseLanguage(language=each) for each in (None, *LANGUAGES))),
    ("🔔", "sound", tuple(ChooseSound(sound=each) for each in Sound)),
    ("🎬", "form", tuple(ChooseForm(form=each) for each in ResultForm)),
    ("📌", "pin", tuple(ChoosePin(pins=each) for each in (False, True))),
)


def chat_settings(settings: ChatSettings, *, language: str) -> View:
    """The settings as they are, and a row of buttons for each; the chosen ones are marked."""
    texts, buttons = [t(language, "settings.title")], []
    for icon, name, choices in _ROWS:
        row = []
        for choice in choices:
            label, is_chosen = choice.label(language), choice.applied(settings) == settings
            if is_chosen:
                texts.append(f"{icon} {t(language, f'settings.{name}')}: <b>{label}</b>")
            row.append(Button(label=f"{'✓' if is_chosen else icon} {label}", action=choice.pack()))
        buttons.append(tuple(row))
    return View(text=join_lines(texts), buttons=tuple(buttons))
