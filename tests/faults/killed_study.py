"""Run a study while its processes are killed at random moments, and compare it with an undisturbed one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from pipeline import load_results
from pipeline.results import Results
from pipeline.schedulers import SCHEDULERS
from pipeline.storage import layout
from tests.faults.resumable_study import JOURNAL
from tests.processes import wait_for
from tests.study_comparison import comparable, contradictions, differences, where_both_trained

JOB = Path(__file__).with_name("resumable_study.py")
NAME = "resumable"
TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
_TIMEOUT_SECONDS = 600.0
"""Seconds in which something has to happen: an epoch, the end of a process."""

Victim = Literal["worker", "driver"]


class Line(NamedTuple):
    """A line of the journal: an epoch that a process has trained."""

    pid: int
    trial: str
    epoch: int


@dataclass
class Figures:
    """What was done to a study, and its results."""

    scheduler: str
    seed: int
    workers: int = 0
    drivers: int = 0
    epochs: int = 0
    again: int = 0
    lost: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether nothing was lost, left over or different."""
        return not (self.lost or self.differences or self.orphans or self.temporary)

    def __str__(self) -> str:
        rows = " + ".join(f"{count} {table}" for table, count in self.rows.items())
        kills = f"{self.workers + self.drivers} kills ({self.workers} workers, {self.drivers} drivers)"
        return (
            f"{self.scheduler}, seed {self.seed}: {kills}, "
            f"{self.epochs} epochs, {self.again} of them trained again, {self.lost} lost beyond the last checkpoint, "
            f"{rows} compared, "
            f"{len(self.differences)} differences, {len(self.orphans)} orphans, {len(self.temporary)} temporary files, "
            f"{self.seconds:.0f} s"
        )


@dataclass(frozen=True)
class _Kill:
    """A kill, and the state at that moment."""

    line: int
    trials: tuple[str, ...]
    checkpoints: Mapping[str, int]
    recorded: frozenset[tuple[str, int]]


