"""Snapshots of a job's code, and the study's code in another process."""

import importlib.util
import os
import sys

import pytest

from pipeline.code.functions import UnloadedFunction, digest_of, origin, reference_to
from pipeline.code.modules import load_module
from pipeline.code.snapshot import Copies, Recorded, as_before, imported_code, snapshot_of, snapshot_of_file
from pipeline.errors import StorageError

JOB = """
import helper
from pathlib import Path

HERE = Path(__file__).parent


def f(config):
    import lazy

    return helper.K, lazy.K
"""
FILES = {"a_job.py": JOB, "helper.py": "K = 1", "lazy.py": "K = 2", "sub/mod.py": "K = 3", "words.txt": "word"}


def taken(folder, name="a_job.py"):
    function = load_module(folder / name).f
    snapshot = snapshot_of([function])
    files = {path: digest_of(text) for path, text in snapshot.files.items()}
    recorded = Recorded.read({"roots": [*map(str, snapshot.roots)], "files": files})
    return function, snapshot, recorded


def elsewhere():
    """Like a new process."""
    for name in ("a_job", "helper", "lazy", "sub", "sub.mod"):
        sys.modules.pop(name, None)


def loaded(recorded, files):
    copies = Copies(recorded, files.__getitem__)
    module = copies.module("a_job", {"function": "a_job:f", "sha256": recorded.files["a_job.py"]})
    return module.f


def test_a_snapshot_has_the_folders_files_but_no_links_hidden_or_ignored_ones(write, tmp_path):
    others = ("ignored/x.py", "a.log", "venv/x.py", "env/pyvenv.cfg", "env/lib/x.py", "studies/s/sessions/0001.json")
    others += ("__pycache__/x.pyc", "e/winner.json", "e/m.h5", *(f"pets/{n}.txt" for n in range(150)))
    others += ("conda/conda-meta/history", "conda/x.py", "site-packages/x.py", os.fsdecode(b"caf\xe9.txt"))
    kept = {".env": "secret", ".gitignore": "ignored/\n!\n[z-a]\n*.log", "studies/s/study.json": "{}"}
    folder = write({**FILES, **kept, **dict.fromkeys(others, "")})
    (folder / "link.txt").symlink_to(tmp_path)
    (folder / "large.bin").write_bytes(b"x" * 2_000_000)
    _, snapshot, _ = taken(folder)
    assert snapshot.files.keys() == FILES.keys()
    assert snapshot.roots == (folder,)
    assert set(snapshot.left_out) == {"pets/", "large.bin"}
    assert str(snapshot).startswith("a_job.py, helper.py, lazy.py")
    assert next(iter(snapshot_of_file(folder / "a_job.py").files)) == "a_job.py"
    assert snapshot_of_file(folder / "a_job.py", limit=0).files.keys() == {"a_job.py", "helper.py"}


def test_the_code_that_functions_import_is_known_without_its_comments(write):
    folder = write(FILES)
    before = imported_code([function := taken(folder)[0]])
    for text, same in (("K = 1  # one", True), ("K = 2", False)):
        (folder / "helper.py").write_text(text)
        assert (imported_code([function]) == before, before.keys()) == (same, {"a_job.py", "helper.py"})


