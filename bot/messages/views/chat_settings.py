"""The message of /settings: what the chat has chosen, and a button for each choice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.messages.callback_data import ChooseSetting
from bot.messages.lines import join_lines, labelled
from bot.messages.translate import CHINESE, ENGLISH, t
from bot.messages.view import Button, View
from storage.chat_settings import ChatSettings, ResultForm, Sound


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """A setting in the message; keys are those of the locales."""

    icon: str
    key: str
    choices: Mapping[Any, str]  # value → key


_SETTINGS = {  # by the field of ChatSettings
    "language": _Setting(
        icon="🌐",
        key="settings.language",
        choices={None: "settings.auto", ENGLISH: "settings.english", CHINESE: "settings.chinese"},
    ),
    "sound": _Setting(
        icon="🔔", key="settings.sound", choices={each: f"settings.sounds.{each}" for each in Sound}
    ),
    "result_form": _Setting(
        icon="🎬", key="settings.form", choices={each: f"settings.forms.{each}" for each in ResultForm}
    ),
    "pins_batch_card": _Setting(
        icon="📌", key="settings.pin", choices={False: "settings.not_pinned", True: "settings.pinned"}
    ),
}


def applied(choice: ChooseSetting, settings: ChatSettings) -> ChatSettings | None:
    """The settings with a choice; None: there is no such choice."""
    if (setting := _SETTINGS.get(choice.setting)) is not None:
        for value in setting.choices:
            if choice.value == str(value):
                return replace(settings, **{choice.setting: value})
    return None


def chat_settings(settings: ChatSettings, *, language: str) -> View:
    """The settings as they are, and a row of buttons for each; the chosen ones are marked."""
    texts, rows = [t(language, "settings.title")], []
    for name, setting in _SETTINGS.items():
        row = []
        for value, key in setting.choices.items():
            label, is_chosen = t(language, key), getattr(settings, name) == value
            if is_chosen:
                texts.append(
                    f"{setting.icon} {labelled(t(language, setting.key), f'<b>{label}</b>', language)}"
                )
            action = ChooseSetting(setting=name, value=str(value)).pack()
            row.append(Button(label=f"{'✓' if is_chosen else setting.icon} {label}", action=action))
        rows.append(tuple(row))
    return View(text=join_lines(texts), buttons=tuple(rows))
