"""The loop of `--workers 0`: a study in the driver's own process, without Ray; for a debugger, and for tests."""

from pipeline.datasets import Dataset
from pipeline.execution.driver.session import Session
from pipeline.execution.start import fitting_workers, local_node, note_unused_gpus
from pipeline.execution.worker.worker import Worker


def run_in_process(session: Session, data: Dataset | None) -> None:
    """Train one trial after the other until the study has ended, or a signal interrupts it."""
    interrupts, job = session.interrupts, session.job
    nodes = [local_node()]
    fitting_workers(job, nodes)
    note_unused_gpus(job, nodes)
    session.recorder.workers = 1
    worker = Worker(
        job,
        data,
        session.store,
        session=session.lease.number,
        capture=False,
        stop_requested=lambda: interrupts.requested,
    )
    interrupts.begin_training()
    try:
        while not session.check_signals():
            with interrupts.defer_signals():
                assignment = session.next()
            if assignment is None:
                return
            worker.begin(assignment)
            while True:
                report = worker.step()
                with interrupts.defer_signals():
                    verdict = session.on_report(assignment.trial_id, report)
                if verdict != "continue" or session.check_signals():
                    break
    except KeyboardInterrupt:
        session.engine.interrupt()
    finally:
        worker.close()
