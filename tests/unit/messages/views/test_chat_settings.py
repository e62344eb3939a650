import pytest

from bot.messages.callback_data import ChooseSetting
from bot.messages.view import View
from bot.messages.views.chat_settings import applied, chat_settings
from storage.chat_settings import DEFAULT_SETTINGS, ChatSettings, ResultForm, Sound
from tests.unit.messages.reading import visible

CHOSEN = ChatSettings(language="zh", sound=Sound.ALL, result_form=ResultForm.BOTH, pins_batch_card=True)


def marked(view: View) -> list[str]:
    return [each.label for row in view.buttons for each in row if each.label.startswith("✓ ")]


def test_one_button_of_each_row_is_marked():
    assert marked(chat_settings(DEFAULT_SETTINGS, language="en")) == [
        "✓ Auto",
        "✓ Results only",
        "✓ Video",
        "✓ Not pinned",
    ]
    assert marked(chat_settings(CHOSEN, language="zh")) == ["✓ 中文", "✓ 所有消息", "✓ 视频和文件", "✓ 置顶"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("settings", [DEFAULT_SETTINGS, CHOSEN])
def test_each_button_applies_its_own_choice(settings: ChatSettings, language: str):
    view = chat_settings(settings, language=language)
    assert visible(view.text).count("\n") == len(view.buttons)

    for row in view.buttons:
        results: list[ChatSettings | None] = []
        for button in row:
            choice = ChooseSetting.parse(button.action or "")
            assert choice is not None
            results.append(applied(choice, settings))
            mark, _, label = button.label.partition(" ")
            assert (mark == "✓") is (results[-1] == settings)
            assert label in visible(chat_settings(results[-1] or settings, language=language).text)
        assert len(set(results) - {None}) == len(row)
