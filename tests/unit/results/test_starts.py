"""The best configs of one study in another one's space."""

from typing import Any

from pipeline.results import Results
from pipeline.results.leaderboard import configs_at_best, ranked
from pipeline.results.starts import best_starts
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform, fits
from tests.unit.results.studies import SPACE


def best(results: Results, top: int) -> list[dict[str, Any]]:
    """The configs of the best trials, without what the space fixes."""
    configs = configs_at_best(results)
    return [{n: v for n, v in configs[trial].items() if n != "epochs_warm"} for trial in ranked(results)[:top]]


def test_in_the_same_space_the_best_configs_come_whole(asha_results: Results) -> None:
    """The best first, each as it was drawn, without what the space fixes; nothing is to be told."""
    starts = best_starts(asha_results, SPACE, 3, [])
    assert list(starts.trials) == ranked(asha_results)[:3]
    assert list(starts.configs) == best(asha_results, 3)
    assert list(starts.told) == []


def test_failed_trials_and_those_without_a_value_are_never_among_them(asha_results: Results) -> None:
    """However many are asked for."""
    starts = best_starts(asha_results, SPACE, 10_000, [])
    rows = asha_results.trials
    usable = rows[(rows["state"] != "failed") & rows["objective"].notna()]
    assert set(starts.trials) == set(usable["trial_id"])
    assert len(usable) < len(rows)


def test_what_lies_outside_is_left_out_and_told(asha_results: Results) -> None:
    """A value beyond its domain with its trial, parameters that only one of the spaces has by their names."""
    first = best(asha_results, 1)[0]
    space = {"lr": LogUniform(first["lr"] * 2, 10.0), "optimizer": SPACE["optimizer"], "decay": Uniform(0, 1)}
    starts = best_starts(asha_results, space, 1, [])
    assert list(starts.configs) == [{"optimizer": first["optimizer"]}]
    assert [told.split(":")[0] for told in starts.told] == [
        "Outside this space, and drawn instead",
        "Not in these configs, and drawn",
        "Not in this space, and left out",
    ]
    assert f"of trial {starts.trials[0]}" in starts.told[0]
    assert starts.told[1].endswith(": decay.")
    assert "momentum" in starts.told[2]


def test_a_config_of_which_nothing_is_left_is_passed_over(asha_results: Results) -> None:
    """The next best take its place, and it is told whose it was."""
    first, second = best(asha_results, 2)
    low, high = sorted([first["lr"], second["lr"]])
    space = {"lr": LogUniform(1e-9, high) if first["lr"] == high else LogUniform(low * 1.0001, 10.0)}
    starts = best_starts(asha_results, space, 1, [])
    assert list(starts.configs) == [{"lr": second["lr"]}]
    assert any("passed over" in told and ranked(asha_results)[0] in told for told in starts.told)


def test_a_config_comes_once(asha_results: Results) -> None:
    """Neither twice among them nor beside one that is given anyway: the next best follow."""
    space = {"optimizer": SPACE["optimizer"]}
    starts = best_starts(asha_results, space, 3, [])
    assert len({config["optimizer"] for config in starts.configs}) == len(starts.configs) <= 3
    given = [starts.configs[0]]
    assert starts.configs[0] not in best_starts(asha_results, space, 3, given).configs


def test_values_become_what_the_new_domain_draws(asha_results: Results) -> None:
    """A whole number of another domain is a choice's own value, a switch takes what its branch has."""
    first = best(asha_results, 1)[0]
    space = {
        "units": Choice([float(first["units"]), 7.5]),
        "optimizer": Switch({first["optimizer"]: {"momentum": Uniform(0.0, 1.0)}, "other": {"lr": Uniform(0, 1)}}),
    }
    (config,) = best_starts(asha_results, space, 1, []).configs
    assert config == {"units": float(first["units"]), "optimizer": first["optimizer"], "momentum": first["momentum"]}
    assert type(config["units"]) is float
    whole = best_starts(asha_results, {"units": IntUniform(1, 10_000)}, 1, []).configs[0]
    assert type(whole["units"]) is int
    assert fits({"units": IntUniform(1, 10_000)}, whole)
