"""Reading .env."""

from pathlib import Path

import pytest

from bot.env_file import read_env_file


def test_a_missing_file_has_no_values(tmp_path: Path):
    assert read_env_file(tmp_path / ".env") == ({}, [])


def test_values_of_the_lines_that_can_be_parsed_are_read(tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text('\ufeffA=1\n\nB=\'2\nexport C="3"\nD\n', encoding="utf-8")

    values, mistakes = read_env_file(path)

    assert values == {"A": "1", "C": "3"}
    assert mistakes == [
        f"Line 3 of {path} cannot be parsed: check its quotes.",
        f"Line 5 of {path} has no '='.",
    ]


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"\xff\xfe")

    with pytest.raises(UnicodeDecodeError):
        read_env_file(tmp_path / ".env")
