"""The objective over updates and seconds."""

from typing import Any

import pytest

from pipeline.results import Results, captions, load_results, plots
from pipeline.results.plots.cost import COSTS, costs, has_costs
from pipeline.space import Grid
from tests.unit.results import studies


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two trials: 100 updates an epoch and 10."""
    root = tmp_path_factory.mktemp("batches")
    recording = studies.Recording(root, studies.tune_job("batches", space={"batch_size": Grid((8, 80))}))
    for trial, size, value in (("0000", 8, 0.9), ("0001", 80, 0.7)):
        recording.decide(trial, 0, "start", 0, config_after={"batch_size": size})
        for epoch in (1, 2):
            more = {"updates": 800 // size * epoch, "seconds_train": 80 / size}
            recording.train(trial, epoch, {"batch_size": size}, value + epoch / 100, epoch, **more)
        recording.decide(trial, 2, "finish", 3)
    recording.end(5)
    return load_results(root / "batches")


def test_costs_add_up_from_epoch_to_epoch(batches: Results) -> None:
    """Updates are the optimiser's count, seconds those of all epochs until then, each trial by itself."""
    rows = costs(batches)
    assert rows["updates"].tolist() == [100, 200, 10, 20]
    assert rows["seconds"].tolist() == [10, 20, 1, 2]


def test_only_studies_of_batch_sizes_have_the_picture(batches: Results, asha_results: Results) -> None:
    """Where all trials have the same batches, or nobody counted updates, curves by epoch say as much."""
    assert has_costs(batches)
    assert not has_costs(asha_results)


@pytest.mark.parametrize("cost", COSTS)
def test_a_line_for_each_trial_is_named_by_its_batch_size(batches: Results, drawn: Any, cost: str) -> None:
    """The axis is logarithmic, and each line ends at what the trial cost."""
    ax = drawn(plots.against_cost, batches, cost)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["8", "80"]
    assert [line.get_xdata()[-1] for line in ax.get_lines()] == ([200, 20] if cost == "updates" else [20, 2])


def test_the_caption_says_what_the_best_took(batches: Results) -> None:
    """With the range of all trials."""
    assert captions.of_cost(batches, "updates") == (
        "The best value took 200 updates of the weights; trials had between 20 and 200."
    )
