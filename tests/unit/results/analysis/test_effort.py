"""What the workers' time was spent on."""

import pytest

from pipeline.results import Results
from pipeline.results.analysis.effort import effort


def test_effort_adds_up_the_seconds_of_all_workers(asha_results: Results) -> None:
    """Busy and idle seconds of all workers add up to the study's seconds times the number of workers."""
    spent = effort(asha_results)
    columns = [f"seconds_{phase}" for phase in ("build", "train", "evaluate", "checkpoint")]
    assert spent.busy == pytest.approx(asha_results.epochs[columns].to_numpy().sum())
    assert spent.workers == 2
    assert spent.busy + spent.idle == pytest.approx(2 * asha_results.seconds)
