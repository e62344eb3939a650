"""python .github/release_notes.py v1.2.3: print the CHANGELOG's section of this version.

Ends with 1 and a sentence if the tag, the program's version and the CHANGELOG do not agree.
"""

import re
import sys
from pathlib import Path


def notes_of(tag: str) -> str:
    """The section's text; raises ValueError."""
    source = Path("bot/__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if [tag.removeprefix("v")] != version or not tag.startswith("v"):
        raise ValueError(f"The tag {tag} is not v and the version in bot/__init__.py, {version}.")
    sections = re.split(r"^## ", Path("CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [section for section in sections if section.startswith(f"[{version[0]}] - ")]
    if len(found) != 1 or not (text := found[0].partition("\n")[2].strip()):
        raise ValueError(f"CHANGELOG.md has no text below a line '## [{version[0]}] - date'.")
    return text


if __name__ == "__main__":
    try:
        print(notes_of(sys.argv[1]))
    except ValueError as mistake:
        sys.exit(str(mistake))
