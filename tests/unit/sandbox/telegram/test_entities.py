"""Telegram's HTML."""

import pytest

from bot.sandbox.telegram.api_errors import ApiError
from bot.sandbox.telegram.entities import parse_html, trimmed


def test_nested_tags_become_entities_in_utf16_units() -> None:
    text, entities = parse_html("😀 <b>bold <i>both</i></b> &lt;plain&gt; &amp; <code>x</code>")

    assert text == "😀 bold both <plain> & x"
    assert entities == (
        {"type": "bold", "offset": 3, "length": 9},
        {"type": "italic", "offset": 8, "length": 4},
        {"type": "code", "offset": 23, "length": 1},
    )


def test_links_and_quotations_keep_their_attributes() -> None:
    text, entities = parse_html(
        '<a href="https://x.y/?a=1&amp;b=2">l</a><blockquote expandable>q</blockquote>'
    )

    assert text == "lq"
    assert entities == (
        {"type": "text_link", "offset": 0, "length": 1, "url": "https://x.y/?a=1&b=2"},
        {"type": "expandable_blockquote", "offset": 1, "length": 1},
    )


def test_a_time_keeps_its_moment_and_format() -> None:
    text, entities = parse_html('<tg-time unix="1760295779" format="dt">today</tg-time>')

    assert text == "today"
    assert entities == (
        {
            "type": "date_time",
            "offset": 0,
            "length": 5,
            "unix_time": 1760295779,
            "date_time_format": "dt",
        },
    )


def test_an_invalid_link_is_plain_text() -> None:
    assert parse_html('<a href="nowhere">l</a>') == ("l", ())


def test_surrounding_white_space_is_stripped_and_entities_are_shifted() -> None:
    assert trimmed(*parse_html("\n <b> x </b> \n")) == ("x", ({"type": "bold", "offset": 0, "length": 1},))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("é <h1>x</h1>", 'Unsupported start tag "h1" at byte offset 3'),
        ("1 < 2", "Unclosed start tag at byte offset 2"),
        ("1 <2> 3", 'Unsupported start tag "2" at byte offset 2'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        (
            '<tg-time unix="now">x</tg-time>',
            'Tag "tg-time" must have attribute "unix" and a valid format at byte offset 0',
        ),
        (
            '<tg-time unix="2147483648">x</tg-time>',
            'Tag "tg-time" must have attribute "unix" and a valid format at byte offset 0',
        ),
        (
            '<tg-time unix="1" format="rt">x</tg-time>',
            'Tag "tg-time" must have attribute "unix" and a valid format at byte offset 0',
        ),
    ],
)
def test_invalid_markup_is_refused_with_telegrams_description(source: str, reason: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_html(source)

    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"
