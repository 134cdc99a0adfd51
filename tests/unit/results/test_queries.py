"""What the tables say, on a study of successive halving and on a population; and why trials failed."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis import queries
from pipeline.results.analysis.queries import causes, first_line
from tests.extreme_studies import EDGES
from tests.recorded_studies import START, with_tables
from tests.small_studies import by_epoch_study, cut_off_study, user_stopped_study


def test_the_best_value_grows_over_epochs_and_seconds(asha_results: Results) -> None:
    rows = queries.progress(asha_results).to_pylist()
    assert [row["epochs"] for row in rows] == list(range(1, asha_results.table("epochs").num_rows + 1))
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(rows))
    assert rows[-1]["best"] == asha_results.best.value  # type: ignore[union-attr]
    rises = queries.rises(asha_results)["best"].to_pylist()
    assert all(before < after for before, after in pairwise(rises))
    assert rises[-1] == rows[-1]["best"]


def test_every_trial_that_trained_to_a_rung_was_compared_there(asha_results: Results) -> None:
    first, *_ = queries.rungs(asha_results).to_pylist()
    assert first["rung"] == 1
    stopped = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert first["stopped"] == (stopped["rung"] == 1).sum()


@pytest.mark.parametrize(
    ("study", "by", "saved"),
    [
        (lambda root: cut_off_study(root, compared=False), {"comparison": 0, "user": 0, "end": 2}, 0),
        (lambda root: cut_off_study(root, compared=True), {"comparison": 1, "user": 0, "end": 1}, 2),
        (user_stopped_study, {"comparison": 0, "user": 1, "end": 0}, 0),
    ],
)
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


def test_the_best_model_is_traced_to_its_ancestors(population: Results, asha_results: Results) -> None:
    assert queries.exploits(population).num_rows == 1
    assert queries.ancestry(population) == [
        {"trial_id": "0001", "after": 0, "until": 2},
        {"trial_id": "0000", "after": 2, "until": 4},
    ]
    assert queries.ancestry(with_tables(asha_results, trials=asha_results.trials.head(0))) == []


def test_effort_is_the_sum_of_all_phases_and_the_idle_rest(asha_results: Results) -> None:
    two = [{**session, "workers": 2} for session in asha_results.sessions]
    spent = queries.effort(replace(asha_results, sessions=two))
    assert spent["train"] == pytest.approx(asha_results.epochs["seconds_train"].sum())
    assert sum(spent.values()) == pytest.approx(2 * asha_results.seconds)


def test_changes_and_decisions_of_users_are_found(asha_results: Results) -> None:
    later = {**asha_results.sessions[0], "number": 2, "data_changes": ["other rows"]}
    (change,) = queries.changes(replace(asha_results, sessions=[*asha_results.sessions, later]))
    assert change == {"session": 2, "kind": "data", "changes": ["other rows"]}
    assert queries.study_decisions(asha_results)["kind"].to_pylist() == ["pause", "budget"]


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


@pytest.mark.parametrize(
    ("reported", "line"),
    [
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
    ],
)
def test_an_error_is_one_line_without_names_of_operations(reported: str, line: str) -> None:
    assert first_line(reported) == line
