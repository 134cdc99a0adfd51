"""The objective over updates and seconds."""

import pytest

from pipeline.results import Results, plots
from pipeline.results.analysis.queries import COSTS
from tests.unit.results.plots.drawing import drawn


@pytest.mark.parametrize("cost", COSTS)
def test_a_line_for_each_trial_is_named_by_its_batch_size(batches: Results, cost: str) -> None:
    """Each trial's line ends at the trial's cost on a logarithmic axis and is labelled with its batch size."""
    ax = drawn(plots.against_cost, batches, cost)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["8", "80"]
    assert [line.get_xdata()[-1] for line in ax.get_lines()] == ([200, 20] if cost == "updates" else [20, 2])
