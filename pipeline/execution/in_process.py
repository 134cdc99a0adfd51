"""A study in the driver's own process, without Ray: for a debugger, and for tests of everything but Ray."""

from pipeline.execution.interrupts import interruptible
from pipeline.execution.session import Session
from pipeline.execution.worker import Worker

__all__ = ["run_in_process"]


def run_in_process(session: Session, worker: Worker) -> None:
    """Train one trial after the other until the study has ended.

    Args:
        session: The study.
        worker: Who trains.
    """
    try:
        with interruptible() as interrupts:
            while (assignment := session.next()) is not None:
                worker.begin(assignment)
                while session.report(assignment.trial_id, worker.step()) == "continue":
                    if interrupts.asked:
                        session.interrupt()
                        break
                worker.close()
    except KeyboardInterrupt:
        session.interrupt()
    finally:
        worker.close()
