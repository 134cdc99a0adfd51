"""A driver is killed before any operation on its storage: the next session finds what it needs, and nothing is left."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Choice, Objective, TuneJob, Uniform, load_results, run
from pipeline.execution.commands import check_deletable
from pipeline.execution.driver.session import Session
from pipeline.storage import Store
from pipeline.study.files import contents, study_names
from tests.bucket import Bucket
from tests.cases import cases
from tests.study_comparison import contradictions, differences

LENGTH = 4
SOME, MANY = 4, 40
"""So many moments of a study, evenly spread, are tried each time, and in `make test-all`."""


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Crossing curves."""
    for step in range(1, LENGTH + 1):
        yield {"score": config["x"] * step ** config["power"]}


def stateful(config: Mapping[str, Any], state: Any) -> Iterator[tuple[dict[str, float], int]]:
    """The same, from the step at which it was interrupted on."""
    for step in range((state or 0) + 1, LENGTH + 1):
        yield {"score": config["x"] * step ** config["power"]}, step


def _job(function: Any, scheduler: str, trials: int) -> TuneJob:
    return TuneJob(
        name="killed", function=function, space={"x": Uniform(0.5, 1), "power": Choice([0.2, 0.5, 1.0])},
        objectives=[Objective("score", "max")], scheduler=scheduler, budget=Budget(trials=trials, epochs=LENGTH),
        resources={"workers": 0},
    )  # fmt: skip


JOBS = {"asha": _job(climb, "asha", 4), "pbt": _job(stateful, "pbt", 3)}


_LOCAL = ("replace", "unlink", "mkdir", "rmdir", "link", "fsync")
_OBJECTS = ("open_output_stream", "delete_file", "delete_dir")


class Killed(BaseException):
    """The process is killed: nothing handles this, and nothing more is written."""


class Steps:
    """Counts the operations that change a storage, and executes none after a chosen number."""

    def __init__(self, folder: Path, last: int | None = None) -> None:
        self._folder, self._last = str(folder), last
        self.count = 0

    def step(self) -> None:
        """An operation that is about to be executed."""
        if self._last is not None and self.count >= self._last:
            raise Killed
        self.count += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """A context in which operations are counted."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _LOCAL:
                patch.setattr(os, name, self._local(getattr(os, name)))
            for name in _OBJECTS:
                patch.setattr(Bucket, name, self._object(getattr(Bucket, name)))
            yield

    def _local(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(target: Any, *rest: Any, **options: Any) -> Any:
            path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)  # noqa: PTH115
            if path.startswith(self._folder):
                self.step()
            return operation(target, *rest, **options)

        return counted

    def _object(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.step()
            return operation(*arguments)

        return counted


def killed_run(job: TuneJob, storage: str, folder: Path, last: int | None = None) -> int:
    """Run a study in this process, and kill it after this many operations; returns how many it made."""
    killed = Steps(folder, last)
    with pytest.MonkeyPatch.context() as patch, suppress(Killed), killed.counting():
        # After each report, what would be written once a second at most.
        patch.setattr(Session, "flush_due", property(lambda _: True))
        run(job, storage=storage, note=lambda _: None)
    return killed.count


def _storage(kind: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """A storage of a kind within a folder."""
    if kind == "files":
        return str(folder / "studies")
    bucket = Bucket(folder / "bucket")
    patch.setattr("pipeline.storage.store.file_system", lambda uri: (bucket, uri.partition("://")[2]))
    return "bucket://studies"


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("kind", cases(("files", "objects"), ("files",)))
@pytest.mark.parametrize(
    ("name", "moments"),
    [
        ("asha", SOME),
        pytest.param("pbt", SOME, marks=pytest.mark.long),
        pytest.param("asha", MANY, marks=pytest.mark.long),
    ],
)
def test_a_driver_may_be_killed_before_any_operation(kind, name, moments, tmp_path, monkeypatch):
    """Before any operation a kill loses and leaves nothing: the study can be read and deleted, and resumes equally."""
    job = JOBS[name]
    storage = _storage(kind, tmp_path / "undisturbed", monkeypatch)
    count = killed_run(job, storage, tmp_path)
    wanted = load_results(Store(storage).folder(job.name).uri)
    for last in range(0, count, max(1, count // moments)):
        storage = _storage(kind, tmp_path / f"killed-{last}", monkeypatch)
        killed_run(job, storage, tmp_path, last)
        store = Store(storage).folder(job.name)
        if job.name in study_names(Store(storage)):
            load_results(store.uri)
            check_deletable(store)
        run(job, storage=storage, resume=True, note=lambda _: None)
        found = load_results(store.uri)
        assert (found.state, contradictions(found)) == ("ended", [])
        if not job.scheduler.exploits:
            assert differences(wanted, found) == [], last
        assert contents(store).untracked == [], last
        assert not [entry.path for entry in store.entries() if Path(entry.path).name.startswith(".")], last
        assert [len(store.files(table)) for table in ("epochs", "decisions")] == [1, 1], last
