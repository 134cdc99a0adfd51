"""A job's functions as data."""

import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.errors import InvalidJob
from pipeline.study import Objective, TuneJob
from pipeline.study.function_source import is_loadable, source_of
from pipeline.study.load_module import load_module

pytestmark = pytest.mark.usefixtures("own_modules")


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


@pytest.mark.parametrize("function", [_plain, _decorated, _Class.build])
def test_functions_of_a_file_are_found_again(function: Callable[..., Any]) -> None:
    """Plain, decorated and static functions are found by module and name, with the digest of their file."""
    job = TuneJob.from_json(_json(function))
    written = job.to_json()["function"]
    assert written == {
        "function": f"{__name__}:{function.__qualname__}",
        "sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    }
    assert is_loadable(function)
    assert TuneJob.from_json(job.to_json()).function is function


def test_functions_that_cannot_be_found_again_are_not_saved() -> None:
    """A function within another, a lambda, and a function whose name now means another object are refused."""

    def inner(config: dict[str, Any]) -> None: ...

    renamed = functools.wraps(_plain)(lambda config: config)
    for function in (inner, lambda config: config, renamed):
        job = TuneJob.from_json(_json(function))
        assert not job.resumable
        with pytest.raises(InvalidJob, match="function: is defined in a notebook, a prompt or another function"):
            TuneJob.from_json(job.to_json())


@pytest.mark.parametrize("value", [max, _Class, functools.partial(max, {}), 3, "json:dumps", [], object()])
def test_only_functions_are_functions(value: object) -> None:
    """A value other than a function with a source, such as a built-in or a class, is refused."""
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
        ({"function": "__main__:f"}, "is defined in a notebook"),
        ({"function": "json:f.<locals>.g"}, "is defined in a notebook"),
    ],
)
def test_a_function_that_cannot_be_loaded(written: object, fault: str) -> None:
    """A function that cannot be loaded is refused with its reason."""
    with pytest.raises(InvalidJob) as refused:
        TuneJob.from_json(_json(written))
    (found,) = refused.value.faults
    assert found.field == "function"
    assert found.allowed.startswith(fault)


def test_the_copy_runs_if_the_original_changed(write: Callable[..., Path], tmp_path: Path) -> None:
    """A study continues with its copy of the code, and a new study uses the changed original."""
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


def test_a_script_that_reads_its_own_study_does_not_run_again(
    write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions of a study of the running script are those of the script, unless it has changed since."""
    path = write(1, "script.py")
    main = ModuleType("__main__")
    main.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(compile(path.read_text(), str(path), "exec"), vars(main))
    job = main.JOB.to_json()
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "script.py").write_bytes(path.read_bytes())
    assert TuneJob.from_json(job, source=copies).model is main.build
    write(2, "script.py")
    again = TuneJob.from_json(job, source=copies)
    assert again.model is not main.build
    assert again.model({}) == 1


def test_a_changed_copy_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    """A changed copy is refused, because it would change the study."""
    job = load_module(write(1)).JOB
    del sys.modules["a_job"]
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "a_job.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InvalidJob, match=r"model: the copy .*a_job\.py has changed since the study was saved"):
        TuneJob.from_json(job.to_json(), source=copies)
