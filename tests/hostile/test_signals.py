"""Ctrl-C and SIGTERM at any epoch of a study in this process: it ends after that epoch, and a resume loses nothing."""

import random
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline import Budget, Choice, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import Interrupted
from pipeline.schedulers import SCHEDULERS
from tests.cases import cases
from tests.processes import receiving_signals
from tests.study_comparison import contradictions, differences

SIGNALS = {
    "SIGINT": [signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT twice": [signal.SIGINT] * 2,
    "SIGTERM, then SIGINT": [signal.SIGTERM, signal.SIGINT],
}
TAKES_OVER = ("pbt",)
"""Schedulers that hand weights from trial to trial, which a function has none of."""

EPOCHS = 8


@dataclass
class Plan:
    """The signals and their times, and the trained epochs, which the jobs report."""

    at: int = 0
    signals: list[signal.Signals] = field(default_factory=list)
    epochs: int = 0

    def epoch(self) -> None:
        """Record that an epoch is being trained."""
        self.epochs += 1
        if self.epochs == self.at:
            for each in self.signals:
                signal.raise_signal(each)


PLAN = Plan()


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    with receiving_signals():
        yield


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Crossing curves: trials that lead early do not lead at the end."""
    for step in range(1, EPOCHS + 1):
        PLAN.epoch()
        yield {"score": config["x"] * step ** config["power"]}


def function_job(scheduler: str) -> TuneJob:
    """Trials of a function."""
    return TuneJob(
        name="s",
        function=climb,
        space={"x": Uniform(0.5, 1), "power": Choice([0.2, 0.5, 1.0])},
        objectives=[Objective("score", "max")],
        scheduler=scheduler,
        budget=Budget(trials=9, epochs=EPOCHS),
        resources={"workers": 0},
    )


def trained_undisturbed(job: TuneJob, storage: Any) -> int:
    """Run a study without signals; returns how many epochs the job has reported."""
    PLAN.__init__()
    run(job, storage=storage, note=lambda _: None)
    return PLAN.epochs


def interrupted(job: TuneJob, storage: Any, at: int, signals: list[signal.Signals], *, resume: bool) -> bool:
    """Run or resume a study, and signal it in the epoch `at`; returns whether that epoch came."""
    PLAN.__init__(at, signals)
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    ended = ""
    try:
        run(job, storage=storage, resume=resume, note=lambda _: None)
    except Interrupted as error:
        ended = str(error)
    assert bool(ended) == (PLAN.epochs >= at), "the signal was swallowed, or came from nowhere"
    # A function that continues is replayed from its first step before the next epoch.
    assert PLAN.epochs < at + EPOCHS, "it has trained on"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    return bool(ended)


def compared_with_undisturbed(job: TuneJob, folder: Any, rounds: list[tuple[int, list[signal.Signals]]]) -> int:
    """Interrupt a study in each round, let it end, and compare its tables with undisturbed ones."""
    times = 0
    for at, signals in rounds:
        begun = (folder / "s/study.json").exists()
        if not interrupted(job, folder, at, signals, resume=begun):
            break
        times += 1
        if (folder / "s").exists():
            left = load_results(folder / "s")
            assert left.state == "interrupted"
            assert len(left.epochs)
            assert set(left.trials["state"]) <= {"paused", "completed", "stopped"}
    PLAN.__init__()
    run(job, storage=folder, resume=(folder / "s/study.json").exists(), note=lambda _: None)
    found = load_results(folder / "s")
    assert contradictions(found) == []
    assert differences(load_results(folder.parent / "undisturbed/s"), found) == []
    assert not [path for path in folder.rglob("*") if ".writing-" in path.name]
    return times


@pytest.mark.parametrize(
    "scheduler", cases([name for name in SCHEDULERS if name not in TAKES_OVER], ("promoting-asha",))
)
def test_a_study_interrupted_at_any_epoch_continues_to_the_same_tables(scheduler, tmp_path, fuzz_size):
    job, rng = function_job(scheduler), random.Random(scheduler)
    epochs = trained_undisturbed(job, tmp_path / "undisturbed")
    times = 0
    for turn in range(fuzz_size):
        names = [rng.choice(list(SIGNALS)) for _ in range(rng.randint(1, 3))]
        rounds = [(rng.randint(1, epochs), SIGNALS[name]) for name in names]
        times += compared_with_undisturbed(job, tmp_path / f"{turn}", rounds)
    assert times >= fuzz_size


def test_an_ignored_signal_is_still_ignored(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = function_job("fifo").replaced({"budget.trials": 2})
    PLAN.__init__(3, [signal.SIGINT])
    run(job, storage=tmp_path / "ignored", note=lambda _: None)
    assert PLAN.epochs == 2 * EPOCHS
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert interrupted(job, tmp_path, 3, SIGNALS["SIGTERM"], resume=False)
