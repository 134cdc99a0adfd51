"""Files of a study's specification."""

import importlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from pipeline.errors import InvalidJob, JobNotFound, StorageError
from pipeline.schedulers import PBT
from pipeline.space import Choice, LogUniform
from pipeline.storage import Store
from pipeline.study import Objective, TuneJob, load_study, save_study
from pipeline.study.contents import contents
from pipeline.study.files import read_document
from pipeline.study.function_source import home_of
from pipeline.study.load_module import load_module

pytestmark = pytest.mark.usefixtures("own_modules")

_JOB = """
from pipeline.study import Objective, TuneJob
import helpful

def build(config): return 1

JOB = TuneJob(name="a", model=build, data=helpful.data, space={}, objectives=Objective("v", "max"))
"""


def _build(config: dict[str, Any]) -> None:
    """A user's model function."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty study's folder."""
    return Store(tmp_path / "studies" / "a")


def _job(**fields: Any) -> TuneJob:
    return TuneJob(
        **{
            "name": "a",
            "model": _build,
            "data": "mnist",
            "space": {"lr": LogUniform(1e-4, 1), "act": Choice(["relu", "tanh"]), "units": 3},
            "objectives": Objective("v", "max"),
            "scheduler": PBT(interval=2),
            **fields,
        }
    )


def _of_files(folder: Path, more: str = "") -> TuneJob:
    folder.mkdir(exist_ok=True)
    (folder / "helpful.py").write_text("def data(): return 1")
    (folder / "a_job.py").write_text(_JOB + more)
    job: TuneJob = load_module(folder / "a_job.py").JOB
    return job


def test_a_study_is_loaded_as_it_was_saved(store: Store) -> None:
    """A loaded study equals the saved one, which is indented JSON with the version of its format."""
    job = _job(description="größer")
    save_study(store, job)
    assert load_study(store) == job
    text = store.read_text("study.json")
    assert json.loads(text)["schema_version"] == 1
    assert "größer" in text
    assert text.count("\n") > 20


def test_sources_are_copied(tmp_path: Path, store: Store) -> None:
    """Exactly the modules that define functions of the job are copied, in the version that was loaded."""
    save_study(store, _of_files(tmp_path / "mine"))
    assert store.files() == ["source/a_job.py", "source/helpful.py", "study.json"]
    assert store.read_text("source/a_job.py") == _JOB


def test_a_study_is_loaded_where_its_sources_are_gone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process loads a study from its copies alone if the original sources are missing."""
    folder = tmp_path / "mine"
    job = _of_files(folder)
    save_study(store, job)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before, written = store.files(), job.to_json()
    for name in ("a_job", "helpful"):
        (folder / f"{name}.py").unlink()
        del sys.modules[name]
    sys.path.remove(str(folder))
    importlib.invalidate_caches()
    loaded = load_study(store)
    assert loaded.to_json() == written
    assert loaded.data() == 1
    assert store.files() == before


def test_a_copy_reads_the_arguments_of_its_script(tmp_path: Path, store: Store) -> None:
    """A script that reads its command line gets the arguments that started the study, even after a later session."""
    folder = tmp_path / "mine"
    job = _of_files(folder, "import sys\nMORE = sys.argv[1:]\n")
    arguments = ["--size", "3", "--data", os.fsdecode(b"caf\xe9")]
    save_study(store, job, arguments=arguments)
    save_study(store, job, before=read_document(store))
    del sys.modules["a_job"]
    (folder / "a_job.py").unlink()
    assert home_of(load_study(store).functions["model"])["MORE"] == arguments


def test_a_study_that_is_far_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study is loaded from an object store, and the source file of its function is available locally."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/a")
    system.create_dir("bucket/a/source", recursive=True)
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: (system, root))
    store = Store("mock:///bucket/a")
    path = tmp_path / "far.py"
    path.write_text(_JOB.replace("import helpful", "").replace("helpful.data", "build"))
    job = load_module(path).JOB
    save_study(store, job)
    path.unlink()
    del sys.modules["far"]
    loaded = load_study(store)
    assert loaded == job
    assert loaded.resumable
    assert Path(loaded.model.__code__.co_filename).is_file()


def test_a_typed_function_is_saved_but_not_loaded(store: Store) -> None:
    """A typed function is saved in study.json but cannot be loaded, and the error says why."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def build(config): ...", "<cell 1>", "exec"), space)
    save_study(store, _job(model=space["build"]))
    assert store.files() == ["study.json"]
    with pytest.raises(InvalidJob, match="model: is defined in a notebook"):
        load_study(store)


