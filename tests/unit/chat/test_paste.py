from bot.chat.paste import read_paste
from bot.providers.registry import id_formats


def test_words_are_those_between_blanks_and_signs():
    paste = read_paste("用wan跑的: sora, https://veo.example/jimeng/fetch/1 (Mine) x2", id_formats())
    assert {"wan", "sora", "mine"} <= paste.words
    assert paste.words.isdisjoint({"veo", "jimeng"})


def test_full_width_letters_are_read():
    paste = read_paste("ＩＤ：ｃｇｔ-20260725165122-qkwcz", id_formats())
    assert [each.external_id for each in paste.found.ids] == ["cgt-20260725165122-qkwcz"]


def test_a_part_of_an_id_counts_as_one_that_must_be_told():
    assert read_paste("task_LtujSKp…", id_formats()).has_ids
    assert not read_paste("hello", id_formats()).has_ids
