"""What the tables say, on a study of successive halving and on a population; and why trials failed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.analysis import queries
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.queries import causes
from pipeline.results.views.comparison import compared
from pipeline.space import Choice, Switch, Uniform
from pipeline.text import first_line
from tests.extreme_studies import EDGES
from tests.recorded_studies import START, with_tables
from tests.small_studies import by_epoch_study, cut_off_study, of_function, one_epoch_study, user_stopped_study


def test_the_best_value_grows_over_epochs_and_seconds(asha_results: Results) -> None:
    rows = queries.progress(asha_results).to_pylist()
    assert len(rows) == asha_results.table("epochs").num_rows
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(rows))
    assert rows[-1]["best"] == asha_results.best.value  # type: ignore[union-attr]
    rises = queries.rises(asha_results)["best"].to_pylist()
    assert all(before < after for before, after in pairwise(rises))
    assert rises[-1] == rows[-1]["best"]


def test_each_rung_counts_the_trials_that_were_stopped_there(asha_results: Results) -> None:
    first, *_ = queries.rungs(asha_results).to_pylist()
    assert first["rung"] == 1
    stopped = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert first["stopped"] == (stopped["rung"] == 1).sum()


@pytest.mark.parametrize(("study", "by", "saved"), [
    (lambda root: cut_off_study(root, compared=False), {"comparison": 0, "user": 0, "end": 2}, 0),
    (lambda root: cut_off_study(root, compared=True), {"comparison": 1, "user": 0, "end": 1}, 2),
    (user_stopped_study, {"comparison": 0, "user": 1, "end": 0}, 0),
])  # fmt: skip
def test_only_stops_by_comparison_save_epochs(study: object, by: dict[str, int], saved: int, tmp_path: Path) -> None:
    counts = queries.trial_counts(study(tmp_path))  # type: ignore[operator]
    assert counts.stopped == by
    assert counts.saved == saved


def test_saved_seconds_are_those_of_steady_epochs(tmp_path: Path) -> None:
    curves = [[0.1 * n, 0.1 * n + 0.05, 0.1 * n + 0.1, 0.1 * n + 0.2] for n in range(6)]
    counts = queries.trial_counts(by_epoch_study(tmp_path, [*curves, [0.55], [0.45]], epochs=4))
    assert (counts.saved, counts.whole) == (6, 32)
    # The first epoch, with its build, does not count; the others take 0.31, 0.27 and 0.29 s, and 0.05 s of validation.
    assert counts.saved_seconds == pytest.approx(6 * (0.29 + 0.05))
    unknown = queries.trial_counts(by_epoch_study(tmp_path / "one", [[0.5], [0.4], [0.3]], epochs=9))
    assert (unknown.saved, unknown.saved_seconds) == (24, None)


def test_the_best_model_is_traced_to_its_ancestors(pbt_results: Results, asha_results: Results) -> None:
    assert queries.exploits(pbt_results).num_rows == (pbt_results.decisions["kind"] == "exploit").sum()
    assert queries.ancestry(pbt_results) == [
        {"trial_id": "0002", "after": 0, "until": 16},
        {"trial_id": "0006", "after": 16, "until": 18},
    ]
    assert queries.ancestry(with_tables(asha_results, trials=asha_results.trials.head(0))) == []
    circle = pbt_results.decisions.assign(parent_trial="0006", parent_epoch=18)
    assert queries.ancestry(with_tables(pbt_results, decisions=circle))


def test_effort_is_the_sum_of_all_phases_and_the_idle_rest(asha_results: Results) -> None:
    two = [session.model_copy(update={"workers": 2}) for session in asha_results.sessions]
    spent = queries.effort(replace(asha_results, sessions=two))
    assert spent["train"] == pytest.approx(asha_results.epochs["seconds_train"].sum())
    assert sum(spent.values()) == pytest.approx(2 * asha_results.seconds)


def test_changes_and_decisions_of_users_are_found(asha_results: Results) -> None:
    later = asha_results.sessions[0].model_copy(update={"number": 2, "data_changes": ["other rows"]})
    (change,) = queries.changes(replace(asha_results, sessions=[*asha_results.sessions, later]))
    assert change == {"session": 2, "kind": "data", "changes": ["other rows"]}
    assert queries.study_decisions(asha_results)["kind"].to_pylist() == ["stop", "budget"]


def test_failures_are_grouped_by_their_message_and_the_line_of_the_users_code(tmp_path: Path) -> None:
    def raised(error: str, line: int) -> str:
        return (
            f'{error}\n\nTraceback (most recent call last):\n  File "/home/me/net.py", line {line}, in build\n    …\n'
        )

    failed = load_results(EDGES["all_failed"](tmp_path).store.uri, now=START)
    errors = [raised("ValueError: units 3", 7), raised("ValueError: units 4", 9), raised("ValueError: units 14", 7)]
    found = causes(with_tables(failed, trials=failed.trials.assign(error=errors)))
    assert [(cause.what, cause.where, list(cause.trials)) for cause in found] == [
        ("ValueError: units 3", "net.py:7 in build", ["0000", "0002"]),
        ("ValueError: units 4", "net.py:9 in build", ["0001"]),
    ]


@pytest.mark.parametrize(("reported", "line"), [
    ("ValueError: Too wide.\nmore", "ValueError: Too wide."),
    ("ValueError:\n\nTraceback (most recent call last):\n  x", "ValueError:"),
    ("Traceback (most recent call last):\n  x\nKeyError: 'a'", "KeyError: 'a'"),
    (
        "ValueError: Exception encountered when calling A.call().\n\n\x1b[1mToo wide.\x1b[0m\n\nArguments received",
        "ValueError: Exception encountered when calling A.call(). Too wide.",
    ),
    (
        "InvalidArgumentError: Graph execution error:\n\nDetected at node loss defined at (most recent call):\n"
        f"<stack traces unavailable>\nReceived a label of 2 outside of [0, 2).  Label values: {'0 1 2 ' * 40}\n\t"
        " [[{{node loss}}]] [Op:__inference_1]\n\nTraceback (most recent call):",
        "InvalidArgumentError: Graph execution error: Received a label of 2 outside of [0, 2).",
    ),
    (
        "ResourceExhaustedError: {{function_node __wrapped__Uniform_CPU:0}} OOM of CPU:0 [Op:Uniform] name: ",
        "ResourceExhaustedError: OOM of CPU:0",
    ),
])  # fmt: skip
def test_an_error_is_one_line_without_names_of_operations(reported: str, line: str) -> None:
    assert first_line(reported) == line


LOW = np.random.default_rng(0).uniform(0.1, 0.2, 20)


def tables(**studies: Results) -> dict[str, Any]:
    return {table.name: table.as_object() for table in compared(studies).tables}


def test_the_expected_best_is_the_mean_over_all_draws(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(12)
    studies = tables(a=one_epoch_study(tmp_path, "a", values), b=one_epoch_study(tmp_path, "b", values))["studies"]
    assert studies["expected_of_trials"] == 6
    drawn = np.random.default_rng(1).choice(values, (100_000, 6)).max(axis=1).mean()
    assert studies["rows"][0]["expected_best"] == pytest.approx(drawn, abs=0.003)


def test_a_clear_difference_is_reported_and_an_unclear_one_is_not(tmp_path: Path) -> None:
    values = {"a": LOW + 0.5, "b": LOW, "c": LOW}
    found = tables(**{name: one_epoch_study(tmp_path, name, each) for name, each in values.items()})
    apart = {tuple(one["studies"]): one for one in found["differences"]["rows"]}
    assert apart["a", "b"]["interval"][0] > 0.4
    assert apart["a", "b"]["ahead"] == pytest.approx(0.5)
    low, high = apart["b", "c"]["interval"]
    assert low < 0 < high
    assert (apart["a", "b"]["better"], apart["b", "c"]["better"]) == ("yes", "undetermined")


def test_studies_are_compared_at_the_epochs_of_the_shortest(tmp_path: Path) -> None:
    found = tables(a=one_epoch_study(tmp_path, "a", [0.1, 0.2, 0.9]), b=one_epoch_study(tmp_path, "b", [0.3, 0.1]))
    assert list(found) == ["studies"]
    assert (found["studies"]["level_epochs"], found["studies"]["expected_of_trials"]) == (2, 0)
    assert [row["best_at_level"] for row in found["studies"]["rows"]] == [0.2, 0.3]
    empty = tables(a=one_epoch_study(tmp_path, "c", []), b=one_epoch_study(tmp_path, "d", [0.5] * 6))
    assert [row["best"] for row in empty["studies"]["rows"]] == [None, 0.5]


def test_one_study_and_different_objectives_are_refused(tmp_path: Path) -> None:
    one = one_epoch_study(tmp_path, "a", [0.1])
    with pytest.raises(UsageError, match="found 1"):
        compared({"a": one})
    with pytest.raises(UsageError, match=r"a uses val_accuracy \(max\); b uses accuracy \(max\)"):
        compared({"a": one, "b": one_epoch_study(tmp_path, "b", [0.1], metric="accuracy")})


def test_studies_of_different_data_are_not_compared(tmp_path: Path) -> None:
    a, b = one_epoch_study(tmp_path, "a", LOW + 0.5), one_epoch_study(tmp_path, "b", LOW)
    assert compared({"a": a, "b": b}).warning == ""
    changed = [b.sessions[0].model_copy(update={"data_changes": ["other rows"]})]
    for other in (
        replace(b, study={**b.study, "job": {**b.job, "folds": 3}}),
        replace(b, study={**b.study, "job": {**b.job, "repeats": 3}}),
        replace(b, study={**b.study, "job": {**b.job, "data": "digits"}}),
        replace(b, sessions=changed),
    ):
        found = compared({"a": a, "b": other})
        assert [table.name for table in found.tables] == ["studies"]
        assert len(found.tables[0].facts["problems"]) == 1
        assert found.warning


@pytest.mark.parametrize(("early", "at"), [({}, None), ({"y": 3, "z": 3}, 3)])
def test_shares_come_near_the_known_ones_also_if_trials_are_stopped(
    tmp_path: Path, early: Mapping[str, int], at: int | None
) -> None:
    stops: Any = {"stopped_at": lambda c: early.get(c["c"]), "epochs": 9}
    (found,) = importances(of_function(tmp_path, lambda c: 4 * c["a"] + (c["c"] == "x"), **stops))
    assert found.epoch == at
    shares = {effect.names[0]: effect for effect in found.effects}
    assert [effect.names[0] for effect in found.effects[:2]] == ["a", "c"]
    assert shares["a"].share == pytest.approx(0.86, abs=0.07)
    assert shares["c"].share == pytest.approx(0.14, abs=0.07)
    assert shares["a"].low <= shares["a"].share <= shares["a"].high
    assert shares["idle"].share < 0.02
    assert found.r_squared > 0.9


def test_a_tenth_of_stopped_trials_is_left_out(tmp_path: Path) -> None:
    early = iter([1, 1])
    stopped: Any = {"stopped_at": lambda _: next(early, None), "epochs": 9}
    (found,) = importances(of_function(tmp_path, lambda c: c["a"], trials=20, **stopped))
    assert found.epoch is None


def test_interactions_are_distinct_from_single_effects(tmp_path: Path) -> None:
    space = {"a": Uniform(0.0, 1.0), "c": Choice(("x", "y"))}
    way = {"x": 1, "y": -1}
    (found,) = importances(of_function(tmp_path, lambda c: (c["a"] - 0.5) * way[c["c"]], trials=300, space=space))
    assert list(found.pairs[0].names) == ["a", "c"]
    assert found.pairs[0].share > 0.7
    assert max(effect.share for effect in found.effects) < 0.2


def test_noise_alone_is_not_explained(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    (found,) = importances(of_function(tmp_path, lambda _: float(rng.normal()), trials=60))
    assert (found.effects, bool(found.note)) == ((), True)
    assert found.r_squared < 0.1 or found.low <= 0


@pytest.mark.parametrize(("trials", "value", "c", "why"), [
    (8, lambda c: c["a"], '["x", "y", "z"]', "Too few trials with a value: 8; at least 12"),
    (20, lambda _: 1.0, '["x", "y", "z"]', "All 20 trials have the same"),
    (700, lambda c: c["a"], '["u", "v"]', "Too few trials with a value: 0; at least 12"),
])  # fmt: skip
def test_an_unknown_importance_has_a_reason(tmp_path: Path, trials: int, value: Any, c: str, why: str) -> None:
    study = Path(of_function(tmp_path, value, trials=trials).location, "study.json")
    study.write_text(study.read_text().replace('["x", "y", "z"]', c))
    (found,) = importances(load_results(study.parent))
    assert (found.effects, found.pairs, why in found.note) == ((), (), True)


@pytest.mark.parametrize(("value", "clipped"), [
    pytest.param(
        lambda config: 1e30 if config["idle"] > 0.97 else config["a"], True, id="diverged", marks=pytest.mark.long
    ),
    pytest.param(
        lambda config: 0.02 if config["a"] < 0.88 else 0.7, False, id="a minority is poor", marks=pytest.mark.long
    ),
    pytest.param(lambda config: 0.02 if config["a"] < 0.5 else 1e300, False, id="no float holds the squares"),
])  # fmt: skip
def test_extreme_values_do_not_drown_the_others(
    tmp_path: Path, value: Callable[[Mapping[str, Any]], float], clipped: bool
) -> None:
    (found,) = importances(of_function(tmp_path, value))
    assert (found.clipped > 0) == clipped
    assert found.effects[0].names[0] == "a"
    assert 0.5 < found.effects[0].share <= 1


def test_parameters_of_a_branch_are_looked_at_among_its_trials(tmp_path: Path) -> None:
    space = {"a": Uniform(0.0, 1.0), "way": Switch({"one": {"inner": Uniform(0.0, 1.0)}, "two": {}})}
    found = importances(
        of_function(tmp_path, lambda c: 3 + c["inner"] if c["way"] == "one" else 0.2 * c["a"], space=space)
    )  # fmt: skip
    everyone, inside = found
    assert everyone.when == ()
    assert everyone.effects[0].names[0] == "way"
    assert inside.when == (("way", "one"),)
    assert inside.trials < everyone.trials == 150
    assert [effect.names[0] for effect in inside.effects] == ["inner"]
    assert inside.effects[0].share > 0.85
