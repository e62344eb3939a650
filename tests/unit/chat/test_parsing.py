import time

import pytest

from bot.chat.parsing import TypedCommand, typed_commands


def typed(text: str, *, is_addressed: bool = True) -> tuple[TypedCommand, ...]:
    return typed_commands(text, bot_name="reelwatch_bot", is_addressed=is_addressed)


def words(text: str) -> tuple[str, ...]:
    (command,) = typed(text)
    return command.arguments


def left_out(text: str) -> tuple[str, ...]:
    (command,) = typed(text)
    return command.left_out


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
        ("/watch\n\nwan id-1", ("wan", "id-1")),
        ("/watch, wan id-1", ("wan", "id-1")),
        ("/watch wan id-1，id-2、id-3；id-4", ("wan", "id-1", "id-2", "id-3", "id-4")),
        ("/watch wan：id-1。", ("wan", "id-1")),
        ("/watch：wan id-1", ("wan", "id-1")),
        ("/watch wan\u3000id-1\u00a0id-2", ("wan", "id-1", "id-2")),
        ("/watch wan\r\nid-1\u2028id-2", ("wan", "id-1", "id-2")),
    ],
)
def test_arguments_are_separated_by_white_space_and_commas(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    "quoted",
    ["`id-1`", "<id-1>", "'id-1'", '"id-1"', "“id-1”", "「id-1」", "(id-1)", "（id-1）", "【id-1】"],
)
def test_punctuation_around_an_id_is_ignored(quoted):
    assert words(f"/watch wan {quoted}") == ("wan", "id-1")


@pytest.mark.parametrize("end", [".", "。", "｡", "．", "!", "！", "?", "？", ":", ").", "`.", "”。"])
def test_punctuation_at_the_end_is_not_part_of_an_id(end):
    assert words(f"/watch wan id-1{end}") == ("wan", "id-1")


@pytest.mark.parametrize(
    "mark",
    list("\u200b\u200c\u200d\u202a\u202e\u2066\u2069\u00ad\ufe0f\ufeff\u2060\u180e\u061c\u034f\U000e0101"),
)
def test_invisible_characters_are_removed(mark):
    assert words(f"{mark}/wa{mark}tch wan{mark} {mark}i{mark}d-1{mark}") == ("wan", "id-1")


def test_full_width_letters_are_normalized():
    assert words("／ｗａｔｃｈ　ｗａｎ　ｉｄ－１２＿ａ．ｂ") == ("wan", "id-12_a.b")


@pytest.mark.parametrize("hyphen", ["\u2010", "\u2011", "\u2212", "－"])
def test_other_dashes_are_read_as_hyphens(hyphen):
    assert words(f"/watch wan id{hyphen}1") == ("wan", "id-1")


@pytest.mark.parametrize("cut", ["abc...", "abc..", "abc…", "`abc…`"])
def test_a_truncated_id_is_recognized(cut):
    assert words(f"/watch wan {cut}") == ("wan", "abc…")


def test_list_markers_are_not_ids():
    assert words("/watch wan\n1. id-1\n2) id-2\n• id-3\n- id-4\n5") == (
        "wan",
        "id-1",
        "id-2",
        "id-3",
        "id-4",
        "5",
    )


def test_duplicates_are_removed():
    assert words("/watch wan id-1 ID-1 `id-1` wan") == ("wan", "id-1", "ID-1")


def test_characters_of_ids_are_kept():
    assert words("/watch wan .a_b:c=d+e-f=") == ("wan", ".a_b:c=d+e-f=")


def test_a_single_punctuation_mark_is_no_argument():
    assert words("/watch wan `` , <>") == ("wan",)


@pytest.mark.parametrize(
    "footer",
    [
        "This message was sent automatically with n8n",
        "this message was sent automatically with n8n (https://n8n.io/?utm_source=n8n-internal)",
        "Sent from my iPhone",
        "Sent via Make",
    ],
)
def test_signatures_of_programs_and_phones_are_ignored(footer):
    assert typed(f"/watch wan an-id\nanother\n\n{footer}") == (
        TypedCommand(name="watch", arguments=("wan", "an-id", "another")),
    )


@pytest.mark.parametrize("prose", ["See task 7", "Thanks!", "also id-2 please"])
def test_a_paragraph_without_ids_is_reported(prose):
    assert words(f"/watch wan an-id\n\n{prose}") == ("wan", "an-id")
    assert left_out(f"/watch wan an-id\n\n{prose}") == (prose,)


def test_ids_may_be_in_separate_paragraphs():
    text = "/watch wan one\n \nid-2, `id-3`\n\n\nThank you\n\nid-4"
    assert words(text) == ("wan", "one", "id-2", "id-3", "id-4")
    assert left_out(text) == ("Thank you",)


def test_a_slash_at_the_start_of_a_line_starts_a_command():
    assert typed("/watch wan id-1\n/WATCH mine id-2\n\n  /tasks\n/status@Reelwatch_Bot") == (
        TypedCommand(name="watch", arguments=("wan", "id-1")),
        TypedCommand(name="watch", arguments=("mine", "id-2")),
        TypedCommand(name="tasks"),
        TypedCommand(name="status"),
    )


def test_text_after_another_bots_command_is_ignored():
    assert typed("/watch wan id-1\n/watch@other_bot mine id-2") == (
        TypedCommand(name="watch", arguments=("wan", "id-1")),
    )


def test_a_path_is_no_command():
    assert words("/watch wan id-1\n/alibailian/api/v1/tasks/2") == (
        "wan",
        "id-1",
        "/alibailian/api/v1/tasks/2",
    )


@pytest.mark.parametrize(("is_addressed", "count"), [(True, 1), (False, 0)])
def test_prose_before_the_first_command_hides_it_only_from_groups(is_addressed, count):
    assert len(typed("Please:\n/watch wan id-1", is_addressed=is_addressed)) == count


@pytest.mark.parametrize("text", ["", "hello", "a /watch wan id-1", "//watch wan id-1", "/watch.me"])
def test_other_text_contains_no_command(text):
    assert typed(text) == ()


def test_long_runs_of_punctuation_are_parsed_quickly():
    began = time.process_time()
    typed("/watch wan a" + "!" * 20_000)
    assert time.process_time() - began < 0.5