def test_no_study_there(store: Store) -> None:
    """A folder without study.json is not a study."""
    with pytest.raises(JobNotFound, match=r"There is no study 'a': .*studies contains no studies"):
        load_study(store)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[]", "has schema version None; this tunepipe reads up to 1"),
        (b"{}", "has schema version None"),
        (b'{"schema_version": 2, "job": {}}', "has schema version 2; this tunepipe reads up to 1"),
        (b'{"schema_version": "1", "job": {}}', "has schema version '1'"),
        (b'{"schema_version": true, "job": {}}', "has schema version True"),
        (b'{"schema_version": 0, "job": {}}', "has schema version 0"),
        (b'{"schema_version": 1}', "has no job"),
        (b'{"schema_version": 1, "job": []}', "has no job"),
    ],
)
def test_a_file_that_is_no_study(store: Store, content: bytes, message: str) -> None:
    """An invalid study.json is refused with the file's place and its fault."""
    store.write("study.json", content)
    with pytest.raises(StorageError, match=r"study\.json in .*studies/a " + message):
        load_study(store)


def test_a_wrongly_edited_study_is_refused(store: Store) -> None:
    """Faults in an edited study.json are reported like those of any job."""
    save_study(store, _job())
    store.write("study.json", store.read_text("study.json").replace('"trials": 16', '"trials": 0'))
    with pytest.raises(InvalidJob, match=r"job 'a' has one error:\n  - budget.trials: must be at least 1; found 0"):
        load_study(store)


def _killed_after(writes: int, patch: pytest.MonkeyPatch) -> None:
    """Let a process write this many files, and kill it then."""
    left, write = iter(range(writes)), Store.write

    def written(store: Store, path: str, content: Any) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(store, path, content)

    patch.setattr(Store, "write", written)


@pytest.mark.parametrize("writes", range(4))
def test_every_file_of_a_study_that_was_cut_off_is_named(tmp_path: Path, store: Store, writes: int) -> None:
    """A study whose driver was killed while it wrote the sources has no file that study.json does not name."""
    job = _of_files(tmp_path / "mine", '\nROWS = __file__.replace("a_job.py", "rows.csv")\n')
    (tmp_path / "mine/rows.csv").write_text("1,2")
    with pytest.MonkeyPatch.context() as patch:
        _killed_after(writes, patch)
        with pytest.raises(KeyboardInterrupt):
            save_study(store, job)
    found = contents(store)
    assert (len(found.own), list(found.untracked)) == (writes, [])


@pytest.mark.parametrize("writes", range(4))
def test_a_study_continues_with_other_code_where_the_switch_was_cut_off(
    tmp_path: Path, store: Store, writes: int
) -> None:
    """A study whose driver was killed while it took over changed code continues with the job's file, old or new."""
    before = _of_files(tmp_path / "old")
    save_study(store, before)
    after = _of_files(tmp_path / "new", "\nMORE = 1\n")
    (tmp_path / "new/helpful.py").write_text("def data(): return 2")
    with pytest.MonkeyPatch.context() as patch:
        _killed_after(writes, patch)
        with suppress(KeyboardInterrupt):
            save_study(store, after, before=read_document(store))
    job = _of_files(tmp_path / "old") if not writes else load_module(tmp_path / "new/a_job.py").JOB
    assert load_study(store).model is job.model
    save_study(store, job, before=read_document(store))
    assert load_study(store).model is job.model
