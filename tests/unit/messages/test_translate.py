import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import bot
from bot.messages.translate import CHINESE, ENGLISH, LANGUAGES, catalogue, pick_language, t
from storage.models import Cause, DeliveryState, TaskStatus
from storage.watches import WatchState
from tests.unit.messages.reading import visible

_PLAIN_ENDS = {TaskStatus.SUCCEEDED, TaskStatus.FAILED}  # which have no cause of their own

SOURCES = sorted((Path(bot.__file__).parent).rglob("*.py"))


MESSAGES = [path for path in SOURCES if path.parent.name == "views" or path.name == "lines.py"]

_HALF_WIDTH = re.compile(r"[\u3400-\u9fff”’）] ?[,;:!?()]|[,;:!?()] ?[\u3400-\u9fff“‘（]")
_JOINT = re.compile(r"^[)]|^ ?[,;:!?(] ?$|[,;:!?] $| [(]$|^[,;:!?] ")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def without_plural(key: str) -> str:
    return re.sub(r"\.(one|other)$", "", key)


def keys_in(tree: ast.AST) -> Iterator[str]:
    """Every string of a module that may be a key, as a pattern with anything where a value is put in."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        if isinstance(parts[0], ast.Constant) and re.match(r"[a-z_]+\.", str(parts[0].value)):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in parts
            )


def joints_in(node: ast.AST) -> Iterator[str]:
    """The pieces of text in a module that begin or end with punctuation, beside which something is put."""
    if isinstance(node, ast.FormattedValue):
        yield from joints_in(node.value)  # not its format
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _JOINT.search(node.value):
        yield node.value
    body = node.body if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) else []
    docstrings = [each for each in body[:1] if isinstance(each, ast.Expr)]
    for child in ast.iter_child_nodes(node):
        if child not in docstrings:
            yield from joints_in(child)


def test_chinese_texts_have_full_width_punctuation():
    texts = {key: re.sub(r"<[^>]+>|[{}]", "", text) for key, text in catalogue(CHINESE).items()}
    assert {key: text for key, text in texts.items() if _HALF_WIDTH.search(text)} == {}


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.name)
def test_punctuation_between_texts_comes_from_the_locales(path: Path):
    joints = [*joints_in(ast.parse(path.read_text(encoding="utf-8")))]
    assert joints == ([": "] if path.name == "lines.py" else [])  # between a gateway's code and its own words


def test_both_languages_have_the_same_keys():
    english, chinese = ({without_plural(key) for key in catalogue(language)} for language in LANGUAGES)
    assert english == chinese


@pytest.mark.parametrize("key", sorted(catalogue(CHINESE)))
def test_both_languages_have_the_same_placeholders(key):
    assert placeholders(catalogue(CHINESE)[key]) == placeholders(catalogue(ENGLISH)[key])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_valid_telegram_html(language):
    for key, text in catalogue(language).items():
        assert visible(text) != ""
        assert visible(text).strip() == visible(text) or key.startswith("punctuation.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_status_state_and_cause_has_a_text(language):
    for key in (
        *(f"status.{status}" for status in TaskStatus),
        *(
            f"failed.{cause}.{part}"
            for cause in Cause
            if not (cause.is_redirect or cause is Cause.PROXY)
            for part in ("why", "next")
        ),
        *(f"poll_failure.{cause}" for cause in Cause if not cause.is_task_failure),
        *(f"stats.cause.{cause}" for cause in Cause),
        *(f"stats.cause.{status}" for status in TaskStatus if status.is_final and status not in _PLAIN_ENDS),
        *(f"stats.watch.{state}" for state in WatchState),
        *(f"stats.delivery.{state}" for state in DeliveryState),
    ):
        assert key in catalogue(language)


def test_the_status_texts_are_the_documented_ones():
    words = [t("en", f"status.{status}") for status in TaskStatus]
    assert words == [
        "Queued",
        "Queued",
        "Running",
        "Done",
        "Failed",
        "Cancelled",
        "Expired",
        "Not found",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_claims_that_a_restart_alone_applies_new_settings(language):
    texts = catalogue(language)
    assert [text for text in texts.values() if re.search(r"restart|重启|重新启动", text)] == []
    needing = [key for key, text in texts.items() if re.search(r"ALLOWED_CHATS|GATEWAY_API_KEY", text)]
    for key in ("not_allowed.asked_private", "not_allowed.asked_group", "chats.in_settings"):
        needing.remove(key)  # they ask nobody to change the settings
    for key in [*needing, "notice.key_invalid", "notice.not_configured"]:
        assert "docker compose up -d" in texts[key]


def calls_of_t() -> Iterator[tuple[str, set[str]]]:
    """The key and the names that each call of t() with a plain key gives."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
                key = node.args[1]
                if isinstance(key, ast.Constant):
                    yield str(key.value), {str(keyword.arg) for keyword in node.keywords}


@pytest.mark.parametrize(("key", "names"), sorted(calls_of_t(), key=str))
def test_every_call_names_an_existing_text_and_fills_its_placeholders(key, names):
    text = catalogue(ENGLISH)[f"{key}.other" if "count" in names else key]
    assert placeholders(text) | {"count"} == names | {"count"}


def test_no_text_is_unused():
    found = {key for path in SOURCES for key in keys_in(ast.parse(path.read_text("utf-8")))}
    used = re.compile("|".join(found | {r"stats\.(watch|delivery)\.\w+"}))
    assert [
        key for key in catalogue(ENGLISH) if not (used.fullmatch(key) or used.fullmatch(without_plural(key)))
    ] == []


def test_plural_forms_are_chosen_by_count():
    assert t("en", "tasks.title", count=1) == "Watching 1 task:"
    assert t("en", "tasks.title", count=2) == "Watching 2 tasks:"
    assert t("zh", "tasks.title", count=1) == "正在关注 1 个任务："


def test_an_unsupported_language_falls_back_to_english():
    assert t("eo", "status.running") == "Running"
    assert t("eo", "tasks.title", count=1) == "Watching 1 tasks:"


def test_a_missing_key_raises_an_error():
    with pytest.raises(KeyError, match=r"no\.such"):
        t("en", "no.such")


@pytest.mark.parametrize(
    ("setting", "telegram_code", "chat_language", "expected"),
    [
        ("auto", "zh-hans", None, "zh"),
        ("auto", "zh-TW", "en", "zh"),
        ("auto", "ZH", None, "zh"),
        ("auto", "de", "zh", "en"),
        ("auto", None, "zh", "zh"),
        ("auto", None, None, "en"),
        ("en", "zh", "zh", "en"),
        ("zh", "en", None, "zh"),
    ],
)
def test_the_setting_has_priority_then_the_user_then_the_chat(
    setting, telegram_code, chat_language, expected
):
    assert pick_language(setting, telegram_code, chat_language) == expected
