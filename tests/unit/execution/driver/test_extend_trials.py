"""Which trials resume with their study: those that were running, and those that a limit had ended."""

import pytest

from pipeline.engine.trial import Trial
from pipeline.execution.driver.checkpoint_pruner import CheckpointPruner
from pipeline.execution.driver.extend_trials import extend_trials
from pipeline.schedulers import FIFO, PromotingASHA
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import saved_state


@pytest.mark.parametrize(("kept", "continues"), [("0000/000003", True), ("0001/000002", True), (None, False)])
def test_only_trials_that_can_continue_get_more_epochs(study, kept, continues):
    """After an exploit, a trial continues only with its own or its donor's checkpoint; otherwise it stays ended."""
    s = study(budget=Budget(trials=2, epochs=4))
    ended = Trial(
        "0000", {"x": 0.5}, 0, state="completed", epoch=4, started=True, best=0.5, best_epoch=4,
        segment=2, segment_start=2, parent_trial="0001", parent_epoch=2,
    )  # fmt: skip
    if kept:
        s.store.write(f"checkpoints/{kept}.ckpt", b"x")
    more = study("more", budget=Budget(trials=1, epochs=8))
    for path in s.store.files("checkpoints"):
        more.store.write(path, s.store.read(path))
    more.session.restore({"trials": [ended.to_json()], "scheduler": {}}, budget_before=4)
    assert (more.session.next() is not None) == continues
    assert more.session.loop.trials["0000"].state == ("running" if continues else "completed")
    more.recorder.close("finished")
    reasons = [row["reason"] for row in more.store.read_table("decisions").to_pylist()]
    assert any("gets no more epochs" in reason for reason in reasons) == (not continues)


def test_more_trials_bring_back_those_that_waited(study):
    """If a finished study gets more trials, trials that waited for a promotion may be promoted."""
    doubling = PromotingASHA(grace_period=1, reduction_factor=2)
    first = study("first", scheduler=doubling, budget=Budget(trials=4, epochs=4))
    first.play(lambda t, _c, e: {"0000": 0.9, "0001": 0.8, "0002": 0.7, "0003": 0.6}[t] + 0.01 * e)
    assert first.session.loop.trials["0002"].state == "stopped"
    second = study("second", scheduler=doubling, budget=Budget(trials=8, epochs=4))
    second.session.restore(saved_state(first.session.loop), budget_before=4)
    second.play(lambda t, _c, e: (0.7 if t == "0002" else 0.1 + 0.01 * int(t)) + 0.01 * e)
    assert second.session.loop.trials["0002"].epoch > 1


@pytest.mark.parametrize(
    ("state", "epoch", "cut_off", "over", "after"),
    [
        ("running", 2, False, False, "paused"),
        ("running", 2, False, True, "paused"),
        ("completed", 4, False, False, "paused"),
        ("completed", 3, False, False, "completed"),
        ("stopped", 2, True, False, "paused"),
        ("stopped", 2, True, True, "stopped"),
        ("stopped", 2, False, False, "stopped"),
        ("failed", 4, False, False, "failed"),
    ],
)
def test_trials_that_a_limit_ended_resume(study, state, epoch, cut_off, over, after):
    """Completed trials resume if they get more epochs, and trials that a limit had ended if the limit was raised."""
    s = study()
    trial = Trial("0000", {"x": 0.5}, 0, state=state, epoch=epoch, cut_off=cut_off, started=True)
    extend_trials(
        [trial],
        CheckpointPruner(s.store, s.session.job, FIFO(), {"0000": trial}, s.recorder.lease.check),
        s.recorder,
        raised=4,
        over=over,
    )
    assert trial.state == after
    assert trial.cut_off == (cut_off and over)
