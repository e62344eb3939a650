import pytest

from bot.messages.views import replies
from bot.messages.views.replies import Configured
from tests.unit.messages.reading import visible

NAMES = ("alibailian", "newapi")
EXAMPLE_IDS = {"alibailian": "86ecf553-d340-4e21-af6e-a0c6a421c010", "newapi": "task_1"}
EXAMPLE = "/watch alibailian 86ecf553-d340-4e21-af6e-a0c6a421c010"


def test_help_shows_an_example_of_what_is_configured():
    text = visible(replies.help_text(EXAMPLE_IDS, language="en").text)
    assert EXAMPLE in text.split("\n")
    assert all(
        f"/{command} – " in text
        for command in ("tasks", "history", "status", "unwatch", "settings", "providers")
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_providers_every_reply_names_the_missing_setting(language):
    for view in (
        replies.help_text({}, language=language),
        replies.providers((), language=language),
        replies.with_example("watch.usage", (), language=language),
        replies.not_configured("jimeng", (), language=language),
        replies.unknown_provider("x", (), language=language),
    ):
        assert "GATEWAY_BASE_URL" in view.text


def test_providers_shows_names_kinds_hosts_and_aliases():
    configured = [
        Configured(name="alibailian", kind="alibailian", host="gw.example", also_typed=("wan", "bailian")),
        Configured(name="mine", kind="videos", host="other.example:8443", also_typed=()),
    ]
    assert visible(replies.providers(configured, language="en").text).split("\n") == [
        "Configured here:",
        "alibailian · gw.example · or wan, bailian",
        "mine · videos · other.example:8443",
    ]


def test_a_user_without_access_gets_the_id_for_allowed_chats():
    private = replies.not_allowed(42, is_private=True, language="en").text
    group = replies.not_allowed(-1001, is_private=False, language="zh").text
    assert "your id <code>42</code> to ALLOWED_CHATS" in private
    assert "<code>-1001</code>" in group
    assert "ALLOWED_CHATS" in group


def test_invalid_ids_are_listed_together():
    one = visible(replies.bad_ids(["a/b"], language="en").text)
    two = visible(replies.bad_ids(["a/b", "<x>"], language="en").text)
    assert one.startswith("This isn't a task id: a/b.")
    assert two.startswith("These aren't task ids: a/b, <x>.")


def test_an_unknown_provider_is_answered_with_the_known_ones():
    text = visible(replies.unknown_provider("<soar>", NAMES, language="en").text)
    assert text == (f"“<soar>” isn't a provider here. Configured: alibailian, newapi. For example: {EXAMPLE}")


def test_an_ambiguous_name_is_answered_with_the_candidates():
    text = visible(replies.several_fit("wan", ("a", "b"), language="en").text)
    assert "a, b" in text
    assert "/watch a " in text


def test_of_several_tasks_one_must_be_named():
    text = visible(replies.which_one(["id-1", "id-2"], command="status", language="en").text)
    assert text == "2 tasks are being watched here. Which one? For example: /status id-1"


def test_a_command_to_copy_holds_the_whole_of_the_longest_id():
    text = visible(replies.which_one(["i" * 512, "id-2"], command="status", language="en").text)
    assert text.endswith("/status " + "i" * 512)
