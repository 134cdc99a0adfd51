"""When a program of Ray Tune ends its trials."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.tune import stopper

from pipeline import load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.stopping import Rules, ignored_rules, max_reports_of, seconds_of


def reports(stop: Any, metric: str = "acc", most: int = 20) -> int:
    """How many reports of 0.1, 0.2, … a trial makes."""
    rules = Rules(stop, "0001")
    ended = (
        number
        for number in range(1, most + 1)
        if rules.end_after({metric: number / 10, "text": "x", "eval": {metric: number / 10}})
    )
    return next(ended, most)


@pytest.mark.parametrize(
    ("stop", "count"),
    [
        (None, 20),
        ("DEPRECATED", 20),
        ({"acc": 0.55}, 6),
        ({"acc": 0.55, "training_iteration": 3}, 6),
        ({"other": 0}, 20),
        ({"eval/acc": 0.55}, 6),
        (lambda trial, result: trial == "0001" and result["acc"] > 0.3, 4),
        (lambda _, result: result["training_iteration"] >= 5 and result["text"] == "x", 5),
        (stopper.CombinedStopper(stopper.FunctionStopper(lambda _, result: result["acc"] > 0.75)), 8),
        ([stopper.MaximumIterationStopper(7), stopper.NoopStopper()], 7),
        (stopper.TrialPlateauStopper("acc", std=0.5, num_results=3, grace_period=4), 4),
        (stopper.ExperimentPlateauStopper("acc", std=100.0, top=2, patience=0), 20),
    ],
)
def test_rules_end_a_trial(stop: Any, count: int) -> None:
    """A bound, a function or a stopper ends a trial after its report; a stopper that compares trials does not."""
    assert reports(stop) == count
    # A trial that is replayed begins again.
    assert reports(stop) == count


def test_a_rule_counts_all_reports_of_a_trial_that_continues() -> None:
    """`training_iteration` counts on from the state with which a trial continues."""
    rules = Rules(lambda _, result: result["training_iteration"] >= 5, "0001", count=3)
    assert [rules.end_after({}) for _ in range(2)] == [False, True]


def test_limits_are_those_of_the_budget() -> None:
    """The longest trial and the longest study are read from a dict, from stoppers and from stoppers within others."""
    combined = stopper.CombinedStopper(stopper.MaximumIterationStopper(12), stopper.TimeoutStopper(60))
    assert (max_reports_of(combined), seconds_of(combined)) == (12, 60)
    assert (max_reports_of({"training_iteration": 3, "acc": 1}), seconds_of({"acc": 1})) == (3, None)
    assert (max_reports_of(lambda *_: False), seconds_of(None)) == (None, None)


def test_stoppers_that_compare_trials_are_named() -> None:
    """A stopper that compares trials is named, and others are not."""
    assert ignored_rules([stopper.ExperimentPlateauStopper("acc"), stopper.NoopStopper()]) == [
        "ExperimentPlateauStopper is ignored: a trial does not know the results of others."
    ]


def test_a_program_ends_its_trials(program: Callable[[str], str], tmp_path: Path) -> None:
    """A trial of a function or a class ends after the report that fulfils the rule of the program, with its state."""
    path = Path(program("rt_basic.py")).with_name("rt_stop.py")
    path.write_text(
        "import json, os, tempfile\n"
        "from ray import tune\n\n\n"
        "def train(config):\n"
        "    acc = 0.0\n"
        "    while True:\n"
        "        acc += config['rate']\n"
        "        with tempfile.TemporaryDirectory() as folder:\n"
        "            open(os.path.join(folder, 'acc.txt'), 'w').write(str(acc))\n"
        "            tune.report({'acc': acc}, checkpoint=tune.Checkpoint.from_directory(folder))\n\n\n"
        "class Train(tune.Trainable):\n"
        "    def setup(self, config):\n"
        "        self.acc = 0.0\n\n"
        "    def step(self):\n"
        "        self.acc += self.config['rate']\n"
        "        return {'acc': self.acc}\n\n\n"
        "tune.Tuner(TRAINABLE, param_space={'rate': tune.uniform(0.21, 0.24)},\n"
        "           run_config=tune.RunConfig(stop={'acc': 0.8}),\n"
        "           tune_config=tune.TuneConfig(metric='acc', mode='max', num_samples=2)).fit()\n"
    )
    text = path.read_text()
    for name in ("train", "Train"):
        path.write_text(text.replace("TRAINABLE", name))
        notes: list[str] = []
        job = from_file(str(path), "ray-tune", {"name": name.lower() * 2, "scheduler": "fifo"}, notes.append)
        run(job.replaced({"resources.workers": 0}), storage=tmp_path / name, note=lambda _: None)
        assert load_results(tmp_path / name / job.name).trials["epochs"].tolist() == [4, 4]
        assert notes == []


def test_a_report_may_end_its_trial() -> None:
    """A report that says `done` ends its trial, whatever the rules say."""
    assert [Rules(None, "0001").end_after({"done": done}) for done in (False, True)] == [False, True]
