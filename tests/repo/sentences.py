"""The sentences with which the program reports trouble, read from its code."""

import ast
import re
from collections.abc import Iterator

from tests.repo.tree import PROGRAM, modules

GAP = "…"  # stands for what is filled in
_FEWEST_WORDS = 3
_LOG_METHODS = {"warning", "error", "exception", "critical"}
_COMPLAINTS = {"_complain", "_log_sentence", "_report"}
_ERRORS = re.compile(r"Store\w+|FileRefused|ImportRefused|OutputFailed|NotBotApi|DrawingFailed")

# Modules of which every text is such a sentence, or a part of one.
_WHOLE = (
    "bot/bot_api/bounds.py",
    "bot/bot_api/socks_transport.py",
    "bot/check.py",
    "bot/check_database.py",
    "bot/config.py",
    "bot/env_file.py",
    "bot/errors.py",
    "bot/file_modes.py",
    "bot/health/states.py",
    "bot/http/probe.py",
    "bot/private_hosts.py",
    "bot/provider_settings.py",
    "bot/proxies/",
    "bot/secret_files.py",
    "bot/setting_fields.py",
    "bot/setting_types.py",
    "bot/webhook_settings.py",
    "storage/export.py",
    "storage/postgres_url.py",
)
_ENDS = (
    "bot/chat/webhook_keeper.py",
    "storage/sqlite/connection.py",
)  # their tables hold the ends of sentences
_CONSTANTS = "storage/sql/stored_fields.py"  # they are the ends of sentences
_NO_SENTENCE = re.compile(r"https?://…\S*|CONNECT … .*|SELECT .*|PRAGMA .*", re.DOTALL)


def sentences() -> set[str]:
    """What the program prints or logs about trouble, in English, with GAP for what is filled in."""
    found: set[str] = set()
    for name, module in modules(*PROGRAM):
        if name.startswith("bot/sandbox/"):
            continue
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                found |= {text for argument in _reported(node) for text in _templates(argument)}
            elif isinstance(node, ast.Dict) and name in _ENDS:
                found |= {text for value in node.values for text in _templates(value)}
            elif isinstance(node, ast.Assign) and name == _CONSTANTS:
                found |= {*_templates(node.value)}
        if name.startswith(_WHOLE):
            found |= set(_all_texts(module))
    return {
        " ".join(text.split())
        for text in found
        if len(text.replace(GAP, " ").split()) >= (2 if text.endswith(".") else _FEWEST_WORDS)
        and not _NO_SENTENCE.fullmatch(text)
    }


def _reported(call: ast.Call) -> list[ast.expr]:
    """The argument of a call that is such a sentence, if any."""
    called = call.func
    if isinstance(called, ast.Attribute) and ast.unparse(called.value) == "log":
        if called.attr == "log" and re.search("WARNING|ERROR", ast.unparse(call.args[0])):
            return call.args[1:2]
        return call.args[:1] if called.attr in _LOG_METHODS else []
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name == "LogRecord":
        return call.args[4:5]
    return call.args[:1] if name in _COMPLAINTS or _ERRORS.fullmatch(name) else []


def _templates(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            yield re.sub(r"%[-\d.]*[a-z]", GAP, text)
        case ast.JoinedStr(values=parts):
            yield "".join(next(_templates(part), GAP) for part in parts)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _templates(body)
            yield from _templates(orelse)


def _all_texts(module: ast.Module) -> Iterator[str]:
    """Every text of a module but docstrings and parts of other texts."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Expr):
            left_out.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            left_out |= {part for value in node.values for part in ast.walk(value)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node not in left_out:
            yield from _templates(node)
