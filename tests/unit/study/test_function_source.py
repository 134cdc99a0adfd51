"""The file that defines a user's function, and whether two functions are the same code."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.storage import Store
from pipeline.study import TuneJob, load_study, save_study
from pipeline.study.function_source import (
    in_script,
    is_loadable,
    module_of,
    qualified_name,
    same_code,
    same_text,
    script_of,
    source_of,
)
from pipeline.study.load_module import load_module
from pipeline.study.module_origin import import_folders
from pipeline.study.sources import sources_of

pytestmark = pytest.mark.usefixtures("own_modules")


def test_the_loaded_source_is_saved(write: Callable[..., Path]) -> None:
    """A study saves the source as it was loaded, although the file was edited afterwards."""
    path = write(1)
    job = load_module(path).JOB
    before = job.to_json()
    write(2)
    assert job.to_json() == before
    assert b"return 1" in source_of(job.model)
    assert module_of(job.model) == "a_job"
    assert not in_script(job.model)


def test_the_running_script_is_found_by_its_file_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that Python runs is the script of its file's name, and of no other."""
    main = ModuleType("__main__")
    main.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert script_of("script") is main
    assert script_of("other") is None


def test_an_interactive_window_is_no_script(monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]) -> None:
    """A function of a window that names its file is in no script if the program that runs it is a kernel."""
    path = write(1, "script.py")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    monkeypatch.setattr(sys, "argv", ["/lib/ipykernel_launcher.py", "-f", "connection.json"])
    assert not in_script(space["JOB"].model)
    monkeypatch.setattr(sys, "argv", ["/home/user/ipykernel-demos/script.py"])
    assert in_script(space["JOB"].model)
    monkeypatch.setattr(sys, "argv", [])
    assert in_script(space["JOB"].model)


@pytest.mark.parametrize("name", ["study.ipynb", "window.py"])
def test_code_of_a_cell_is_not_that_of_the_file_that_a_window_names(
    tmp_path: Path, write: Callable[..., Path], name: str
) -> None:
    """A function of a cell has no file, although the kernel has a `__file__`, whose text may be another one."""
    path = write(1, name)
    cell = path.read_text().replace("return 1", "return 2")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(cell, str(tmp_path / "ipykernel_7/123.py"), "exec"), space)
    job = space["JOB"]

    assert not job.resumable
    assert source_of(job.model) is None
    assert job.to_json()["model"]["function"] == "__main__:build"
    assert not sources_of(job).files


def test_a_script_is_saved_under_its_file_s_name(tmp_path: Path, write: Callable[..., Path]) -> None:
    """A script, which Python names __main__, is saved and found under its file's name."""
    path = write(1, "script.py")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    job = space["JOB"]
    assert job.to_json()["model"]["function"] == "script:build"
    assert job.resumable
    assert in_script(job.model)
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "script.py").write_bytes(source_of(job.model))
    assert TuneJob.from_json(job.to_json(), source=copies) == job


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (b"x = 1\n", True),
        (b"# a comment\nx = (\n    1\n)\n", True),
        (b"x = 2\n", False),
        (b"x = (\n", False),
        (b"x = '\0'\n", False),
    ],
)
def test_comments_and_layout_make_no_difference(other: bytes, same: bool) -> None:
    """Sources with the same syntax tree are equal; text that is not Python differs from all others."""
    assert same_text(b"x = 1\n", other) is same


def test_functions_of_equal_files_are_the_same_code(write: Callable[..., Path]) -> None:
    """A function of a reloaded file is the same code until the file's meaning changes."""
    first = load_module(write(1)).JOB.model
    path = write(1)
    path.write_text("# a comment" + path.read_text())
    assert same_code(first, load_module(path).JOB.model)
    assert not same_code(first, load_module(write(2)).JOB.model)
    assert not same_code(first, lambda config: config)


_UNNAMED = """
from pipeline import Budget, Fit, Objective, Phase, TuneJob, Uniform


def builder(width):
    def build(config):
        return width

    return build


build = builder(3)
JOB = TuneJob(
    name="unnamed", model=builder(4), callbacks=lambda: [], data=lambda: None, space={"lr": Uniform(0, 1)},
    objectives=[Objective("loss", "min")], fit=Fit(class_weight=lambda config: {0: 1.0}),
    phases=[Phase(2, lambda model, config: None)], budget=Budget(epochs=4),
)
NUMBERS = [lambda: 1]
if __name__ == "__main__":
    LATE = JOB.replaced({"name": "late"})
"""


