"""The table of trials of a running study."""

from pipeline.engine.messages import ProgressReport
from pipeline.results.tables.clean_tables import read_tables
from pipeline.schedulers import PromotingASHA
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.study import Budget
from tests.unit.execution.recorded_curves import row


def test_the_table_of_trials_is_kept_up_to_date(study):
    """After each flush the table of trials equals the one derived from all rows, failures and new metrics included."""
    s = study(scheduler=PromotingASHA(grace_period=1, reduction_factor=2), budget=Budget(trials=6, epochs=8))
    s.session.begin()
    document = {"schema_version": SCHEMA_VERSION, "job": s.session.job.to_json()}
    step = 0
    while (assignment := s.session.next()) is not None:
        epoch, verdict = s.session.loop.trials[assignment.trial_id].epoch, "continue"
        while verdict == "continue":
            step, epoch = step + 1, epoch + 1
            s.store.write(f"checkpoints/{assignment.trial_id}/{epoch:06d}.ckpt", b"x")
            rows = (row(epoch, float(step % 5), **({"late": 1.0} if step > 9 else {})),)
            failure = "ValueError: x" if step == 5 else None
            report = ProgressReport(rows, epoch, last=epoch == 8, checkpoints={epoch: 1}, failure=failure)
            verdict = s.session.on_report(assignment.trial_id, report)
            s.session.flush()
            s.session.flush()
            assert s.store.read_table("trials.parquet").equals(read_tables(s.store, document).trials)
    assert step > 10


def test_a_checkpoint_of_an_ended_trial_is_named(study):
    """A checkpoint that the worker reports after its trial's rows were released is named in the table."""
    s = study(budget=Budget(trials=2, epochs=1))
    s.session.begin()
    for _ in range(2):
        assignment = s.session.next()
        left = (("0000", 1, 9),) if assignment.trial_id == "0001" else ()
        s.session.on_report(assignment.trial_id, ProgressReport((row(1, 0.5),), 1, last=True, left=left))
        s.session.flush()
    rows = s.store.read_table("trials.parquet").to_pylist()
    assert [(each["trial_id"], each["checkpoint"]) for each in rows] == [
        ("0000", "checkpoints/0000/000001.ckpt"),
        ("0001", None),
    ]
