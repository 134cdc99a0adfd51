"""A study's copies of its sources."""

import hashlib
import importlib
import sys
from pathlib import Path

import pytest

from pipeline.study.copies import Copies, as_before, forget_copies
from pipeline.study.recorded_copies import RecordedCopies

pytestmark = pytest.mark.usefixtures("own_modules")


def _copies(folder: Path, originals: Path | None = None, **sources: str) -> Copies:
    """Copies of modules by name, `__` for a dot; the first one is a function's."""
    modules = {}
    for name, source in sources.items():
        module = name.replace("__", ".")
        package = any(other != name and other.startswith(f"{name}__") for other in sources)
        path = module.replace(".", "/") + ("/__init__.py" if package else ".py")
        for place in (folder, *([originals] if originals else [])):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(source)
        modules[module] = {"path": path, "sha256": hashlib.sha256(source.encode()).hexdigest()}
    first = next(iter(modules))
    job = {"model": {"function": f"{first}:f", "sha256": modules[first]["sha256"]}}
    return Copies(folder, job, RecordedCopies({"folders": [str(originals)] if originals else [], "modules": modules}))


def test_copies_import_each_other(tmp_path: Path) -> None:
    """While copies are installed, they are imported by their modules' names, also from other copies."""
    copies = _copies(tmp_path, copied_one="def value():\n import copied_two\n return copied_two.V", copied_two="V = 3")
    copies.install()
    one = importlib.import_module("copied_one")
    assert one.value() == 3
    forget_copies()
    assert copies not in sys.meta_path
    assert "copied_two" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("copied_two")


def test_packages_are_imported_from_copies(tmp_path: Path) -> None:
    """Packages with and without __init__, and their relative imports, are imported from copies, and no other files."""
    copies = _copies(
        tmp_path,
        copied_job="from copied_pack.deep import VALUE\nfrom copied_bare.inner import OTHER",
        copied_pack="",
        copied_pack__deep="from . import near\nVALUE = near.VALUE",
        copied_pack__near="VALUE = 4",
        copied_bare__inner="OTHER = 5",
    )
    for folder in ("copied_pack", "copied_bare"):
        (tmp_path / folder / "foreign.py").write_text("raise SystemExit('ran')")
    copies.install()
    job = importlib.import_module("copied_job")
    assert (job.VALUE, job.OTHER) == (4, 5)
    for name in ("copied_pack.foreign", "copied_bare.foreign"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def test_a_changed_copy_is_not_imported(tmp_path: Path) -> None:
    """A changed copy is neither imported nor run when another copy imports it."""
    copies = _copies(tmp_path, copied_one="import copied_two", copied_two="VALUE = 3")
    (tmp_path / "copied_two.py").write_text("raise SystemExit('ran')")
    copies.install()
    with pytest.raises(ValueError, match="has changed since the study was saved: restore it"):
        importlib.import_module("copied_one")


def test_a_file_without_a_digest_is_no_copy(tmp_path: Path) -> None:
    """A file that study.json does not name is not used as a copy."""
    copies = _copies(tmp_path, copied_one="")
    (tmp_path / "copied_two.py").write_text("")
    assert copies.path("copied_one") == tmp_path / "copied_one.py"
    assert copies.path("copied_two") is None


def test_an_unchanged_original_is_used(tmp_path: Path) -> None:
    """An unchanged original is used, so that it finds the files in its folder; changed modules are copies."""
    mine, source = tmp_path / "mine", tmp_path / "source"
    copies = _copies(source, mine, copied_job="", copied_same="", copied_changed="VALUE = 1")
    (mine / "copied_changed.py").write_text("VALUE = 2")
    copies.install()
    places = [
        Path(str(importlib.import_module(f"copied_{name}").__file__)).parent for name in ("job", "same", "changed")
    ]
    assert places == [source, mine, source]
    assert importlib.import_module("copied_changed").VALUE == 1


def test_a_copy_that_reads_next_to_itself_has_the_path_of_the_users_file(tmp_path: Path) -> None:
    """A copy that uses `__file__` gets the user's path, unless a data file in no folder is as the study's copy."""
    mine, other, source = tmp_path / "mine", tmp_path / "other", tmp_path / "source"
    _copies(source, mine, copied_job="", copied_one="PLACE = __file__", copied_two="PLACE = __file__ + ''")
    (mine / "copied_one.py").write_text("PLACE = None")
    other.mkdir()
    (other / "words.txt").write_text("word")
    modules = {
        name: {"path": f"{name}.py", "sha256": hashlib.sha256((source / f"{name}.py").read_bytes()).hexdigest()}
        for name in ("copied_job", "copied_one", "copied_two")
    }
    places = []
    for words in ("word", "other"):
        files = {"words.txt": hashlib.sha256(words.encode()).hexdigest()}
        Copies(
            source, {}, RecordedCopies({"folders": [str(mine), str(other)], "modules": modules, "files": files})
        ).install()
        places.append(importlib.import_module("copied_one").PLACE)
        forget_copies()
    assert places == [str(mine / "copied_one.py"), str(source / "copied_one.py")]


def test_another_version_that_is_loaded_makes_place_and_comes_back(tmp_path: Path) -> None:
    """A study's code does not get loaded modules of the same names, which are restored afterwards."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "copied_two.py").write_text("VALUE = 2")
    sys.path.insert(0, str(mine))
    try:
        new = importlib.import_module("copied_two")
    finally:
        sys.path.remove(str(mine))
    copies = _copies(tmp_path / "source", copied_one="", copied_two="VALUE = 1")
    assert not copies.loaded_modules_match()
    with as_before():
        copies.install()
        assert importlib.import_module("copied_two").VALUE == 1
    assert sys.modules["copied_two"] is new
