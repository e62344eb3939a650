"""The restrictions of a sandboxed process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.media.confinement import __file__ as confinement_file

ROOT = Path(confinement_file).parents[2]


def printed(program: str) -> str:
    """The output of a program that imports the module."""
    return subprocess.run(
        [sys.executable, "-c", f"from bot.media import confinement\n{program}"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()


def test_a_non_dumpable_process_is_not_readable_by_its_user():
    program = "import ctypes\nconfinement.hide()\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"

    assert printed(program) == "0"


def test_without_a_network_no_address_is_reachable():
    program = (
        "import os\n"
        "before = os.readlink('/proc/self/ns/net')\n"
        "confinement.leave_the_network()\n"
        "print(before != os.readlink('/proc/self/ns/net'), len(open('/proc/net/dev').readlines()) - 2)"
    )
    left, interfaces = printed(program).split()

    assert left == "False" or interfaces == "1"
    if os.geteuid() == 0 and left == "False":
        pytest.skip("the system forbids it")


def test_the_file_size_limit_applies():
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

    assert int(printed(program)) == 1000 + (1 << 20)


@pytest.mark.parametrize("attempt", ["bytearray(1 << 30)", "[open('/dev/null') for _ in range(50)]"])
def test_the_memory_and_file_limits_apply(attempt: str):
    program = (
        "confinement.bound(file_size=0)\n"
        f"try:\n    {attempt}\n"
        "except (MemoryError, OSError):\n    print('no')"
    )

    assert printed(program) == "no"
