"""A study's folder: its specification, its own entries and all others; and the studies of a storage."""

import importlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.code.functions import origin
from pipeline.code.modules import load_module
from pipeline.code.snapshot import as_before
from pipeline.errors import InvalidJob, JobNotFound, StorageError
from pipeline.schedulers import PBT
from pipeline.space import Choice, LogUniform
from pipeline.storage import Store
from pipeline.study import Objective, TuneJob, load_study, save_study
from pipeline.study.files import (
    STORAGE_VARIABLE,
    as_argument,
    called,
    check_output,
    contents,
    no_study,
    read_document,
    study_names,
    sweep,
)
from tests.recorded_studies import Recording, tune_job


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path) -> Iterator[None]:
    modules = set(sys.modules)
    with as_before():
        yield
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


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
    job = _job(description="größer")
    save_study(store, job)
    assert load_study(store) == job
    text = store.read_text("study.json")
    assert json.loads(text)["schema_version"] == 1
    assert "größer" in text
    assert text.count("\n") > 20


def test_a_study_is_loaded_where_its_sources_are_gone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    folder = tmp_path / "mine"
    job = _of_files(folder, "import sys\nMORE = sys.argv[1:]\n")
    arguments = ["--size", "3", "--data", os.fsdecode(b"caf\xe9")]
    save_study(store, job, arguments=arguments)
    save_study(store, job, before=read_document(store))
    del sys.modules["a_job"]
    (folder / "a_job.py").unlink()
    assert origin(load_study(store).functions["model"]).home["MORE"] == arguments


def test_a_typed_function_is_saved_but_not_loaded(store: Store) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def build(config): ...", "<cell 1>", "exec"), space)
    save_study(store, _job(model=space["build"]))
    assert store.files() == ["study.json"]
    with pytest.raises(InvalidJob, match="model: is defined in a notebook"):
        load_study(store)


def test_a_study_that_is_not_there_is_named_with_its_storage(store: Store) -> None:
    with pytest.raises(JobNotFound, match=r"There is no study 'a' in .*studies\."):
        load_study(store)


@pytest.mark.parametrize(("content", "message"), [
    (b"{", "is not JSON"),
    (b"[]", "has schema version None; this tunepipe reads up to 1"),
    (b'{"schema_version": 2, "job": {}}', "has schema version 2; this tunepipe reads up to 1"),
    (b'{"schema_version": true, "job": {}}', "has schema version True"),
    (b'{"schema_version": 1, "job": []}', "has no job"),
])  # fmt: skip
def test_a_file_that_is_no_study_is_refused(store: Store, content: bytes, message: str) -> None:
    store.write("study.json", content)
    with pytest.raises(StorageError, match=r"study\.json in .*studies/a " + message):
        load_study(store)


def _killed_after(writes: int, patch: pytest.MonkeyPatch) -> None:
    left, write = iter(range(writes)), Store.write

    def written(store: Store, path: str, content: Any) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(store, path, content)

    patch.setattr(Store, "write", written)


def test_every_file_of_a_study_that_was_cut_off_is_named(tmp_path: Path, store: Store) -> None:
    job = _of_files(tmp_path / "mine", '\nROWS = __file__.replace("a_job.py", "rows.csv")\n')
    (tmp_path / "mine/rows.csv").write_text("1,2")
    for writes in range(4):
        with pytest.MonkeyPatch.context() as patch:
            _killed_after(writes, patch)
            with pytest.raises(KeyboardInterrupt):
                save_study(store, job)
        assert list(contents(store).untracked) == []
    assert len(contents(store).own) == 3


@pytest.mark.parametrize("writes", range(3))
def test_a_study_continues_with_other_code_where_the_switch_was_cut_off(
    tmp_path: Path, store: Store, writes: int
) -> None:
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


OWN = [
    "study.json", "sessions/0001.json", "files/0001/any/depth.bin", "source/job.py", "logs/.writing-0001.log-0a1b2c3d",
]  # fmt: skip
UNTRACKED = [
    "notes.txt", "export/my_notes.txt", "checkpoints/0000/notes.txt", "source/mine.py", ".writing-my-novel-0a1b2c3d",
]  # fmt: skip
_STUDY = '{"schema_version": 1, "job": {}, "sources": {"roots": [], "files": {"job.py": "00"}}}'


