import pytest

from bot.chat.parsing import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/watch", ()),
        ("/watch  ", ()),
        ("/watch wan id-1", ("wan", "id-1")),
        ("/watch@reelwatch_bot wan id-1", ("wan", "id-1")),
        ("/watch wan id-1, id-2,id-3;id-4", ("wan", "id-1", "id-2", "id-3", "id-4")),
        ("/watch wan\nid-1\n\n\tid-2", ("wan", "id-1", "id-2")),
        ("/watch\nwan id-1", ("wan", "id-1")),
        ("/watch wan id-1，id-2、id-3；id-4", ("wan", "id-1", "id-2", "id-3", "id-4")),
        ("/watch wan：id-1。", ("wan", "id-1")),
        ("/watch wan\u3000id-1\u00a0id-2", ("wan", "id-1", "id-2")),
    ],
)
def test_words_stand_between_white_space_and_commas(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "quoted", ["`id-1`", "<id-1>", "'id-1'", '"id-1"', "“id-1”", "「id-1」", "(id-1)", "\u200bid-1\ufeff"]
)
def test_what_stands_around_an_id_is_forgiven(quoted):
    assert words(f"/watch wan {quoted}") == ("wan", "id-1")


def test_each_word_counts_once():
    assert words("/watch wan id-1 ID-1 `id-1` wan") == ("wan", "id-1", "ID-1")


def test_signs_that_belong_to_ids_stay():
    assert words("/watch wan .a_b:c=d+e-f.") == ("wan", ".a_b:c=d+e-f.")


def test_a_lone_sign_is_no_word():
    assert words("/watch wan `` , <>") == ("wan",)


@pytest.mark.parametrize(
    "prose", ["This message was sent automatically with n8n", "See task 7", "Thanks!\n\nSent from my phone"]
)
def test_what_is_written_below_the_ids_is_no_id(prose):
    assert words(f"/watch wan an-id\nanother\n\n{prose}") == ("wan", "an-id", "another")


def test_ids_may_stand_in_paragraphs_of_their_own():
    assert words("/watch wan one\n \nid-2, `id-3`\n\n\nThank you\n\nid-4") == (
        "wan",
        "one",
        "id-2",
        "id-3",
        "id-4",
    )
