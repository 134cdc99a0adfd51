"""A driver that is killed before any single operation on its storage, in this process."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.execution.driver.session import Session
from pipeline.study import TuneJob
from tests.bucket import Bucket

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


@contextmanager
def often_flushed() -> Iterator[None]:
    """A context in which a driver writes after each report what it would write once a second at most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "flush_due", property(lambda _: True))
        yield


def killed_run(job: TuneJob, storage: str, folder: Path, last: int | None = None) -> int:
    """Run a study in this process, and kill it after this many operations; returns how many it made."""
    steps = Steps(folder, last)
    try:
        with often_flushed(), steps.counting():
            run(job, storage=storage, note=lambda _: None)
    except Killed:
        pass
    return steps.count
