"""Schedulers and searchers of Ray Tune's by their class paths; no Ray is started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import (
    Budget,
    Choice,
    Objective,
    RayScheduler,
    RaySearch,
    Switch,
    TuneJob,
    Uniform,
    load_results,
    run,
)
from pipeline.errors import InvalidJob, NotResumable
from pipeline.execution.preflight.exactness import exactness_finding
from pipeline.execution.preflight.finding import TrainingFacts
from pipeline.storage import Store
from pipeline.study import load_study
from tests.unit.execution.rising_job import rising_job

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2}),
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2, "hard_stop": False}),
        (ASHA, {"grace_period": 1, "reduction_factor": 2}),
        ("ray.tune.schedulers.FIFOScheduler", {}),
    ],
)
def test_a_study_ends_as_under_a_native_scheduler(tmp_path: Path, path: str, settings: dict[str, Any]) -> None:
    """Under a Ray scheduler every trial runs once within the budget, and each decision names its origin."""
    theirs = rising_job(space={"a": Uniform(0, 1)}, scheduler={"kind": path, **settings}, start_with=[{"a": 0.99}])
    run(theirs, storage=tmp_path)
    results = load_results(tmp_path / "theirs")
    assert results.state == "finished"
    assert results.trials["state"].value_counts()["failed"] >= 1
    assert set(results.trials["state"]) <= {"completed", "stopped", "failed"}
    assert results.trials["epochs"].max() == 6
    usable = results.trials[results.trials["state"] != "failed"]
    assert results.best is not None
    assert results.best.config["a"] == usable["config_a"].max()
    reported = results.decisions[results.decisions["kind"].isin(["stop", "pause"])]["reason"]
    assert set(reported) <= {f"decided by {path}, which gives no reason"}
    assert reported.empty == ("FIFO" in path)
    kinds = set(results.decisions["kind"])
    assert ({"pause", "resume"} <= kinds) == (settings.get("hard_stop") is False)


def test_paused_trials_continue_when_no_other_is_left(tmp_path: Path) -> None:
    """Paused trials continue only after all configs are drawn, as in Ray, and then all are trained."""
    settings = {"grace_period": 1, "min_samples_required": 2, "hard_stop": False}
    run(rising_job(scheduler={"kind": MEDIAN, **settings}), storage=tmp_path)
    results = load_results(tmp_path / "theirs")
    assert results.trials["epochs"].to_list() == [6] * 12
    kinds = results.decisions["kind"].to_list()
    assert kinds.index("resume") > len(kinds) - kinds[::-1].index("start") - 1


def test_a_mistake_is_reported_before_anything_starts(tmp_path: Path) -> None:
    """A mistake in a class's settings is reported before anything is written."""
    with pytest.raises(InvalidJob, match=r"scheduler: .*did you mean MedianStoppingRule"):
        run(rising_job(scheduler="ray.tune.schedulers.MedianStopping"), storage=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({"scheduler": "ray.elsewhere.X"}, "scheduler.kind: must be the path of a class in ray.tune.schedulers"),
        ({"scheduler": "ray.tune.schedulers"}, "scheduler.kind: must be the path of a class"),
        ({"searcher": "ray.tune.schedulers.X"}, "searcher.kind: must be the path of a class in ray.tune.search"),
        ({"scheduler": {"kind": ASHA, "settings": 3}}, "scheduler.settings: "),
        (
            {"searcher": OPTUNA, "space": {"s": Switch({"x": {}, "y": {}})}},
            "searcher: .*not support Switch, and the space has s",
        ),
    ],
)
def test_a_job_accepts_only_classes_of_ray_tune(fields: dict[str, Any], reported: str) -> None:
    """A job may name only classes of Ray Tune, so that a study.json imports nothing else."""
    with pytest.raises(InvalidJob, match=reported):
        rising_job(**fields)


def test_settings_are_written_beside_the_path() -> None:
    """Settings in Python, as JSON and by --set, one after the other, make the same job."""
    one = rising_job(scheduler=RayScheduler(ASHA, {"grace_period": 2}), searcher=RaySearch(OPTUNA, {"seed": 3}))
    other = rising_job(scheduler={"kind": ASHA, "grace_period": 2}, searcher={"kind": OPTUNA, "settings": {"seed": 3}})
    third = rising_job().replaced(
        {"scheduler.grace_period": 2, "scheduler": ASHA, "searcher": OPTUNA, "searcher.seed": 3}
    )
    assert one == other == third == TuneJob.from_json(one.to_json())
    assert one.replaced({"scheduler.max_t": 9}).scheduler == RayScheduler(ASHA, {"grace_period": 2, "max_t": 9})


def test_a_study_with_a_ray_searcher_is_not_resumed(tmp_path: Path) -> None:
    """A study with a class of Ray Tune is not resumed, the error names a remedy, and a check warns about it."""
    run(rising_job(scheduler=ASHA), storage=tmp_path)
    assert run(rising_job(scheduler=ASHA), storage=tmp_path, resume=True).finished_before
    with pytest.raises(NotResumable, match=f"the state of {ASHA} cannot be saved.*--start-from theirs"):
        run(rising_job(scheduler=ASHA, budget=Budget(trials=20, epochs=6)), storage=tmp_path, resume=True)
    assert len(load_results(tmp_path / "theirs").trials) == 12
    assert load_study(Store(tmp_path).folder("theirs")).scheduler == RayScheduler(ASHA)
    finding = exactness_finding(rising_job(searcher=OPTUNA), TrainingFacts("0000", {}, {}))
    assert (finding.level, OPTUNA in finding.found) == ("warning", True)


@pytest.mark.parametrize(("metric", "mode"), [("score", "max"), ("cost", "min")])
def test_a_searcher_learns(tmp_path: Path, metric: str, mode: str) -> None:
    """A Ray searcher learns from its draws, from initial configs and from failures, and draws better configs."""
    theirs = rising_job(
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


def stacked(config: Mapping[str, Any]) -> dict[str, float]:
    """A function whose score is the number of layers, and which changes its config."""
    layers = config["layers"]
    if layers is not None:
        layers.append(0)
    return {"score": float(len(layers or []))}


@pytest.mark.parametrize("scheduler", ["fifo", MEDIAN])
def test_lists_go_through_rays_classes(scheduler: str, tmp_path: Path) -> None:
    """Lists, None and dicts pass through a Ray searcher unchanged, even in initial configs."""
    space = {"layers": Choice([None, [8], [16, 8]]), "u": Uniform(0, 1)}
    start = {"layers": [16, 8], "u": 0.5}
    study = TuneJob(
        name="lists", function=stacked, space=space, objectives=Objective("score", "max"), scheduler=scheduler,
        searcher=OPTUNA, start_with=[start, start], budget=Budget(trials=12, epochs=1),
    ).replaced({"resources.workers": 0})  # fmt: skip
    run(study, storage=tmp_path)
    results = load_results(tmp_path / "lists")
    assert results.best is not None
    assert results.best.config["layers"] == [16, 8]
    assert set(results.trials["config_layers"]) == {"null", "[8]", "[16, 8]"}
    assert list(results.trials["config_u"]).count(0.5) == 1
