"""Reads secrets from files of their own: NAME_FILE in place of NAME, for Docker's and systemd's secrets."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

SUFFIX = "_file"
MOST = 4096  # bytes; no secret is longer


def with_secrets_from_files(
    texts: Mapping[str, str], is_secret: Callable[[str], bool]
) -> tuple[dict[str, str], list[str]]:
    """Add the name of each secret that is given as a file, and a mistake for each file that can't be used.

    texts: by lower-case names. A secret whose file can't be used gets an empty text. No mistake shows what
    NAME_FILE was set to, as people put the secret itself there.
    """
    found, mistakes = dict(texts), []
    for name in texts:
        secret = name.removesuffix(SUFFIX)
        if secret == name or not is_secret(secret):
            continue
        if secret in texts:
            mistakes.append(f"{secret.upper()} and {name.upper()} are both set: remove one.")
            continue
        try:
            found[secret] = _content(Path(texts[name]))
        except ValueError as mistake:
            found[secret] = ""
            mistakes.append(f"{name.upper()} {mistake}.")
    return found, mistakes


def _content(path: Path) -> str:
    """The file's text without the spaces and line ends around it; the ValueError continues a sentence."""
    try:
        kind = path.stat().st_mode
        # Opening a pipe waits for its writer.
        content = _beginning(path) if stat.S_ISREG(kind) else b""
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError("names a file that does not exist") from None
    except PermissionError:
        raise ValueError(f"names a file that user {os.geteuid()} may not read") from None
    except (OSError, ValueError):  # ValueError: a NUL in the path
        raise ValueError("names a file that cannot be read") from None
    if not stat.S_ISREG(kind):
        raise ValueError(f"names {'a folder' if stat.S_ISDIR(kind) else 'a device or pipe'}, not a file")
    if len(content) > MOST:
        raise ValueError(f"names a file of more than {MOST} bytes, which holds no secret")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError("names a file that is not UTF-8 text") from None
    if not text:
        raise ValueError("names an empty file")
    if len(text.splitlines()) > 1:
        raise ValueError("names a file of several lines; it may hold nothing but the secret")
    if not text.isprintable():
        raise ValueError("names a file that is not text")
    return text


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST + 1)
