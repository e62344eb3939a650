from bot.messages.markup import caption_options, digest, keyboard, text_options
from bot.messages.view import Button, View

BUTTONS = (
    (Button(label="Again", action="again:1"),),
    (Button(label="Open", url="https://x.example/a"), Button(label="Copy id", copy="id-1")),
)


def test_a_text_is_html_without_previews_of_its_links():
    options = text_options(View(text="<b>x</b>"))
    assert options["text"] == "<b>x</b>"
    assert options["parse_mode"] == "HTML"
    assert options["link_preview_options"].to_dict() == {"is_disabled": True}
    assert options["reply_markup"] is None


def test_a_caption_is_html():
    assert caption_options(View(text="<b>x</b>")) == {"caption": "<b>x</b>", "parse_mode": "HTML"}


def test_buttons_become_an_inline_keyboard():
    markup = keyboard(View(text="x", buttons=BUTTONS))
    assert markup is not None
    assert markup.to_dict() == {
        "inline_keyboard": [
            [{"text": "Again", "callback_data": "again:1"}],
            [
                {"text": "Open", "url": "https://x.example/a"},
                {"text": "Copy id", "copy_text": {"text": "id-1"}},
            ],
        ]
    }


def test_the_digest_depends_only_on_text_and_buttons():
    plain = View(text="x")
    assert digest(plain) == digest(View(text="x"))
    assert len({digest(plain), digest(View(text="y")), digest(View(text="x", buttons=BUTTONS))}) == 3
