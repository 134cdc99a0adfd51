"""Decisions as rows."""

from typing import get_args

from pipeline.engine.decision_rows import DecisionRow, StudyKind, decision_row, exploit_rows, study_row
from pipeline.engine.trial import Trial
from pipeline.schedulers import Decision
from pipeline.storage.schema import STUDY_DECISIONS


def test_a_decision_is_a_row_of_its_trial() -> None:
    """A decision's row has the trial's epoch and value, and the scheduler's reason unless another one is given."""
    trial = Trial("0003", {"x": 0.5}, 0, epoch=4, value=0.25)
    decision = Decision("stop", "0.25 is below 0.5", rung=4, cutoff=0.5)
    row = DecisionRow("0003", 4, "stop", "0.25 is below 0.5", rung=4, cutoff=0.5, value=0.25)
    assert decision_row(trial, "stop", decision) == row
    assert (
        decision_row(trial, "finish", decision, "All its epochs are trained.").reason == "All its epochs are trained."
    )


def test_a_decision_about_the_study_has_no_trial() -> None:
    """A decision about the whole study is a row without a trial and an epoch, of a kind that the schema allows."""
    row = study_row("budget", "A user changed the budget.")
    assert (row.trial_id, row.epoch, row.kind, row.reason) == (None, None, "budget", "A user changed the budget.")
    assert get_args(StudyKind) == STUDY_DECISIONS


def test_an_exploit_is_two_rows() -> None:
    """An exploit has two rows: the donor's weights under the donor's config, then the explored config."""
    trial = Trial("0003", {"x": 0.5}, 0, epoch=4, value=0.25)
    decision = Decision(
        "exploit",
        "takes over",
        parent_trial="0001",
        parent_epoch=6,
        parent_config={"x": 0.2},
        config={"x": 0.24},
        explored="x 0.2 → 0.24",
    )
    exploit, explore = exploit_rows(trial, decision)
    assert (exploit.kind, exploit.reason, exploit.value) == ("exploit", "takes over", 0.25)
    assert (exploit.parent_trial, exploit.parent_epoch) == ("0001", 6)
    assert (exploit.config_before, exploit.config_after) == ({"x": 0.5}, {"x": 0.2})
    assert (explore.kind, explore.reason, explore.epoch) == ("explore", "x 0.2 → 0.24", 4)
    assert (explore.config_before, explore.config_after) == ({"x": 0.2}, {"x": 0.24})
