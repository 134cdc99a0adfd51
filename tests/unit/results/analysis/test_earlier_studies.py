"""What a study gives to a later one, and how much earlier studies counted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Objective, TuneJob
from pipeline.errors import InvalidJob
from pipeline.results import Results
from pipeline.results.analysis.earlier_studies import EarlierCounts, earlier_counts, trials_to_learn_from
from pipeline.results.views.sentences import of_earlier
from pipeline.space import IntUniform, LogUniform
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.earlier_trials import write_earlier
from tests.unit.results.studies import SPACE


def function(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Stands in a job as its function, which is never called."""
    yield {}


def job(results: Results, **fields: Any) -> TuneJob:
    """A job that learns from a study."""
    defaults: dict[str, Any] = {"name": "later", "function": function, "space": SPACE, "learn_from": "a"}
    return TuneJob(**{**defaults, "objectives": results.objectives[:1], **fields})


def test_trials_have_some_points_of_their_curves(asha_results: Results) -> None:
    """A copied trial has at most five points of its curve, each with the loss that the study recorded."""
    later = job(asha_results)
    found = trials_to_learn_from(asha_results, later, "a")
    sign = -1 if later.objective.mode == "max" else 1
    rows = asha_results.epochs
    for trial in found.trials[:20]:
        mine = rows[(rows["trial_id"] == trial.trial_id) & (rows["epoch"] <= later.budget.epochs)]
        if not trial.failed:
            values = sign * mine[later.objective.metric].to_numpy()
            known = dict(zip(mine["epoch"].tolist(), values.tolist(), strict=True))
            assert trial.curve == tuple((epoch, known[epoch]) for epoch, _ in trial.curve)
            assert len(trial.curve) <= 5
    assert found.outside == 0
    assert found.missing == ()


def test_curves_reach_to_the_last_epoch_of_the_job(asha_results: Results) -> None:
    """A copied curve includes the last epoch that the job trains, and no later one of a longer study."""
    later = job(asha_results, budget={"epochs": 3})
    ends = {trial.curve[-1][0] for trial in trials_to_learn_from(asha_results, later, "a").trials if trial.curve}
    assert max(ends) == 3


def test_a_metric_that_the_study_lacks_is_replaced_by_its_own(asha_results: Results) -> None:
    """If a study has no values of the job's objective, the study's own objective is used."""
    later = job(asha_results, objectives=Objective("other", "min"))
    found = trials_to_learn_from(asha_results, later, "a")
    assert (found.metric, found.mode) == (asha_results.objective.metric, asha_results.objective.mode)


def test_no_more_than_the_largest_number_is_copied(asha_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a study has many trials, only a limited number is copied, with the best ones among them."""
    monkeypatch.setattr("pipeline.results.analysis.earlier_studies.MAX_TRIALS", 9)
    later = job(asha_results)
    found = trials_to_learn_from(asha_results, later, "a")
    assert len(found.trials) == 9 < found.of
    assert asha_results.best is not None
    assert asha_results.best.trial_id in {trial.trial_id for trial in found.trials}


def test_a_study_without_a_varied_parameter_in_common_is_refused(asha_results: Results) -> None:
    """A study whose trials do not differ in any parameter of the space is refused."""
    frame = asha_results.trials.assign(config_lr=0.01)
    same = replace(asha_results, trials=frame, epochs=asha_results.epochs.assign(config_lr=0.01))
    space = {"lr": LogUniform(1e-6, 10.0), "new": IntUniform(1, 3)}
    later = job(asha_results, space=space)
    assert trials_to_learn_from(asha_results, later, "a").missing == ("new",)
    with pytest.raises(InvalidJob, match="whose trials differ in a hyperparameter of this space: lr, new"):
        trials_to_learn_from(same, later, "a")


def test_a_study_of_the_same_trials_counts(asha_results: Results, tmp_path: Path) -> None:
    """A study reports a large factor for an earlier one with the same trials, and nothing without an earlier study."""
    later = job(asha_results, budget=asha_results.job["budget"])
    write_earlier(Store(tmp_path), [trials_to_learn_from(asha_results, later, "a")])
    fields = json.loads(json.dumps({**later.to_json(), "name": "mnist-asha"}))
    results = replace(asha_results, study={**asha_results.study, "job": fields}, location=str(tmp_path))
    (count,) = earlier_counts(results).studies
    assert (count.study, count.factor > 0.5) == ("a", True)
    assert np.isfinite(count.factor)
    assert earlier_counts(asha_results) == EarlierCounts()


@pytest.mark.parametrize(
    ("content", "why"), [(None, "is missing"), ("[", "is not JSON"), ("{}", "not what tunepipe wrote")]
)
def test_damaged_copies_are_said(asha_results: Results, tmp_path: Path, content: str | None, why: str) -> None:
    """If the copies of earlier trials cannot be read, a note gives the reason and no earlier study is counted."""
    if content is not None:
        (tmp_path / layout.EARLIER).write_text(content)
    fields = {**job(asha_results).to_json(), "name": "mnist-asha"}
    results = replace(asha_results, study={**asha_results.study, "job": fields}, location=str(tmp_path))
    counts = earlier_counts(results)
    assert counts.studies == ()
    assert why in counts.note
    assert of_earlier(counts) == counts.note
