"""A job's functions as data."""

import functools
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InvalidJob, JobNotFound
from pipeline.study import Objective, TuneJob
from pipeline.study.code import is_saved, load_module, module_of, source_of

_JOB = """
from pipeline.study import Objective, TuneJob

def build(config):
    return {answer}

JOB = TuneJob(name="a", model=build, data="mnist", space={{}}, objectives=Objective("v", "max"))
"""


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """What a test loads is forgotten after it."""
    path, modules = list(sys.path), dict(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a job file whose model returns a number, so that versions can be told apart."""

    def write(answer: int, name: str = "a_job.py") -> Path:
        path = tmp_path / name
        path.write_text(_JOB.format(answer=answer))
        return path

    return write


def _plain(config: dict[str, Any]) -> int:
    return 1


def _loud(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@_loud
def _decorated(config: dict[str, Any]) -> int:
    return 1


class _Class:
    @staticmethod
    def build(config: dict[str, Any]) -> int:
        return len(config)


def _json(function: object, **others: object) -> dict[str, object]:
    return {"name": "a", "function": function, "space": {}, "objectives": {"metric": "v", "mode": "max"}, **others}


def test_a_job_file_is_loaded(write: Callable[..., Path]) -> None:
    """By its own name, and what lies beside it can be imported, as for a script."""
    path = write(1)
    (path.parent / "beside_it.py").write_text("VALUE = 3")
    path.write_text(path.read_text() + "\nimport beside_it\nVALUE = beside_it.VALUE")
    module = load_module(path)
    assert sys.modules["a_job"] is module
    assert (module.JOB.model({}), module.VALUE) == (1, 3)


def test_a_job_file_s_name_need_not_be_a_name_of_python(write: Callable[..., Path]) -> None:
    """A file may be called my-job.py, and its job is saved and loaded all the same."""
    job = load_module(write(1, "my-job.py")).JOB
    assert job.to_json()["model"]["function"] == "my-job:build"
    assert TuneJob.from_json(job.to_json()) == job


@pytest.mark.parametrize("name", ["nope.py", "folder"])
def test_no_such_file(tmp_path: Path, name: str) -> None:
    """What is not there is named, with what a job file is."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobNotFound, match=r"There is no job file .*" + name + r".*exports JOB"):
        load_module(tmp_path / name)


def test_not_a_python_file(tmp_path: Path) -> None:
    """Another ending is refused before anything runs."""
    (tmp_path / "a.txt").write_text("1/0")
    with pytest.raises(JobNotFound, match="not a Python file"):
        load_module(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n1/0", r"ZeroDivisionError: division by zero \(line 2\)"),
        ("def f(:", r"SyntaxError: .*\(line 1\)"),
        ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing' \(line 1\)"),
        ("\n\n\ndef f():\n    raise KeyError('k')\nf()", r"KeyError: 'k' \(line 5\)"),
        ("x = '\\0'\ny = \0", r"(SyntaxError|ValueError): .*null"),
    ],
)
def test_a_job_file_that_does_not_run(tmp_path: Path, text: str, found: str) -> None:
    """Says what happened at which line, and leaves no half-loaded module."""
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(InvalidJob, match=r"file: must run as Python; found .*" + found):
        load_module(path)
    assert "broken" not in sys.modules


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("Budget(trails=2)", r"Budget\.trails: .* there are trials, .*did you mean trials\?; .*'trails= in line 2'"),
        ("Resources(worker=2)", r"Resources\.worker: .*did you mean workers\?"),
        ("ASHA(grace=1)", r"ASHA\.grace: .*did you mean grace_period\?"),
        ("Uniform(0, hgh=1)", r"Uniform\.hgh: .*did you mean high\?"),
        ("dict.fromkeys(x=1)", r"file: must run as Python; found .TypeError"),
    ],
)  # fmt: skip
def test_a_misspelt_field_of_a_part_of_a_job(tmp_path: Path, call: str, told: str) -> None:
    """Which fields there are, which may have been meant, and where it stands; other errors are told as they are."""
    path = tmp_path / "misspelt.py"
    path.write_text(f"from pipeline import ASHA, Budget, Resources, Uniform\n{call}")
    with pytest.raises(InvalidJob, match=told):
        load_module(path)


def test_faults_of_a_job_in_a_file_are_its_own(tmp_path: Path) -> None:
    """They are not wrapped as a failure to run."""
    path = tmp_path / "faulty.py"
    path.write_text("from pipeline.study import TuneJob\nJOB = TuneJob(name='x')")
    with pytest.raises(InvalidJob, match=r"^job 'x' has 3 faults"):
        load_module(path)