def test_a_module_whose_import_is_postponed_is_not_loaded(write, monkeypatch):
    spec = importlib.util.find_spec("colorsys")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    monkeypatch.setitem(sys.modules, "colorsys", module := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    _, snapshot, recorded = taken(write(FILES))
    elsewhere()
    loaded(recorded, snapshot.files)
    assert type(module).__name__ == "_LazyModule"


def test_a_study_s_code_runs_in_the_users_folder_while_that_has_it(write):
    folder = write({**FILES, "pets/cat.txt": "cat"})
    _, snapshot, recorded = taken(folder)
    elsewhere()
    (folder / "words.txt").write_text("another word")
    function = loaded(recorded, snapshot.files)
    assert function({}) == (1, 2)
    assert origin(function).home["HERE"] == folder


@pytest.mark.parametrize("path", ["helper.py", "lazy.py", "a_job.py"])
def test_with_other_code_there_the_copies_run(path, write):
    folder = write(FILES)
    _, snapshot, recorded = taken(folder)
    elsewhere()
    (folder / path).write_text("raise ValueError")
    with as_before():
        function = loaded(recorded, snapshot.files)
        assert function({}) == (1, 2)
        here = origin(function).home["HERE"]
        assert here != folder
        assert (here / "words.txt").read_text() == "word"
        assert snapshot_of([function]).files == {}
    assert str(here) not in sys.path
    assert not any(str(here) in str(getattr(module, "__file__", "")) for module in list(sys.modules.values()))


def test_a_loaded_module_of_the_same_name_is_replaced_and_comes_back(write):
    _, snapshot, recorded = taken(write(FILES))
    elsewhere()
    other = load_module(write({"a_job.py": "import helper", "helper.py": "K = 9"}, "other") / "a_job.py")
    with as_before():
        assert loaded(recorded, snapshot.files)({}) == (1, 2)
    assert sys.modules["a_job"] is other
    assert sys.modules["helper"].K == 9


def test_a_library_stays_loaded_whose_name_a_file_of_the_project_has(write):
    _, snapshot, recorded = taken(write({**FILES, "pytest.py": ""}))
    elsewhere()
    assert loaded(recorded, snapshot.files)({}) == (1, 2)
    assert sys.modules["pytest"] is pytest


@pytest.mark.parametrize("path", [None, "a_job.py", "lazy.py"])
def test_without_the_folder_the_copies_are_enough_unless_they_have_other_content(path, write, tmp_path):
    # Copies that this process has checked and written are used again.
    folder = write({**FILES, "words.txt": str(path)})
    _, snapshot, recorded = taken(folder)
    elsewhere()
    folder.rename(tmp_path / "gone")
    if path is None:
        assert loaded(recorded, snapshot.files)({}) == (1, 2)
        return
    files = {**snapshot.files, path: f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode() + snapshot.files[path]}
    with pytest.raises(ValueError, match=path):
        loaded(recorded, files)
    assert not (tmp_path / "ran").exists()


def test_only_what_is_loaded_counts_as_changed_code(write):
    folder = write(FILES)
    first, snapshot, recorded = taken(folder)
    saved, copies = UnloadedFunction(reference_to(first)), Copies(recorded, snapshot.files.__getitem__)
    elsewhere()
    for path in ("helper.py", "lazy.py", "words.txt"):
        (folder / path).write_text((folder / path).read_text() + "\nMORE = 1")
    function = load_module(folder / "a_job.py").f
    assert copies.changed_imports([function]) == {"helper.py": folder / "helper.py"}
    assert copies.same_code(saved, function)
    (folder / "helper.py").write_text("# a comment\nK = 1\n")
    assert copies.changed_imports([function]) == {}
    renamed = load_module(write({"renamed.py": f"# a comment\n{JOB}\n\n"}) / "renamed.py").f
    assert copies.same_code(saved, renamed)
    other = load_module(write({"renamed.py": JOB.replace("helper.K", "2")}) / "renamed.py").f
    assert not copies.same_code(saved, other)


def test_the_arguments_of_a_job_are_compared_as_its_fields(write):
    job = "def f(config): pass\ndef TuneJob(**_): pass\nJOB = TuneJob(function=f, epochs={}, build=lambda config: {})"
    first, snapshot, recorded = taken(write({"a_job.py": job.format(2, 3)}))
    saved, copies = UnloadedFunction(reference_to(first)), Copies(recorded, snapshot.files.__getitem__)
    for numbers, same in (((4, 3), True), ((2, 5), False)):
        now = load_module(write({"a_job.py": job.format(*numbers)}) / "a_job.py").f
        assert copies.same_code(saved, now) is same


@pytest.mark.parametrize("value", [
    [],
    {"roots": "x"},
    {"roots": [], "files": {"../x.py": "0"}},
    {"roots": [1], "files": {}},
    {"roots": ["\0"], "files": {}},
])  # fmt: skip
def test_records_that_tunepipe_did_not_write_are_refused(value):
    with pytest.raises(StorageError):
        Recorded.read(value)
