"""The source files of a job."""

import importlib
import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.errors import StudyChanged
from pipeline.execution.driver.resumed_job import reconciled
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study, save_study
from pipeline.study.contents import contents
from pipeline.study.files import recorded_sources
from pipeline.study.load_module import load_module
from pipeline.study.sources import Sources, sources_of, sources_of_file

pytestmark = pytest.mark.usefixtures("own_modules")

JOB = """
from pipeline.study import Objective, TuneJob
{top}
def steps(config):
    {within}
    yield {{"v": 1.0}}

JOB = TuneJob(name="a", function=steps, space={{}}, objectives=Objective("v", "max"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job's folder with modules, packages, installed modules and data next to the job."""
    for path, text in {
        "mod_one.py": "import mod_two\nimport numpy, json",
        "mod_two.py": "def f():\n    from mod_three import x",
        "mod_three.py": "import mod_one\nx = 1",
        "mod_unused.py": "1 / 0",
        "pack_a/__init__.py": "from .inner import *",
        "pack_a/inner/__init__.py": "__all__ = ['deep']",
        "pack_a/inner/deep.py": "from ... import nothing\nfrom .. import beside\nfrom ..beside import y",
        "pack_a/beside.py": "y = 1",
        "pack_a/unused.py": "1 / 0",
        "bare_b/leaf.py": "x = 1",
        "json.py": "1 / 0",
        "numpy_data/data.csv": "1,2",
        ".venv/lib/python3/site-packages/lib_c.py": "x = 1",
        "rows.csv": "1,2",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def sources_in(folder: Path, top: str = "", within: str = "pass", name: str = "the_job.py") -> Sources:
    """The sources of a job that imports at its top, and within its function."""
    (folder / name).write_text(JOB.format(top=top, within=within))
    job: TuneJob = load_module(folder / name).JOB
    return sources_of(job)


def paths(sources: Sources) -> list[str]:
    """The paths of the copies."""
    return sorted(file.path for file in sources.files)


@pytest.mark.parametrize("where", ["top", "within"])
@pytest.mark.parametrize(
    ("statement", "copied"),
    [
        ("import mod_one", ["mod_one.py", "mod_three.py", "mod_two.py"]),
        ("from mod_three import x", ["mod_one.py", "mod_three.py", "mod_two.py"]),
        (
            "import pack_a",
            ["pack_a/__init__.py", "pack_a/beside.py", "pack_a/inner/__init__.py", "pack_a/inner/deep.py"],
        ),
        ("from pack_a import beside", ["pack_a/__init__.py", "pack_a/beside.py", *[
            "pack_a/inner/__init__.py", "pack_a/inner/deep.py"]]),
        ("from bare_b import leaf", ["bare_b/leaf.py"]),
        ("import bare_b.leaf as b", ["bare_b/leaf.py"]),
        ("import importlib; importlib.import_module('bare_b.leaf')", ["bare_b/leaf.py"]),
        ("import json, numpy, pipeline, tune_jobs", []),
        ("import numpy_data", []),
    ],
)  # fmt: skip
def test_modules_that_a_job_imports_from_its_folder_are_found(
    folder: Path, where: str, statement: str, copied: list[str]
) -> None:
    """Modules and packages are found with their own imports; installed packages and data are not."""
    if "pack_a" in statement and where == "top":
        (folder / "pack_a/inner/deep.py").write_text("from .. import beside\nfrom ..beside import y")
    assert paths(sources_in(folder, **{where: statement})) == sorted(["the_job.py", *copied])


def test_sources_are_found_without_running_them(folder: Path) -> None:
    """A module imported only within a function is read without being imported."""
    (folder / "mod_one.py").write_text("raise SystemExit('ran')")
    assert paths(sources_in(folder, within="import mod_one")) == ["mod_one.py", "the_job.py"]
    assert "mod_one" not in sys.modules


def test_loaded_modules_are_found_where_they_were_loaded(folder: Path) -> None:
    """A module in a folder that the job adds to sys.path is found there under its imported name."""
    (folder / "lib").mkdir()
    (folder / "lib/mod_hacked.py").write_text("x = 1")
    sources = sources_in(folder, top=f"import sys; sys.path.insert(0, {str(folder / 'lib')!r}); import mod_hacked")
    assert paths(sources) == ["lib/mod_hacked.py", "the_job.py"]
    assert {file.module for file in sources.files} == {"the_job", "mod_hacked"}


def test_modules_of_a_folder_with_dots_in_its_path_are_found_where_they_are(folder: Path) -> None:
    """A path such as `exp/../lib` in sys.path means the folder that it leads to, below the job's folder or not."""
    for place in (folder / "lib", folder.parent / "outside"):
        place.mkdir()
        (place / f"mod_of_{place.name}.py").write_text("x = 1")
    dotted = [str(folder / "pack_a" / ".." / "lib"), str(folder / ".." / "outside")]
    top = f"import sys; sys.path[:0] = {dotted!r}; import mod_of_lib, mod_of_outside"
    assert paths(sources_in(folder, top=top)) == ["lib/mod_of_lib.py", "the_job.py"]


def test_modules_that_cannot_be_copied_are_reported(folder: Path) -> None:
    """Compiled modules, and lines whose imports are known only at run time, are reported."""
    (folder / f"fast{importlib.machinery.EXTENSION_SUFFIXES[-1]}").write_bytes(b"\x7fELF")
    sources = sources_in(folder, within="import fast, importlib; importlib.import_module('mod_' + 'two')")
    assert sources.uncopied == ("fast, which is not Python source",)
    assert sources.hidden == ("the_job.py, line 5",)


@pytest.mark.parametrize("name", ["my job.py", "my.job.py", "job(1).py", "1st.py", "class.py", "größe.py"])
def test_a_job_file_of_any_name_is_copied(folder: Path, name: str) -> None:
    """A job file's copy keeps the file's name, whether or not Python can import it by that name."""
    assert paths(sources_in(folder, top="import bare_b.leaf", name=name)) == sorted([name, "bare_b/leaf.py"])


def test_a_function_of_a_package_is_copied(folder: Path) -> None:
    """A package's copy keeps its path with all parent packages, so that relative imports work."""
    (folder / "pack_a/__init__.py").write_text("")
    (folder / "pack_a/jobs.py").write_text(JOB.format(top="from . import beside", within="import mod_three"))
    sys.path.insert(0, str(folder))
    job = importlib.import_module("pack_a.jobs").JOB
    assert paths(sources_of(job)) == [
        "mod_one.py", "mod_three.py", "mod_two.py", "pack_a/__init__.py", "pack_a/beside.py", "pack_a/jobs.py",
    ]  # fmt: skip
    assert str(sources_of(job)) == "pack_a/ (3 files), mod_three.py, mod_one.py, mod_two.py"


def test_a_job_of_tunepipe_s_own() -> None:
    """Of a bundled job, only the file of its functions is copied."""
    from tune_jobs import find

    assert paths(sources_of(find("mnist-asha"))) == ["tune_jobs/networks.py"]


def _data_of(tmp_path: Path, within: str) -> Sources:
    (tmp_path / "beside_job.py").write_text(JOB.format(top="from pathlib import Path", within=within))
    return sources_of(load_module(tmp_path / "beside_job.py").JOB)


def test_files_that_a_module_names_are_copied(tmp_path: Path) -> None:
    """Existing visible files that a module names, in its folder or below, are copied."""
    mine = tmp_path / "mine"
    (mine / "data").mkdir(parents=True)
    for name in ("mine/words.txt", "mine/data/more.bin", "mine/.hidden", "mine/other.txt", "outside.txt"):
        (tmp_path / name).write_text(name)
    names = ["words.txt", "data/more.bin", ".hidden", "../outside.txt", "missing.txt", str(tmp_path / "outside.txt")]
    sources = _data_of(mine, f"[Path(__file__).parent / name for name in {names}]")
    assert [(file.path, file.content) for file in sources.data] == [
        ("words.txt", b"mine/words.txt"),
        ("data/more.bin", b"mine/data/more.bin"),
    ]
    assert str(sources) == "beside_job.py, words.txt, data/more.bin"
    assert sources.uncopied == ()


def test_a_changed_module_is_noticed_where_the_study_lies_below_the_jobs_folder(folder: Path) -> None:
    """A changed module is noticed although the study with its copies is in a folder of the job's folder."""
    sources_in(folder, top="import mod_one")
    store = Store(folder / "studies" / "a")
    save_study(store, sys.modules["the_job"].JOB)
    (folder / "mod_two.py").write_text("CHANGED = 1")
    for name in ("mod_one", "mod_two", "mod_three"):
        sys.modules.pop(name, None)
    job = load_module(folder / "the_job.py").JOB
    saved = load_study(store)
    importlib.import_module("mod_two")
    with pytest.raises(StudyChanged, match=r"mod_two\.py: is imported by the job"):
        reconciled(job, saved, store=store)


def test_large_files_are_not_copied_but_named(tmp_path: Path) -> None:
    """A large file that a module names is reported instead of copied."""
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(10**7 + 1)
    sources = _data_of(tmp_path, "Path(__file__).with_name('large.bin')")
    assert sources.data == ()
    assert sources.uncopied == ("large.bin, with which the copied data files exceed 10 MB",)


def test_folders_that_a_module_names_are_read_where_they_are(tmp_path: Path) -> None:
    """A folder of data is named and not copied; one of a copied file, a package and a hidden folder are not named."""
    for name in ("pets/cat/1.png", "data/words.txt", "helpers/__init__.py", "scripts/one.py", ".cache/a.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    paths = ['"pets"', '"data" / "words.txt"', '"helpers"', '"scripts"', '".cache"', '"."', '"missing"']
    sources = _data_of(tmp_path, ", ".join(f"Path(__file__).parent / {path}" for path in paths))
    assert sources.data_folders == (tmp_path / "pets",)
    assert [file.path for file in sources.data] == ["data/words.txt"]
    assert sources.uncopied == ()


def test_a_text_that_is_the_name_of_a_folder_is_not_its_path(tmp_path: Path) -> None:
    """A folder with the name of an activation, and the module's own folder, are no data of the job."""
    mine = tmp_path / "mine"
    for name in ("relu", "pets"):
        (mine / name).mkdir(parents=True)
        (mine / name / "1.png").write_text("")
    within = "[Path(__file__).parent / 'pets', config.get('relu'), '.', Path(__file__).parent / '.']"
    assert _data_of(mine, within).data_folders == (mine / "pets",)


def test_a_job_finds_a_folder_next_to_its_file(tmp_path: Path) -> None:
    """A loaded study's code reads a folder next to the job file from there, even after the file has changed."""
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets/1.png").write_text("")
    _data_of(tmp_path, "yield [each.name for each in (Path(__file__).parent / 'pets').iterdir()]")
    store = Store(tmp_path / "study")
    save_study(store, load_module(tmp_path / "beside_job.py").JOB)
    with (tmp_path / "beside_job.py").open("a") as file:
        file.write("\n# changed\n")
    del sys.modules["beside_job"]
    steps = load_study(store).function
    assert next(steps({})) == ["1.png"]
    assert steps.__code__.co_filename == str(tmp_path / "study/source/beside_job.py")


def test_copied_files_belong_to_the_study(tmp_path: Path) -> None:
    """Copied files are deleted with the study and checked for changes, and other files in source/ are untracked."""
    (tmp_path / "words.txt").write_text("word")
    within = "Path(__file__).with_name('words.txt')"
    _data_of(tmp_path, within)
    job = load_module(tmp_path / "beside_job.py").JOB
    store = Store(tmp_path / "study")
    save_study(store, job)
    assert store.read("source/words.txt") == b"word"
    assert recorded_sources(store).files.keys() == {"words.txt"}
    store.write("source/untracked.txt", "")
    assert [entry.path for entry in contents(store).untracked] == ["source/untracked.txt"]
    saved = load_study(store)
    reconciled(job, saved, store=store)
    (tmp_path / "words.txt").write_text("another")
    with pytest.raises(StudyChanged, match="is read by the job, and must have the content that the study began with"):
        reconciled(job, saved, store=store)
    with pytest.raises(StudyChanged, match=r"a file that the job itself writes belongs in pipeline\.trial\(\)\.folder"):
        reconciled(job, saved, store=store)


def test_a_job_file_brings_what_it_imports(folder: Path) -> None:
    """The code of a job file begins with it, and has its imports although its job's functions are not in it."""
    (folder / "only_imports.py").write_text("from mod_one import JOB\n")
    found = sources_of_file(folder / "only_imports.py")
    assert [file.path for file in found.files] == ["only_imports.py", "mod_one.py", "mod_two.py", "mod_three.py"]
    assert found.folders == (folder,)


def test_a_job_file_of_a_package_brings_the_package(folder: Path) -> None:
    """The code of a job file that imports relative to its package has paths from the package's own folder."""
    (folder / "pack_a/job.py").write_text("from .beside import y\n")
    found = sources_of_file(folder / "pack_a/job.py")
    paths = [file.path for file in found.files]
    assert paths[0] == "pack_a/job.py"
    assert {"pack_a/__init__.py", "pack_a/beside.py"} <= set(paths)


def test_code_without_a_module_s_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that executed code returned is saved by the file of its job alone."""
    made = ModuleType("made_elsewhere")
    exec(compile("def made():\n    return lambda config: iter(())", "made.txt", "exec"), vars(made))
    monkeypatch.setitem(sys.modules, "made_elsewhere", made)
    text = JOB.format(top="from made_elsewhere import made", within="pass").replace("function=steps", "function=made()")
    (tmp_path / "with_made.py").write_text(text)
    job = load_module(tmp_path / "with_made.py").JOB
    assert job.resumable
    assert paths(sources_of(job)) == ["with_made.py"]
