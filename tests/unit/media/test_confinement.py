"""What a process of its own can still do once it is confined."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.media.confinement import __file__ as confinement_file

ROOT = Path(confinement_file).parents[2]


def said(program: str) -> str:
    """What a program prints that finds the module under its name."""
    return subprocess.run(
        [sys.executable, "-c", f"from bot.media import confinement\n{program}"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()


def test_a_hidden_process_is_not_to_be_read_by_its_user_s_other_processes():
    program = "import ctypes\nconfinement.hide()\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"

    assert said(program) == "0"


def test_outside_of_the_network_nothing_is_to_be_reached_or_the_system_forbids_to_leave():
    program = (
        "import os\n"
        "before = os.readlink('/proc/self/ns/net')\n"
        "confinement.leave_the_network()\n"
        "print(before != os.readlink('/proc/self/ns/net'), len(open('/proc/net/dev').readlines()) - 2)"
    )
    left, interfaces = said(program).split()

    assert left == "False" or interfaces == "1"
    if os.geteuid() == 0 and left == "False":
        pytest.skip("the system forbids it")


def test_a_bounded_process_writes_no_more_than_it_may():
    program = (
        "import tempfile\n"
        "confinement.bound(file_size=1000)\n"
        "with tempfile.TemporaryFile(buffering=0) as file:\n"
        "    try:\n"
        "        while file.write(bytes(1 << 16)):\n"
        "            pass\n"
        "    except OSError:\n"
        "        print(file.tell())"
    )

    assert int(said(program)) == 1000 + (1 << 20)


@pytest.mark.parametrize("attempt", ["bytearray(1 << 30)", "[open('/dev/null') for _ in range(50)]"])
def test_a_bounded_process_gets_neither_more_memory_nor_more_files(attempt: str):
    program = (
        "confinement.bound(file_size=0)\n"
        f"try:\n    {attempt}\n"
        "except (MemoryError, OSError):\n    print('no')"
    )

    assert said(program) == "no"
