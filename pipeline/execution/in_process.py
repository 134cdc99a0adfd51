"""The loop of `--workers 0`: a study in the driver's own process, without Ray; for a debugger, and for tests."""

import time

from pipeline.execution.driver.session import Session
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.worker.worker import Worker

_POLL_SECONDS = 0.2
"""The interval at which a paused study checks for a command to continue."""


def run_in_process(session: Session, worker: Worker, interrupts: Interrupts) -> None:
    """Train one trial after the other until the study has ended, or a signal interrupts it."""
    interrupts.begin_training()
    try:
        while not _ends(session, interrupts):
            with interrupts.defer_signals():
                assignment = session.next()
            if assignment is None and session.engine.paused is not None:
                time.sleep(_POLL_SECONDS)
                with interrupts.defer_signals():
                    session.beat()
                continue
            if assignment is None:
                return
            worker.begin(assignment)
            while True:
                report = worker.step()
                with interrupts.defer_signals():
                    verdict = session.on_report(assignment.trial_id, report)
                if verdict != "continue" or _ends(session, interrupts):
                    break
            worker.close()
    except KeyboardInterrupt:
        session.interrupt()
    finally:
        worker.close()


def _ends(session: Session, interrupts: Interrupts) -> bool:
    if interrupts.requested and not session.ended:
        session.interrupt()
    return session.engine.interrupted
