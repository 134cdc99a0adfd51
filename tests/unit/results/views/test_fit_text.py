"""How a study's trials train, in words."""

from dataclasses import replace

import pytest

from pipeline.results import Results
from pipeline.results.views.fit_text import fit_arguments, fit_text, newest_way


@pytest.mark.parametrize(
    ("job", "arguments", "text"),
    [
        ({}, {}, ""),
        ({"fit": None}, {}, ""),
        ({"fit": {"validation_freq": 1, "class_weight": None, "shuffle": True}}, {}, ""),
        ({"fit": {"shuffle": False}}, {"shuffle": False}, "shuffle=false"),
        (
            {"fit": {"steps_per_epoch": 3, "class_weight": {"0": 1.0, "1": 2.5}}},
            {"steps_per_epoch": 3, "class_weight": {"0": 1.0, "1": 2.5}},
            'steps_per_epoch=3  class_weight={"0": 1.0, "1": 2.5}',
        ),
        (
            {"fit": {"class_weight": {"function": "job:weights", "sha256": "0"}}},
            {"class_weight": "weights(config)"},
            "class_weight=weights(config)",
        ),
    ],
)
def test_arguments_of_fit_are_printed_unless_they_are_the_defaults(job: dict, arguments: dict, text: str) -> None:
    """Arguments of fit are printed if they differ from the defaults, functions by name; old jobs have none."""
    assert fit_arguments(job) == arguments
    assert fit_text(job) == text


def test_the_newest_epoch_determines_how_a_trial_was_trained(asha_results: Results) -> None:
    """The printed way of training is that of the newest epoch, and is omitted for studies of earlier versions."""
    assert (
        newest_way(
            replace(asha_results, epochs=asha_results.epochs.drop(columns="trained_with", errors="ignore")), "0000"
        )
        is None
    )
    rows = asha_results.epochs
    mine = (rows["trial_id"] == "0000").to_numpy().nonzero()[0]
    ways = [None] * len(rows)
    ways[mine[0]], ways[mine[1]] = "compiled epochs", "fit"
    results = replace(asha_results, epochs=rows.assign(trained_with=ways))
    assert newest_way(results, "0000") == "fit"
    assert newest_way(results, "0001") is None
