"""Schedulers and searchers of Ray Tune's by their class paths; no Ray is started."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import (
    Budget,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    MedianStopping,
    Objective,
    QUniform,
    RayScheduler,
    RaySearch,
    Switch,
    TuneJob,
    Uniform,
    load_results,
    run,
)
from pipeline.course.trial import Trial
from pipeline.errors import InvalidJob, NotResumable
from pipeline.execution.foreign_scheduler import ForeignScheduler
from pipeline.execution.foreign_searcher import ForeignSearcher
from pipeline.execution.preflight.check import Preflight
from pipeline.execution.preflight.classes import classes_finding
from pipeline.execution.preflight.finding import Trained
from pipeline.execution.preflight.judging import exactness_finding
from pipeline.schedulers import Scheduler, Setting
from pipeline.space import fits
from pipeline.storage import Store
from pipeline.study import load_study
from pipeline.study.drawing import config_of_trial

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"

ALL_KINDS = {
    "a": Uniform(0, 1),
    "b": LogUniform(1e-3, 1.0),
    "c": IntUniform(2, 5),
    "d": IntUniform(1, 64, log=True),
    "e": QUniform(0.1, 0.9, 0.2),
    "f": Choice(["x", 2, True]),
    "g": Grid([2, 4]),
    "h": 7,
}


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """The larger a, the better, from the first epoch on; beyond 0.95 it breaks."""
    for step in range(1, 10):
        if config["a"] > 0.95:
            raise ValueError("too much")
        yield {"score": config["a"] * step, "cost": -config["a"] * step}


def job(**fields: Any) -> TuneJob:
    """Twelve trials in this process."""
    defaults: dict[str, Any] = {
        "name": "theirs",
        "function": rising,
        "space": {"a": Uniform(0, 0.9)},
        "objectives": Objective("score", "max"),
        "budget": Budget(trials=12, epochs=6),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


def played(scheduler: Scheduler, curves: np.ndarray, next_milestone: Any) -> list[tuple[int, str]]:
    """Each curve played to its end, one after the other: the epoch at which it ended, and why."""
    ends = []
    for index, curve in enumerate(curves):
        trial = f"{index:04d}"
        scheduler.add(trial, {})
        scheduler.start(trial)
        for epoch, value in enumerate(curve, start=1):
            assert next_milestone(epoch - 1, len(curve)) == epoch
            action = scheduler.report(trial, epoch, float(value)).action
            if action == "stop":
                break
        scheduler.end(trial)
        ends.append((epoch, action))
    return ends


@pytest.mark.parametrize("mode", ["max", "min"])
def test_rays_median_rule_decides_as_the_same_rule_of_ours(mode: str) -> None:
    """On the same curves, one trial at a time: the study tells it metric, mode and epochs."""
    curves = np.cumsum(np.random.default_rng(4).normal(0.1, 1.0, (40, 9)), axis=1)
    setting = Setting({}, mode, 9, 40, 0)
    theirs = RayScheduler(MEDIAN, {"grace_period": 2, "min_samples_required": 3})
    ours = MedianStopping(grace_period=2, min_samples_required=3)
    found = played(ForeignScheduler(theirs, setting), curves, theirs.next_milestone)
    assert found == played(ours.build(setting), curves, ours.next_milestone)
    assert {action for _, action in found} == {"stop", "continue"}


def test_a_report_again_is_not_told_again() -> None:
    """After a lost worker a trial reports epochs a second time."""
    scheduler = ForeignScheduler(RayScheduler(ASHA), Setting({}, "max", 6, 3, 0))
    for trial, value in (("0000", 0.9), ("0001", 0.1)):
        scheduler.add(trial, {})
        scheduler.start(trial)
        decision = scheduler.report(trial, 1, value)
    assert decision.action == "stop"
    assert decision.reason == f"decided by {ASHA}, which tells no reason"
    assert scheduler.report("0000", 1, 0.0).action == "continue"
    scheduler.end("0001")
    scheduler.end("0000")


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2}),
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2, "hard_stop": False}),
        (ASHA, {"grace_period": 1, "reduction_factor": 2}),
        ("ray.tune.schedulers.FIFOScheduler", {}),
    ],
)
def test_a_study_ends_as_under_a_scheduler_of_ours(tmp_path: Path, path: str, settings: dict[str, Any]) -> None:
    """Every trial once, within the budget, the winner right, each decision with who made it; failures harm nobody."""
    theirs = job(space={"a": Uniform(0, 1)}, scheduler={"kind": path, **settings}, start_with=[{"a": 0.99}])
    run(theirs, storage=tmp_path)
    results = load_results(tmp_path / "theirs")
    assert results.state == "finished"
    assert results.trials["state"].value_counts()["failed"] >= 1
    assert set(results.trials["state"]) <= {"completed", "stopped", "failed"}
    assert results.trials["epochs"].max() == 6
    usable = results.trials[results.trials["state"] != "failed"]
    assert results.best is not None
    assert results.best.config["a"] == usable["config_a"].max()
    told = results.decisions[results.decisions["kind"].isin(["stop", "pause"])]["reason"]
    assert set(told) <= {f"decided by {path}, which tells no reason"}
    assert told.empty == ("FIFO" in path)
    kinds = set(results.decisions["kind"])
    assert ({"pause", "resume"} <= kinds) == (settings.get("hard_stop") is False)


def test_paused_trials_go_on_when_no_other_is_left(tmp_path: Path) -> None:
    """As Ray's rule has it: all are drawn before one that was paused goes on, and then all are trained."""
    settings = {"grace_period": 1, "min_samples_required": 2, "hard_stop": False}
    run(job(scheduler={"kind": MEDIAN, **settings}), storage=tmp_path)
    results = load_results(tmp_path / "theirs")
    assert results.trials["epochs"].to_list() == [6] * 12
    kinds = results.decisions["kind"].to_list()
    assert kinds.index("resume") > len(kinds) - kinds[::-1].index("start") - 1


