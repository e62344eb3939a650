from hypothesis import given
from hypothesis import strategies as st

from bot.messages.limits import cut, fitting, plain, units
from tests.unit.messages.reading import visible


def test_a_text_that_fits_stays_as_it_is():
    assert cut("abcde", 5) == "abcde"


def test_a_text_that_is_too_long_ends_in_an_ellipsis():
    assert cut("abcdef", 5) == "abcd…"
    assert cut("abc def", 5) == "abc…"


def test_an_emoji_counts_as_two_and_is_never_halved():
    assert units("a🎬") == 3
    assert cut("🎬🎬🎬", 4) == "🎬…"


@given(text=st.text(), limit=st.integers(min_value=1, max_value=50))
def test_no_text_gets_longer_than_its_limit(text, limit):
    assert units(cut(text, limit)) <= limit


@given(text=st.text(st.characters(exclude_categories=["Cs"])), limit=st.integers(min_value=1, max_value=50))
def test_no_foreign_text_breaks_the_markup(text, limit):
    shown = visible(plain(text, limit))
    assert units(shown) <= limit
    assert "\n" not in shown


def test_a_signed_link_stays_as_it_is_byte_for_byte():
    link = "https://cdn.example/a.mp4?Expires=1&Signature=a%2Fb%3D"
    assert visible(plain(link, 100)) == link


def test_white_space_is_evened_out():
    assert plain(" a\n\n b\tc ", 10) == "a b c"


def test_as_many_lines_are_shown_as_fit():
    lines = ["abc", "de", "f"]
    assert fitting(lines, 9) == lines
    assert fitting(lines, 8) == ["abc", "de"]
    assert fitting(lines, 3) == []