@pytest.mark.parametrize("name", ["json", "random", "keras", "pipeline"])
def test_a_job_file_hides_no_other_module(tmp_path: Path, name: str) -> None:
    """A file called keras.py would be taken for Keras by whoever imports it next."""
    before = sys.modules.get(name)
    path = tmp_path / f"{name}.py"
    path.write_text("")
    with pytest.raises(InvalidJob, match=f"must not be called as the module {name} that others import: rename it"):
        load_module(path)
    assert sys.modules.get(name) is before


@pytest.mark.parametrize("function", [_plain, _decorated, _Class.build])
def test_functions_of_a_file_are_found_again(function: Callable[..., Any]) -> None:
    """Plain, decorated and static ones, by module and name, with their file's digest."""
    job = TuneJob.from_json(_json(function))
    written = job.to_json()["function"]
    assert written == {
        "function": f"{__name__}:{function.__qualname__}",
        "sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    assert is_saved(function)
    assert TuneJob.from_json(job.to_json()).function is function


def test_what_cannot_be_found_again_is_not_saved() -> None:
    """A function within another, a lambda, and one whose name now means another."""

    def inner(config: dict[str, Any]) -> None: ...

    renamed = functools.wraps(_plain)(lambda config: config)
    for function in (inner, lambda config: config, renamed):
        job = TuneJob.from_json(_json(function))
        assert not job.resumable
        with pytest.raises(InvalidJob, match="function: was typed into a notebook, a prompt or another function"):
            TuneJob.from_json(job.to_json())


@pytest.mark.parametrize("value", [max, _Class, functools.partial(_plain, {}), 3, "json:dumps", [], object()])
def test_only_functions_are_functions(value: object) -> None:
    """Built-ins, classes and partials have no source to be kept."""
    with pytest.raises(InvalidJob, match="function: must be a function"):
        TuneJob(name="a", function=value, space={}, objectives=Objective("v", "max"))


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({}, 'must be {"function": "module:name", "sha256": "…"}'),
        ({"function": 3}, 'must be {"function"'),
        ({"function": "json"}, 'must be {"function"'),
        ({"function": "../x:f"}, 'must be {"function"'),
        ({"function": "/etc/x:f"}, 'must be {"function"'),
        ({"function": "json:dumps", "sha256": 3}, 'must be {"function"'),
        ({"function": "json:dumps", "more": 1}, 'must be {"function"'),
        ({"function": "json:nope"}, "must be a function of json, and there is no nope in it"),
        ({"function": "json:JSONDecoder"}, "must be a function of json, and there is no JSONDecoder in it"),
        ({"function": "no_such_thing:f"}, "there is no module no_such_thing, and no copy of the source"),
        ({"function": "json:dumps", "sha256": "00"}, "module json has changed since the study was saved, and there is"),
        ({"function": "__main__:f"}, "was typed into a notebook"),
        ({"function": "json:f.<locals>.g"}, "was typed into a notebook"),
    ],
)
def test_a_function_that_cannot_be_loaded(written: object, fault: str) -> None:
    """Each reason in words."""
    with pytest.raises(InvalidJob) as refused:
        TuneJob.from_json(_json(written))
    (found,) = refused.value.faults
    assert found.field == "function"
    assert found.allowed.startswith(fault)


def test_the_copy_runs_where_the_original_changed(write: Callable[..., Path], tmp_path: Path) -> None:
    """A study goes on with the code it began with; a new study takes the new one; both stay what they are."""
    old = load_module(write(1)).JOB
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "a_job.py").write_bytes(source_of(old.model))
    new = load_module(write(2)).JOB
    resumed = TuneJob.from_json(old.to_json(), source=copies)
    assert (old.model({}), new.model({}), resumed.model({})) == (1, 2, 1)
    assert resumed == old
    assert resumed != new
    assert all(job.resumable for job in (old, new, resumed))
    assert sorted(path.name for path in copies.iterdir()) == ["a_job.py"]


def test_what_was_loaded_is_what_is_saved(write: Callable[..., Path]) -> None:
    """A file edited after it was loaded does not slip into the study that runs."""
    path = write(1)
    job = load_module(path).JOB
    before = job.to_json()
    write(2)
    assert job.to_json() == before
    assert b"return 1" in source_of(job.model)
    assert module_of(job.model) == "a_job"


def test_a_changed_copy_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    """Who changes the copy changes the study: it is told, not run."""
    job = load_module(write(1)).JOB
    del sys.modules["a_job"]
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "a_job.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InvalidJob, match=r"model: the copy .*a_job\.py has changed since the study was saved"):
        TuneJob.from_json(job.to_json(), source=copies)


def test_a_script_is_saved_under_its_file_s_name(tmp_path: Path, write: Callable[..., Path]) -> None:
    """What Python calls __main__ is found again by the file's name."""
    path = write(1, "script.py")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    job = space["JOB"]
    assert job.to_json()["model"]["function"] == "script:build"
    assert job.resumable
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "script.py").write_bytes(source_of(job.model))
    assert TuneJob.from_json(job.to_json(), source=copies) == job