MISTAKES = [
    ({"scheduler": "ray.tune.schedulers.MedianStopping"}, "scheduler: .*did you mean MedianStoppingRule"),
    ({"scheduler": "ray.tune.schedulers.nowhere.X"}, "scheduler: must be a class of Ray Tune that can be imported"),
    ({"scheduler": "ray.tune.schedulers.create_scheduler"}, "scheduler: must be a TrialScheduler of Ray Tune"),
    ({"scheduler": {"kind": MEDIAN, "metric": "x"}}, "scheduler.metric: must be left out: the study sets it"),
    ({"scheduler": {"kind": MEDIAN, "gracep": 1}}, "scheduler.gracep: no such setting; .*did you mean grace_period"),
    ({"scheduler": {"kind": ASHA, "grace_period": 100}}, "scheduler: .*grace_period must be <= max_t"),
    ({"scheduler": "ray.tune.schedulers.HyperBandScheduler"}, "scheduler: .*take hyperband"),
    ({"scheduler": "ray.tune.schedulers.HyperBandForBOHB"}, "scheduler: .*take hyperband"),
    ({"scheduler": "ray.tune.schedulers.PopulationBasedTraining"}, "scheduler: .*take pbt or pb2"),
    ({"scheduler": "ray.tune.schedulers.ResourceChangingScheduler"}, "scheduler: .*resources stay as the job says"),
    ({"searcher": "ray.tune.search.BasicVariantGenerator"}, "searcher: must be a Searcher of Ray Tune"),
    ({"searcher": "ray.tune.search.ConcurrencyLimiter"}, "searcher: .*how many trials run at once"),
    ({"searcher": {"kind": OPTUNA, "space": {}}}, "searcher.space: must be left out: the study sets it"),
    ({"searcher": {"kind": OPTUNA, "sampler": "tpe"}}, "searcher: must work here, and it says: AssertionError"),
]


@pytest.mark.parametrize(("fields", "told"), MISTAKES)
def test_a_mistake_is_told_before_anything_starts(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    """No such class, settings it does not take, or one that needs more of Tune: nothing is written."""
    wrong = job(**fields)
    with pytest.raises(InvalidJob, match=told):
        run(wrong, storage=tmp_path)
    assert list(tmp_path.iterdir()) == []
    found = classes_finding(wrong)
    assert found is not None
    assert found.level == "fault"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scheduler": "ray.elsewhere.X"}, "scheduler.kind: must be the path of a class in ray.tune.schedulers"),
        ({"scheduler": "ray.tune.schedulers"}, "scheduler.kind: must be the path of a class"),
        ({"searcher": "ray.tune.schedulers.X"}, "searcher.kind: must be the path of a class in ray.tune.search"),
        ({"scheduler": {"kind": ASHA, "settings": 3}}, "scheduler.settings: "),
        (
            {"searcher": OPTUNA, "space": {"s": Switch({"x": {}, "y": {}})}},
            "searcher: .*no Switch, and there is s",
        ),
    ],
)
def test_a_job_takes_only_classes_of_ray_tunes(fields: dict[str, Any], told: str) -> None:
    """Whatever a study.json names: nothing else is ever imported for it."""
    with pytest.raises(InvalidJob, match=told):
        job(**fields)


def test_a_check_trains_nothing_under_a_class_that_cannot_be_used(tmp_path: Path) -> None:
    """The class is the one fault; what training would tell is not looked at."""
    wrong, told = job(scheduler="ray.tune.schedulers.Nope"), list[str]()
    preflight = Preflight(
        wrong, tmp_path, resume=False, accept_changes=False, address=None, seconds=60, note=told.append
    )
    findings = {finding.name: finding for finding in preflight.findings()}
    assert [name for name, finding in findings.items() if finding.level == "fault"] == ["classes"]
    assert {name for name, finding in findings.items() if not finding.looked} >= {"epoch", "resume", "time"}


