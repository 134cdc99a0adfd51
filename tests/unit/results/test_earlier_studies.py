"""What a study gives to a later one."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Objective, TuneJob
from pipeline.errors import InvalidJob
from pipeline.results import Results
from pipeline.results.analysis.earlier_studies import trials_to_learn_from, warm_start_configs
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform, fits
from tests.unit.results.studies import SPACE, with_tables


def function(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {}


def job(results: Results, **fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {"name": "later", "function": function, "space": SPACE, "learn_from": "a"}
    return TuneJob(**{**defaults, "objectives": results.objectives[:1], **fields})


def test_trials_have_some_points_of_their_curves(asha_results: Results) -> None:
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
    later = job(asha_results, budget={"epochs": 3})
    ends = {trial.curve[-1][0] for trial in trials_to_learn_from(asha_results, later, "a").trials if trial.curve}
    assert max(ends) == 3


def test_a_metric_that_the_study_lacks_is_replaced_by_its_own(asha_results: Results) -> None:
    later = job(asha_results, objectives=Objective("other", "min"))
    found = trials_to_learn_from(asha_results, later, "a")
    assert (found.metric, found.mode) == (asha_results.objective.metric, asha_results.objective.mode)


def test_no_more_than_the_largest_number_is_copied(asha_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.results.analysis.earlier_studies.MAX_TRIALS", 9)
    later = job(asha_results)
    found = trials_to_learn_from(asha_results, later, "a")
    assert len(found.trials) == 9 < found.of
    assert asha_results.best is not None
    assert asha_results.best.trial_id in {trial.trial_id for trial in found.trials}


def test_a_study_without_a_varied_parameter_in_common_is_refused(asha_results: Results) -> None:
    frame = asha_results.trials.assign(config_lr=0.01)
    same = with_tables(asha_results, trials=frame, epochs=asha_results.epochs.assign(config_lr=0.01))
    space = {"lr": LogUniform(1e-6, 10.0), "new": IntUniform(1, 3)}
    later = job(asha_results, space=space)
    assert trials_to_learn_from(asha_results, later, "a").missing == ("new",)
    with pytest.raises(InvalidJob, match="whose trials differ in a hyperparameter of this space: lr, new"):
        trials_to_learn_from(same, later, "a")


def best(results: Results, top: int) -> list[dict[str, Any]]:
    configs = configs_at_best(results)
    return [{n: v for n, v in configs[trial].items() if n != "epochs_warm"} for trial in ranked(results)[:top]]


def test_in_the_same_space_the_best_configs_are_complete(asha_results: Results) -> None:
    warm_start = warm_start_configs(asha_results, SPACE, 3, [])
    assert list(warm_start.trials) == ranked(asha_results)[:3]
    assert list(warm_start.configs) == best(asha_results, 3)
    assert list(warm_start.notes) == []


def test_failed_trials_and_those_without_a_value_are_never_used(asha_results: Results) -> None:
    warm_start = warm_start_configs(asha_results, SPACE, 10_000, [])
    rows = asha_results.trials
    usable = rows[(rows["state"] != "failed") & rows["objective"].notna()]
    assert set(warm_start.trials) == set(usable["trial_id"])
    assert len(usable) < len(rows)


def test_values_outside_of_the_space_are_left_out_and_reported(asha_results: Results) -> None:
    first = best(asha_results, 1)[0]
    space = {"lr": LogUniform(first["lr"] * 2, 10.0), "optimizer": SPACE["optimizer"], "decay": Uniform(0, 1)}
    warm_start = warm_start_configs(asha_results, space, 1, [])
    assert list(warm_start.configs) == [{"optimizer": first["optimizer"]}]
    drawn, left_out = warm_start.notes
    assert f"of trial {warm_start.trials[0]}" in drawn
    assert "decay" in drawn
    assert "momentum" in left_out


def test_a_config_without_usable_values_is_skipped(asha_results: Results) -> None:
    first, second = best(asha_results, 2)
    low, high = sorted([first["lr"], second["lr"]])
    space = {"lr": LogUniform(1e-9, high) if first["lr"] == high else LogUniform(low * 1.0001, 10.0)}
    warm_start = warm_start_configs(asha_results, space, 1, [])
    assert list(warm_start.configs) == [{"lr": second["lr"]}]


def test_each_config_is_used_once(asha_results: Results) -> None:
    space = {"optimizer": SPACE["optimizer"]}
    warm_start = warm_start_configs(asha_results, space, 3, [])
    assert len({config["optimizer"] for config in warm_start.configs}) == len(warm_start.configs) <= 3
    given = [warm_start.configs[0]]
    assert warm_start.configs[0] not in warm_start_configs(asha_results, space, 3, given).configs


def test_values_become_what_the_new_domain_draws(asha_results: Results) -> None:
    first = best(asha_results, 1)[0]
    space = {
        "units": Choice([float(first["units"]), 7.5]),
        "optimizer": Switch({first["optimizer"]: {"momentum": Uniform(0.0, 1.0)}, "other": {"lr": Uniform(0, 1)}}),
    }
    (config,) = warm_start_configs(asha_results, space, 1, []).configs
    assert config == {"units": float(first["units"]), "optimizer": first["optimizer"], "momentum": first["momentum"]}
    assert type(config["units"]) is float
    whole = warm_start_configs(asha_results, {"units": IntUniform(1, 10_000)}, 1, []).configs[0]
    assert type(whole["units"]) is int
    assert fits({"units": IntUniform(1, 10_000)}, whole)
