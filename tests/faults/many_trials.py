"""Run a study of many light trials while its driver is killed, and compare it with an undisturbed one.

Trials run one after the other in the driver's process, so that ASHA decides the same in both studies.
"""

import os
import random
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline import load_results
from tests.faults.light_study import JOURNAL
from tests.processes import TUNEPIPE, started, wait_for
from tests.study_comparison import comparable, contradictions, differences

JOB = Path(__file__).with_name("light_study.py")
NAME = "light"
_TIMEOUT_SECONDS = 3600.0
"""Seconds within which a driver reaches the moment of its kill."""


@dataclass(frozen=True)
class Figures:
    """What the two studies were, and how they differ."""

    trials: int
    kills: tuple[int, ...]
    """How many trials had begun at each kill, those that began again included."""
    sessions: int
    """How many sessions have recorded epochs."""
    rows: dict[str, int]
    differences: list[str]
    temporary: list[str]
    seconds: tuple[float, ...]
    """Of the undisturbed driver, and of each driver of the other study."""
    megabytes: float
    """The most memory that a driver held."""

    @property
    def whole(self) -> bool:
        """Whether nothing was lost, left over or different."""
        return not (self.differences or self.temporary)

    def __str__(self) -> str:
        undisturbed, *drivers = self.seconds
        rows = " + ".join(f"{count:,} {table}" for table, count in self.rows.items())
        return (
            f"{self.trials:,} trials: the driver was killed after {' and '.join(f'{kill:,}' for kill in self.kills)} "
            f"trials had begun, {self.sessions} sessions have recorded epochs, {rows} compared, "
            f"{len(self.differences)} differences, {len(self.temporary)} temporary files; undisturbed "
            f"{undisturbed:.0f} s, killed {' + '.join(f'{seconds:.0f}' for seconds in drivers)} s, a driver held up to "
            f"{self.megabytes:.0f} MB"
        )


class _Study:
    """One study in its own folder, which successive drivers run."""

    def __init__(self, folder: Path, trials: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.place = folder, folder / "studies" / NAME
        self._journal, self._output = folder / "journal", folder / "output"
        self._journal.touch()
        self._command = [*TUNEPIPE, "run", str(JOB), "--workers", "0", "--trials", str(trials), "--resume"]
        self.seconds: list[float] = []
        self.megabytes = 0.0

    def drive(self, *, until: int | None = None) -> None:
        """Run a driver to its end, or kill it when this many trials have begun."""
        environment = {**os.environ, JOURNAL: str(self._journal), "PYTHONPATH": str(Path.cwd())}
        began = time.monotonic()
        with self._output.open("ab") as output:
            driver = started(self._command, cwd=self.folder, stdout=output, stderr=output, env=environment)
        try:
            if until is not None:
                wait_for(
                    lambda: self._journal.stat().st_size >= until,
                    driver,
                    self._output.read_text,
                    seconds=_TIMEOUT_SECONDS,
                )
                driver.kill()
        except BaseException:
            driver.kill()
            raise
        finally:
            _, status, used = os.wait4(driver.pid, 0)
            driver.returncode = os.waitstatus_to_exitcode(status)
        assert until is not None or driver.returncode == 0, self._output.read_text()
        self.seconds.append(time.monotonic() - began)
        self.megabytes = max(self.megabytes, used.ru_maxrss / 1e3)


def undisturbed_and_killed_driver(folder: Path, *, trials: int, kills: int, seed: int) -> Figures:
    """Run the same study twice, once undisturbed, and compare."""
    shutil.rmtree(folder, ignore_errors=True)
    undisturbed, killed = _Study(folder / "undisturbed", trials), _Study(folder / "killed", trials)
    undisturbed.drive()
    moments = sorted(random.Random(seed).sample(range(1, trials), kills))
    for number, moment in enumerate(moments, 1):
        print(f"kill {number} of {kills}: after {moment:,} trials", file=sys.stderr)
        killed.drive(until=moment)
    killed.drive()
    wanted, found = load_results(undisturbed.place), load_results(killed.place)
    tables = zip(("epochs", "trials", "decisions"), comparable(wanted), strict=True)
    return Figures(
        trials=trials,
        kills=tuple(moments),
        sessions=found.epochs["session"].nunique(),
        rows={name: len(table) for name, table in tables},
        differences=contradictions(found) + differences(wanted, found),
        temporary=[str(path) for path in killed.place.rglob("*") if ".writing-" in path.name],
        seconds=(*undisturbed.seconds, *killed.seconds),
        megabytes=max(undisturbed.megabytes, killed.megabytes),
    )
