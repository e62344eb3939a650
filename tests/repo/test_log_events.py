"""docs/logs.md lists what the program logs, and nothing else."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from bot.log_lines import FIELDS
from tests.repo.tree import PROGRAM, modules, text

PAGES = ("docs/logs.md", "docs/zh/logs.md")
LEVELS = {
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
}
LOGGED = {*LEVELS, "log"}
ABOUT_A_DELIVERY = {"delivery_id", "kind", "chat_id", "thread_id", "task", "provider"}
ABOUT_A_TASK = {"task", "provider"}
OTHERS = {"library", "log_lines_lost"}  # of records that are not made by a call of ours
_ROW = re.compile(
    r"^\| `(?P<event>[a-z_]+)` \| (?P<levels>[A-Z, ]+) \| (?P<fields>[^|]*) \| [^|]+ \| [^|]+ \|$", re.M
)


class Line(NamedTuple):
    """What a call of the logger says."""

    place: str
    event: str
    levels: frozenset[str]  # without DEBUG; empty: at DEBUG only
    fields: frozenset[str]


def _levels(call: ast.Call) -> frozenset[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name in LEVELS:
        return frozenset({LEVELS[name]})
    found = {node.attr for node in ast.walk(call.args[0]) if isinstance(node, ast.Attribute)}
    return frozenset(found & set(LEVELS.values()))


def _event(extra: ast.expr, place: str) -> tuple[str, frozenset[str]]:
    """The event and the fields in the `extra` of a call."""
    for node in ast.walk(extra):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "log_fields":
            about, event = node.args
            assert isinstance(event, ast.Constant), f"{place}: the event must be written there"
            implied = {"None": set[str](), "task": ABOUT_A_TASK}.get(ast.unparse(about), ABOUT_A_DELIVERY)
            return str(event.value), frozenset(implied | {each.arg for each in node.keywords if each.arg})
        if isinstance(node, ast.Dict):
            keys = [ast.literal_eval(key) for key in node.keys if key is not None]
            if "event" in keys:
                event = node.values[keys.index("event")]
                return str(ast.literal_eval(event)), frozenset(keys) - {"event"}
    pytest.fail(f"{place}: a line without an event")


def _calls() -> Iterator[Line]:
    for name, module in modules(*PROGRAM):
        for node in ast.walk(module):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value) != "log" or node.func.attr not in LOGGED:
                continue
            place = f"{name}:{node.lineno}"
            extra = next((each.value for each in node.keywords if each.arg == "extra"), None)
            assert extra is not None, f"{place}: a line without an event"
            levels = _levels(node)
            assert levels, f"{place}: a level that is not known"
            if given := _given_events(module, node, extra):
                yield from (Line(place, event, levels, frozenset()) for event in given)
                continue
            event, fields = _event(extra, place)
            yield Line(place, event, levels, fields)


def _given_events(module: ast.Module, log_call: ast.Call, extra: ast.expr) -> list[str]:
    """The events that the callers of a function name that logs with its parameter `event`."""
    if not any(isinstance(node, ast.Name) and node.id == "event" for node in ast.walk(extra)):
        return []
    [function] = [
        node for node in ast.walk(module) if isinstance(node, ast.FunctionDef) and log_call in ast.walk(node)
    ]
    names = [each.arg for each in function.args.args if each.arg != "self"]
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[names.index("event")])
        for call in calls
        if ast.unparse(call.func).rpartition(".")[2] == function.name
    ]


def _documented(page: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    return {
        row["event"]: (
            frozenset(row["levels"].split(", ")),
            frozenset(re.findall(r"`([a-z_]+)`", row["fields"])),
        )
        for row in _ROW.finditer(text(page))
    }


@pytest.fixture(scope="module")
def logged() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for line in _calls():
        levels, fields = found.get(line.event, (frozenset(), frozenset()))
        found[line.event] = levels | line.levels, fields | line.fields
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_event_of_the_code_is_in_the_table_with_its_levels_and_fields_and_no_other(
    logged: dict[str, tuple[frozenset[str], frozenset[str]]], page: str
):
    documented = _documented(page)
    assert {event: row for event, row in documented.items() if event not in OTHERS} == logged
    assert documented.keys() >= OTHERS


@pytest.mark.parametrize("page", PAGES)
def test_every_field_is_explained(page: str):
    explained = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| [^|]+ \|$", text(page), re.M)
    names = {name for cell in explained for name in re.findall(r"`([a-z_]+)`", cell)}
    assert names >= {*FIELDS, "time", "level", "event", "message", "logger", "exception"}


def test_every_warning_has_something_to_do():
    for row in _ROW.finditer(text(PAGES[0])):
        if row["levels"] != "INFO":
            assert row[0].split("|")[-2].strip() not in {"", "–"}, row["event"]
