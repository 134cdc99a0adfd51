"""A storage that fails, or a signal, in any write of a study: complete tables are left, or no study."""

import errno
import os
import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import TunepipeError
from tests.cases import cases
from tests.processes import receiving_signals
from tests.study_comparison import contradictions, differences

FAULTS = ("full from then on", "one error", "SIGINT", "SIGTERM", "two signals")


def doubled(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A function of two epochs."""
    yield {"score": config["x"]}
    yield {"score": config["x"] * 2}


JOB = TuneJob(
    name="s",
    function=doubled,
    space={"x": Uniform(0, 1)},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    budget=Budget(trials=3, epochs=2),
    resources={"workers": 0},
)


class Disk:
    """Counts the writes of a study, and lets one of them fail."""

    def __init__(self, fault: str | None = None, at: int = 0) -> None:
        self.writes, self._fault, self._at = 0, fault, at

    def written(self) -> None:
        """Count a write."""
        self.writes += 1
        if self._fault == "full from then on" and self.writes >= self._at:
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.writes == self._at:
            if self._fault == "one error":
                raise OSError(errno.EIO, "Input/output error")
            names = {"SIGINT": ["SIGINT"], "SIGTERM": ["SIGTERM"], "two signals": ["SIGINT", "SIGTERM"]}
            for name in names.get(self._fault or "", ()):
                signal.raise_signal(signal.Signals[name])


def _run_on(disk: Disk, storage: Path) -> None:
    """Run the study; its errors are tunepipe's own, or the signal that was sent after its end."""
    with pytest.MonkeyPatch.context() as patches, receiving_signals(), suppress(TunepipeError, KeyboardInterrupt):
        # Each file but a log is synced once.
        patches.setattr(os, "fsync", lambda _: disk.written())
        run(JOB, storage=storage, note=lambda _: None)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The storage of an undisturbed study, and the number of its writes."""
    storage, disk = tmp_path_factory.mktemp("undisturbed"), Disk()
    _run_on(disk, storage)
    return storage, disk.writes


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("fault", cases(FAULTS, FAULTS[:1]))
def test_a_study_survives_a_fault_in_any_write(
    fault: str, undisturbed: tuple[Path, int], tmp_path: Path, fuzz_size: int
) -> None:
    """After a fault in any write, the study is gone and its name free, or it resumes to equal tables."""
    storage, writes = undisturbed
    assert writes > 8
    draws = random.Random(fault)
    for at in sorted(draws.sample(range(1, writes + 1), min(writes, 2 * fuzz_size))):
        folder = tmp_path / str(at)
        _run_on(Disk(fault, at), folder)
        if begun := (folder / "s").exists():
            left = load_results(folder / "s")
            assert left.state != "running", at
            assert len(left.epochs) or list((folder / "s/checkpoints").rglob("*.ckpt")), at
        run(JOB, storage=folder, resume=begun, note=lambda _: None)
        found = load_results(folder / "s")
        assert found.state == "ended", at
        assert contradictions(found) == []
        assert differences(load_results(storage / "s"), found) == [], at