def test_settings_are_written_beside_the_path() -> None:
    """In Python, as JSON and by --set, one after the other; all the same job."""
    one = job(scheduler=RayScheduler(ASHA, {"grace_period": 2}), searcher=RaySearch(OPTUNA, {"seed": 3}))
    other = job(scheduler={"kind": ASHA, "grace_period": 2}, searcher={"kind": OPTUNA, "settings": {"seed": 3}})
    third = job().replaced({"scheduler.grace_period": 2, "scheduler": ASHA, "searcher": OPTUNA, "searcher.seed": 3})
    assert one == other == third == TuneJob.from_json(one.to_json())
    assert one.replaced({"scheduler.max_t": 9}).scheduler == RayScheduler(ASHA, {"grace_period": 2, "max_t": 9})


def test_a_study_of_theirs_is_not_resumed(tmp_path: Path) -> None:
    """What they know is lost: refused with what can be done, warned of by a check; a finished one is left as it is."""
    run(job(scheduler=ASHA), storage=tmp_path)
    assert run(job(scheduler=ASHA), storage=tmp_path, resume=True).already
    with pytest.raises(NotResumable, match=f"what {ASHA} knows cannot be saved.*--start-from theirs"):
        run(job(scheduler=ASHA, budget=Budget(trials=20, epochs=6)), storage=tmp_path, resume=True)
    assert len(load_results(tmp_path / "theirs").trials) == 12
    assert load_study(Store(tmp_path).folder("theirs")).scheduler == RayScheduler(ASHA)
    found = exactness_finding(job(searcher=OPTUNA), Trained("0000", {}, {}))
    assert (found.level, OPTUNA in found.found) == ("warning", True)
    assert classes_finding(job()) is None
    usable = classes_finding(job(scheduler=ASHA, searcher=OPTUNA))
    assert usable is not None
    assert usable.level == "ok"


def test_where_nothing_is_trained_there_are_none() -> None:
    """What plays a study without Ray refuses them as a person's mistake."""
    with pytest.raises(InvalidJob, match="scheduler: must be a scheduler of tunepipe's own"):
        RayScheduler(ASHA).build(Setting({}, "max", 6, 3, 0))
    with pytest.raises(InvalidJob, match="searcher: must be a searcher of tunepipe's own"):
        config_of_trial(job(searcher=OPTUNA), 0)


def test_a_searcher_draws_from_every_kind_of_domain() -> None:
    """Configs lie in the space, of the types that its own draws have, constants included, the same by the seed."""
    theirs = job(space=ALL_KINDS, searcher=OPTUNA)
    searcher = ForeignSearcher(RaySearch(OPTUNA), theirs)
    configs = [searcher.draw(index, []) for index in range(40)]
    assert all(config is not None and fits(ALL_KINDS, config) for config in configs)
    assert {(type(config["c"]), type(config["f"]), type(config["g"])) for config in configs if config} == {
        (int, kind, int) for kind in (str, int, bool)
    }
    assert {round(config["e"], 9) for config in configs if config} == {0.2, 0.4, 0.6, 0.8}
    again = ForeignSearcher(RaySearch(OPTUNA), theirs)
    assert [again.draw(index, []) for index in range(40)] == configs


@pytest.mark.parametrize(("metric", "mode"), [("score", "max"), ("cost", "min")])
def test_a_searcher_learns(tmp_path: Path, metric: str, mode: str) -> None:
    """From what it drew, from what the study starts with, and that failures are poor: it draws ever better ones."""
    theirs = job(
        space={"a": Uniform(0, 1)},
        objectives=Objective(metric, mode),
        scheduler="fifo",
        searcher=OPTUNA,
        start_with=[{"a": 0.9}, {"a": 0.99}],
        budget=Budget(trials=40, epochs=2, max_failed_trials=20),
    )
    run(theirs, storage=tmp_path)
    drawn = load_results(tmp_path / "theirs").trials["config_a"].to_numpy()
    assert drawn[:2].tolist() == [0.9, 0.99]
    assert np.mean(drawn[25:]) > np.mean(drawn[2:12]) + 0.15


class _Deaf:
    """What a searcher does that has no more to draw."""

    def suggest(self, trial_id: str) -> str:
        return "FINISHED"

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a trial that lives was told of")


def test_a_searcher_that_has_no_more_ends_the_study_without_an_error() -> None:
    """It is told only of trials that have ended."""
    searcher = ForeignSearcher(RaySearch(OPTUNA), job(searcher=OPTUNA))
    searcher._asked = _Deaf()
    assert searcher.draw(1, [Trial("0000", {"a": 0.5}, 0, state="running")]) is None