def test_lambdas_and_returned_functions_are_found_in_their_job(tmp_path: Path) -> None:
    """Functions without their own name are saved by a variable or a job's field, and found there again."""
    (tmp_path / "unnamed.py").write_text(_UNNAMED)
    module = load_module(tmp_path / "unnamed.py")
    job = module.JOB
    assert job.resumable
    assert {path: qualified_name(function) for path, function in job.functions.items()} == {
        "model": "JOB.model",
        "callbacks": "JOB.callbacks",
        "data": "JOB.data",
        "fit.class_weight": "JOB.fit.class_weight",
        "phases.0.prepare": "JOB.phases.0.prepare",
    }
    assert qualified_name(module.build) == "build"
    assert not is_loadable(module.NUMBERS[0])
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "unnamed.py").write_text(_UNNAMED)
    sys.modules.pop("unnamed")
    found = TuneJob.from_json(job.to_json(), source=copies)
    assert found == job
    assert found.model is not job.model
    assert found.model({}) == 4


def test_a_job_that_an_import_does_not_make_has_no_saved_lambdas(tmp_path: Path) -> None:
    """Functions of a job that only a script's main block makes cannot be loaded again."""
    path = tmp_path / "script.py"
    path.write_text(_UNNAMED.replace("JOB = TuneJob", 'if __name__ == "__main__":\n  JOB = TuneJob'))
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    assert qualified_name(space["JOB"].model) is None
    assert not space["JOB"].resumable


_FACTORY = """
import functools
from pathlib import Path

from pipeline.study import Fit, Objective, TuneJob


class Trainer:
    def __init__(self, answer):
        self.answer = answer

    def build(self, config):
        return self.answer

    def __call__(self):
        return self.answer


def weights(config, heavy):
    return {0: heavy}


def make_job(path):
    trainer = Trainer(int(Path(path).read_text()))
    return TuneJob(
        name="made", model=trainer.build, callbacks=lambda: [trainer.answer], data=trainer, space={},
        objectives=Objective("loss", "min"), fit=Fit(class_weight=functools.partial(weights, heavy=2.0)),
    )
"""
_USE = """
from pathlib import Path

from factory.jobs import make_job

JOB = make_job(Path(__file__).parent / "conf" / "answer.txt")
"""


def _made(folder: Path) -> TuneJob:
    (folder / "factory").mkdir()
    (folder / "conf").mkdir()
    (folder / "factory" / "__init__.py").touch()
    (folder / "factory" / "jobs.py").write_text(_FACTORY)
    (folder / "conf" / "answer.txt").write_text("4")
    (folder / "use.py").write_text(_USE)
    job: TuneJob = load_module(folder / "use.py").JOB
    return job


def test_functions_of_a_job_that_another_module_makes_are_found_in_it(tmp_path: Path) -> None:
    """Methods, lambdas and partial calls that a function of another module puts into a job are saved by that job."""
    job = _made(tmp_path)
    assert job.resumable
    assert {path: (module_of(each), qualified_name(each)) for path, each in job.functions.items()} == {
        "model": ("use", "JOB.model"),
        "callbacks": ("use", "JOB.callbacks"),
        "data": ("use", "JOB.data"),
        "fit.class_weight": ("use", "JOB.fit.class_weight"),
    }
    assert source_of(job.model) == _USE.encode()
    sources = sources_of(job)
    assert {file.path for file in sources.files} == {"use.py", "factory/__init__.py", "factory/jobs.py"}
    assert {file.path for file in sources.data} == {"conf/answer.txt"}
    assert import_folders(job.functions.values()) == [tmp_path]
    assert job.replaced({"budget.trials": 2}).resumable


def test_a_job_that_another_module_makes_is_loaded_from_its_copies(tmp_path: Path) -> None:
    """A study runs the copies of the job's file and of the module that made it, even after both have changed."""
    folder, study = tmp_path / "here", Store(tmp_path / "study")
    folder.mkdir()
    job = _made(folder)
    save_study(study, job)
    (folder / "factory" / "jobs.py").write_text(_FACTORY.replace("return self.answer", "return -1"))
    (folder / "conf" / "answer.txt").write_text("5")
    for name in ("use", "factory", "factory.jobs"):
        del sys.modules[name]
    loaded = load_study(study)
    assert loaded == job
    assert (loaded.model({}), loaded.callbacks(), loaded.data(), loaded.fit.class_weight({})) == (4, [4], 4, {0: 2.0})
    assert loaded.resumable


def test_a_job_that_is_made_in_a_function_only_is_not_saved(tmp_path: Path) -> None:
    """A job that no module assigns at its top level cannot be loaded again."""
    _made(tmp_path)
    job = sys.modules["use"].make_job(tmp_path / "conf" / "answer.txt")
    assert not job.resumable
    assert module_of(job.model) == "factory.jobs"
