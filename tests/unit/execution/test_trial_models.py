"""Models of trials, rebuilt from their checkpoints."""

import pytest

from pipeline import load_model, run
from pipeline.errors import DataError, JobNotFound, ModelError
from pipeline.execution.trial_models import TrialModels
from tests.unit.execution.three_trials import JOB


def test_the_assignment_of_a_trial_is_that_of_its_best_epoch(tuned_store):
    """The assignment finishes the trial's best epoch with its seed and config; an unknown trial is an error."""
    models = TrialModels(tuned_store)
    best = models.assignment(None)
    assert (best.trial_id, best.value) == (models.results.best.trial_id, models.results.best.value)
    assert models.assignment(best.trial_id) == best
    with pytest.raises(JobNotFound, match="no trial '0009'"):
        models.assignment("0009")


@pytest.mark.long
def test_an_export_that_needs_missing_data_reports_why(gone, tmp_path):
    """If a fit on all training rows or build_model needs missing data, the error reports why."""
    module, rows = gone
    job = JOB.replaced({"model": module.build_model, "data": module.data, "budget.trials": 1})
    run(job.replaced({"folds": 2}), storage=tmp_path, name="folds", note=lambda _: None)
    run(job.replaced({"model": module.reading}), storage=tmp_path, name="reading", note=lambda _: None)
    rows.unlink()
    with pytest.raises(DataError, match="has folds, so a trial's model is trained again on the whole training split"):
        load_model(tmp_path / "folds", trial=0)
    with pytest.raises(ModelError, match="Files that build_model reads must still exist, unchanged"):
        load_model(tmp_path / "reading", trial=0)
