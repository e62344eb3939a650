"""Whether the process runs in a container."""

from pathlib import Path

import pytest

from bot.proxies.container import is_in_container


@pytest.mark.parametrize("name", [".dockerenv", "run/.containerenv"])
def test_the_file_of_a_container_runtime_tells(tmp_path: Path, name: str):
    (tmp_path / "run").mkdir()
    (tmp_path / name).touch()

    assert is_in_container(tmp_path)


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("12:pids:/docker/0123abcd\n", True),
        ("0::/kubepods.slice/kubepods-besteffort.slice\n", True),
        ("0::/machine.slice/libpod-0123.scope\n", True),
        ("0::/init.scope\n", False),
        ("0::/\n", False),
    ],
)
def test_the_first_processs_group_tells(tmp_path: Path, cgroup: str, *, expected: bool):
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/cgroup").write_text(cgroup)

    assert is_in_container(tmp_path) is expected


def test_a_machine_without_any_of_these_is_none(tmp_path: Path):
    assert not is_in_container(tmp_path)
