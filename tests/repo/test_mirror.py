"""The tests stand where the code stands."""

from tests.repo.tree import ROOT, files

UNIT = ROOT / "tests" / "unit"


def test_every_unit_test_is_named_after_a_module_or_a_package():
    strays = []
    for path in files(UNIT):
        if not path.name.startswith("test_"):
            continue
        room = path.relative_to(UNIT).parent
        folder = ROOT / room if room.parts[:1] == ("storage",) else ROOT / "bot" / room
        subject = folder / path.stem.removeprefix("test_")
        if not (subject.is_dir() or subject.with_suffix(".py").exists()):
            strays.append(str(path.relative_to(ROOT)))

    assert strays == []
