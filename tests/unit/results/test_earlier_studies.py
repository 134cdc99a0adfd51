"""What a study gives to a later one."""

from typing import Any

from pipeline.results import Results
from pipeline.results.analysis.earlier_studies import warm_start_configs
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform, fits
from tests.recorded_studies import SPACE


def best(results: Results, top: int) -> list[dict[str, Any]]:
    configs = configs_at_best(results)
    return [{n: v for n, v in configs[trial].items() if n != "epochs_warm"} for trial in ranked(results)[:top]]


def test_in_the_same_space_the_best_configs_are_complete(asha_results: Results) -> None:
    warm_start = warm_start_configs(asha_results, SPACE, 3, [])
    assert list(warm_start.trials) == ranked(asha_results)[:3]
    assert list(warm_start.configs) == best(asha_results, 3)
    assert list(warm_start.notes) == []


def test_values_outside_of_the_space_are_left_out_and_reported(asha_results: Results) -> None:
    first = best(asha_results, 1)[0]
    space = {"lr": LogUniform(first["lr"] * 2, 10.0), "optimizer": SPACE["optimizer"], "decay": Uniform(0, 1)}
    warm_start = warm_start_configs(asha_results, space, 1, [])
    assert list(warm_start.configs) == [{"optimizer": first["optimizer"]}]
    drawn, left_out = warm_start.notes
    assert "lr and decay" in drawn
    assert "momentum" in left_out


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
