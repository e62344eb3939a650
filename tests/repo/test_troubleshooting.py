"""The pages about trouble list every sentence that the program can say, and no other."""

import re

import pytest

from bot.messages.limits import without_markup
from bot.messages.translate import CHINESE, ENGLISH, catalogue
from tests.repo.sentences import GAP, sentences
from tests.repo.tree import text

PAGES = {ENGLISH: "docs/troubleshooting.md", CHINESE: "docs/zh/troubleshooting.md"}

# The texts for people that report trouble: whole tables of the locales, and single keys.
TROUBLE = re.compile(
    r"""
    (admin|gateway_problem|link|not_allowed|notice|poll_failure|rights|wrong)\..+
    | failed\.\w+\.why
    | ended\.(cancelled|expired|not_found)
    | access\.(admins_only|already\..+)
    | button\.(not_watched|stale)
    | chats\.(none|private_only|unchanged)
    | health\.(database\..+|gateway|held_up\..+|hung|more|problems\..+|telegram)
    | lookup\.(not_yours|over|unanswered\..+)
    | stall\.(resting|unchanged)
    | result\.(as_file|given_up|not_again|unconfirmed)
    | tasks\.(none|which)
    | watch\.(cut_off\..+|has_key|limit_of_.+|no_id|usage)
    """,
    re.VERBOSE,
)

every_language = pytest.mark.parametrize("language", PAGES)


def printed(page: str) -> list[str]:
    """The program's sentences in a page's lists."""
    found = re.findall(r"^- (?:`` (.+) ``|`([^`]+)`)$", text(page), re.MULTILINE)
    return [with_code or plain for with_code, plain in found]


@every_language
def test_a_page_lists_every_sentence_that_the_program_prints(language: str):
    missing = sorted(sentences() - {*printed(PAGES[language])})

    assert missing == [], f"list each in {PAGES[language]} under what to do about it, with … for what varies"


@every_language
def test_a_page_lists_no_sentence_that_the_program_no_longer_prints(language: str):
    found = printed(PAGES[language])

    assert sorted({*found} - sentences()) == []
    assert len(found) == len({*found})


@every_language
def test_a_page_lists_every_text_about_trouble_in_chats_and_no_other(language: str):
    texts = {
        re.sub(r"\{\w+\}", GAP, without_markup(each))
        for key, each in catalogue(language).items()
        if TROUBLE.fullmatch(key)
    }
    found = re.findall(r"^- “(.+)”$", text(PAGES[language]), re.MULTILINE)

    assert sorted(texts - {*found}) == []
    assert sorted({*found} - texts) == []


@every_language
def test_every_list_says_what_to_do(language: str):
    parts = re.split(r"^###? .+\n", text(PAGES[language]), flags=re.MULTILINE)[1:]
    with_lists = [part.strip() for part in parts if "\n- " in part]

    assert len(with_lists) > 25
    assert [part for part in with_lists if part.rpartition("\n\n")[2].startswith("- ")] == []