class _Study:
    """One study in its own folder, which is run by successive processes."""

    def __init__(self, folder: Path, scheduler: str, trials: int, epochs: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.place = folder, folder / "studies" / NAME
        self.journal = folder / "journal"
        self.journal.touch()
        self._reported = folder / "reported"
        self._options = ["--scheduler", scheduler, "--trials", str(trials), "--epochs", str(epochs)]
        self.process: subprocess.Popen[bytes] | None = None
        self.orphans: list[str] = []

    def start(self, *, by_name: bool) -> None:
        """Start a driver: the first one, or one that resumes."""
        command = ["resume", NAME] if by_name else ["run", str(JOB), *self._options, "--resume"]
        with self._reported.open("ab") as reported:
            self.process = subprocess.Popen(
                [*TUNEPIPE, *command], cwd=self.folder, stdout=reported, stderr=reported,
                env={**os.environ, JOURNAL: str(self.journal), "PYTHONPATH": str(Path.cwd())},
            )  # fmt: skip

    def __enter__(self) -> "_Study":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def family(self) -> list[psutil.Process]:
        """The processes that the driver has started."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def finish(self) -> None:
        """Wait for the driver's end."""
        assert self.process is not None
        assert self.process.wait(timeout=20 * _TIMEOUT_SECONDS) == 0, self.reported()

    def reported(self) -> str:
        """The output of all drivers."""
        return self._reported.read_text()

    def lines(self) -> list[Line]:
        """The journal so far."""
        whole = self.journal.read_text().rpartition("\n")[0].splitlines()
        return [Line(int(pid), trial, int(epoch)) for pid, trial, epoch in (line.split() for line in whole)]

    def wait_for(self, epochs: int) -> None:
        """Wait until this many different epochs are trained."""
        wait_for(
            lambda: len({(line.trial, line.epoch) for line in self.lines()}) >= epochs,
            self.process,
            lambda: f"No training continues.\n{self.reported()}",
            seconds=_TIMEOUT_SECONDS,
        )

    def rest(self, seconds: float) -> None:
        """Wait for a time, unless the driver ends."""
        assert self.process is not None
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return

    def at_work(self) -> list[psutil.Process]:
        """The workers that are training now."""
        wanted = {line.pid for line in self.lines()[-4:]}
        return [each for each in self.family() if each.pid in wanted]

    def kill_worker(self, rng: random.Random) -> _Kill:
        """Kill one of the workers that are training; another one, if it ends by itself just then."""

        def killed() -> _Kill | None:
            victims = sorted(self.at_work(), key=lambda each: each.pid)
            for victim in rng.sample(victims, len(victims)):
                try:
                    victim.send_signal(signal.SIGSTOP)
                    kill = self._seen({victim.pid})
                    victim.kill()
                except psutil.NoSuchProcess:
                    continue
                return kill
            return None

        kill: _Kill = wait_for(
            killed, reported=lambda: f"No worker is training.\n{self.reported()}", seconds=_TIMEOUT_SECONDS
        )
        return kill

    def kill_driver(self) -> _Kill:
        """Kill the driver; the processes that it started must end by themselves."""
        assert self.process is not None
        children = self.family()
        self.process.send_signal(signal.SIGSTOP)
        kill = self._seen({line.pid for line in self.lines()})
        self.process.kill()
        self.process.wait()
        self.count_orphans(children)
        return kill

    def count_orphans(self, children: list[psutil.Process]) -> None:
        """Record which of a driver's processes still exist after a while."""
        _, alive = psutil.wait_procs(children, timeout=_TIMEOUT_SECONDS)
        self.orphans += [f"{each.pid} {each.name()}" for each in alive]

    def _seen(self, pids: set[int]) -> _Kill:
        # Checkpoints first: other workers train on meanwhile, and their next epochs are not trained again.
        folders = (self.place / "checkpoints").glob("*")
        listed = {each.name: max((int(file.stem) for file in each.glob("*.ckpt")), default=0) for each in folders}
        lines = self.lines()
        trials = {line.pid: line.trial for line in lines}
        results = load_results(self.place)
        names = {f"{row.config_lr!r}": str(row.trial_id) for row in results.trials.itertuples()}
        newest = {trial: listed.get(name, 0) for trial, name in names.items()}
        recorded = zip(results.epochs["trial_id"], results.epochs["epoch"], strict=True)
        return _Kill(
            len(lines), tuple(trials[pid] for pid in pids if pid in trials), newest, frozenset(recorded)
        )  # fmt: skip


def undisturbed_and_killed(
    folder: Path, *, kills: int, seed: int, trials: int, epochs: int, scheduler: str = "fifo"
) -> Figures:
    """Run the same study twice, once undisturbed, and compare."""
    shutil.rmtree(folder, ignore_errors=True)
    started = time.monotonic()
    with _Study(folder / "undisturbed", scheduler, trials, epochs) as undisturbed:
        undisturbed.start(by_name=False)
        undisturbed.finish()
    wanted = load_results(undisturbed.place)

    rng, figures = random.Random(seed), Figures(scheduler, seed)
    victims: list[Victim] = ["worker", "driver", *rng.choices(["worker", "driver"], [3, 1], k=max(0, kills - 2))]
    rng.shuffle(victims)
    # A scheduler that stops trials may train fewer epochs than in the undisturbed study.
    last = len(wanted.epochs) - 1 if scheduler == "fifo" else len(wanted.epochs) * 2 // 3
    moments = sorted(rng.sample(range(1, last), len(victims[:kills])))
    reported = []
    with _Study(folder / "killed", scheduler, trials, epochs) as study:
        study.start(by_name=False)
        for number, (victim, moment) in enumerate(zip(victims, moments, strict=False), 1):
            study.wait_for(moment)
            study.rest(rng.uniform(0, 0.4))
            print(f"kill {number} of {kills}: a {victim}, after {moment} epochs", file=sys.stderr)
            if victim == "worker":
                figures.workers += 1
                reported.append(study.kill_worker(rng))
            else:
                figures.drivers += 1
                reported.append(study.kill_driver())
                study.start(by_name=rng.random() < 0.5)
        children = study.family()
        study.finish()
        study.count_orphans(children)

    found = load_results(study.place)
    lines = study.lines()
    figures.epochs, figures.orphans = len(found.epochs), study.orphans
    figures.again = len(lines) - len({(line.trial, line.epoch) for line in lines})
    figures.lost = sum(_lost(kill, lines, found) for kill in reported)
    figures.temporary = [str(path) for path in study.place.rglob("*") if ".writing-" in path.name]
    figures.differences = contradictions(found)
    if scheduler == "fifo":
        tables = zip(("epochs", "trials", "decisions"), comparable(wanted), strict=True)
        figures.rows = {name: len(table) for name, table in tables}
        figures.differences += _different(wanted, found, undisturbed.place, study.place)
    elif SCHEDULERS[scheduler].exploits:
        figures.rows = {"epochs with what was decided about them": len(found.epochs)}
    else:
        one, other = where_both_trained(wanted, found)
        figures.rows = {"epochs that both have": len(one)}
        figures.differences += [] if one.equals(other) else [f"epochs: {one.compare(other)}"]
    figures.seconds = time.monotonic() - started
    return figures


def _lost(kill: _Kill, lines: list[Line], found: Results) -> int:
    """Epochs that were trained again although a checkpoint had them, and recorded rows that are missing.

    The journal knows a trial by the config that was drawn: what it trains under one that was explored is not counted.
    """
    after = {(line.trial, line.epoch) for line in lines[kill.line :]}
    again = [each for each in after if each[0] in kill.trials and each[1] <= kill.checkpoints.get(each[0], 0)]
    there = set(zip(found.epochs["trial_id"], found.epochs["epoch"], strict=True))
    return len(again) + len(kill.recorded - there)


def _different(wanted: Results, found: Results, one: Path, other: Path) -> list[str]:
    winners = [(place / layout.WINNER).read_text() for place in (one, other)]
    reported = [] if winners[0] == winners[1] else [f"the winner: {winners[0]} and {winners[1]}"]
    return differences(wanted, found) + reported
