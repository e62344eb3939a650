from hypothesis import given
from hypothesis import strategies as st

from bot.messages.limits import cut, escape_line, take_fitting, utf16_len
from tests.unit.messages.reading import visible


def test_a_text_within_the_limit_is_unchanged():
    assert cut("abcde", 5) == "abcde"


def test_a_text_beyond_the_limit_ends_in_an_ellipsis():
    assert cut("abcdef", 5) == "abcd…"
    assert cut("abc def", 5) == "abc…"


def test_an_emoji_counts_as_two_and_is_never_halved():
    assert utf16_len("a🎬") == 3
    assert cut("🎬🎬🎬", 4) == "🎬…"


@given(text=st.text(), limit=st.integers(min_value=1, max_value=50))
def test_no_text_exceeds_its_limit(text, limit):
    assert utf16_len(cut(text, limit)) <= limit


@given(text=st.text(st.characters(exclude_categories=["Cs"])), limit=st.integers(min_value=1, max_value=50))
def test_no_foreign_text_breaks_the_markup(text, limit):
    shown = visible(escape_line(text, limit))
    assert utf16_len(shown) <= limit
    assert "\n" not in shown


def test_a_signed_link_is_unchanged_byte_for_byte():
    link = "https://cdn.example/a.mp4?Expires=1&Signature=a%2Fb%3D"
    assert visible(escape_line(link, 100)) == link


def test_white_space_is_normalized():
    assert escape_line(" a\n\n b\tc ", 10) == "a b c"


def test_a_name_does_not_reverse_the_text_around_it():
    assert escape_line("\u202eevil\u2067 name\u2069", 20) == "evil name"
    assert escape_line("علي", 20) == "علي"


def test_as_many_lines_are_shown_as_fit():
    lines = ["abc", "de", "f"]
    assert take_fitting(lines, 9) == lines
    assert take_fitting(lines, 8) == ["abc", "de"]
    assert take_fitting(lines, 3) == []