def test_the_layout_separates_a_study_from_other_files(store: Store) -> None:
    for path in [*OWN, *UNTRACKED]:
        store.write(path, _STUDY)
    found = contents(store)
    assert sorted(entry.path for entry in found.own) == sorted(OWN)
    assert sorted(entry.path for entry in found.untracked) == sorted(UNTRACKED)
    sweep(store)
    assert set(store.files()) | {UNTRACKED[-1]} == {*OWN[:-1], *UNTRACKED}
    assert store.exists(UNTRACKED[-1])


@pytest.mark.parametrize("begun", [".writing-study.json-0a1b2c3d", "sessions/.writing-0001.json-0a1b2c3d"])
def test_without_a_session_or_a_specification_nothing_belongs_to_a_study(tmp_path: Path, begun: str) -> None:
    store = Store(tmp_path / "s")
    named = ["trials.parquet", "report.html", "files/0001/data.bin"]
    for path in [*named, begun]:
        store.write(path, "mine")
    found = contents(store)
    assert sorted(entry.path for entry in found.untracked) == sorted(named)
    assert [entry.path for entry in found.own] == [begun]
    store.write("sessions/0001.json", "{}")
    assert contents(store).untracked == []


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "s"
    for name in ("export", "epochs", "files/0000"):
        (folder / name).mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "path",
    ["study.json", "epochs/all-0001.parquet", "export/model.keras", "epochs/../export/../x.csv", "", "export", "new"],
)
def test_a_place_in_a_study_is_refused(study: Path, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent)
    (tmp_path / "linked").symlink_to(study)
    for named in (study / path, Path("s") / path, tmp_path / "linked" / path):
        with pytest.raises(StorageError, match="is within the study"):
            check_output(named)


@pytest.mark.parametrize("path", ["s/report.html", "s/export/table.csv", "s/export/mine/x.csv", "x.csv", "../x.csv"])
def test_a_file_beside_a_study_is_accepted(study: Path, path: str) -> None:
    check_output(study.parent / path)


def test_a_study_of_that_name_makes_no_study_of_its_storage(study: Path) -> None:
    study.rename(study.parent / "study.json")
    assert not Store(study.parent).exists("study.json")
    check_output(study.parent / "another")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Recording(tmp_path / "studies", tune_job("one"))
    return tmp_path


def test_a_study_is_called_by_its_name_where_that_is_enough(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert called(str(here / "studies/one")) == "one"
    for location in (str(here / "other/two"), "s3://bucket/two?region=x"):
        assert called(location) == location
    monkeypatch.setenv(STORAGE_VARIABLE, "s3://unreachable.invalid/studies?endpoint_override=localhost:1")
    assert called("/other/two") == "/other/two"


@pytest.mark.parametrize("location", ["/my studies/two", "s3://bucket/two?scheme=http&region=x"])
def test_a_study_in_a_command_is_quoted_where_a_shell_needs_it(here: Path, location: str) -> None:
    assert shlex.split(as_argument(location)) == [location]
    assert as_argument(str(here / "studies/one")) == "one"


@pytest.fixture
def storage(tmp_path: Path) -> Store:
    for name in ("b", "a", "mnist-asha"):
        Store(tmp_path / "studies" / name).write("study.json", "{}")
    Store(tmp_path / "studies" / "notes").write("text", "")
    return Store(tmp_path / "studies")


def test_a_study_is_a_folder_with_its_specification(storage: Store) -> None:
    assert storage.local is not None
    (storage.local / "linked").symlink_to(storage.local / "a")
    assert study_names(storage) == ["a", "b", "linked", "mnist-asha"]


def test_a_study_that_does_not_exist_is_explained(storage: Store) -> None:
    assert str(no_study(storage.folder("mnist-ahsa"))).startswith(
        f"There is no study 'mnist-ahsa' in {storage.uri}. Did you mean 'mnist-asha'? "
    )
    assert str(no_study(Store(f"{storage.uri}/else/x"))).startswith(f"There is no study 'x' in {storage.uri}/else. ")
