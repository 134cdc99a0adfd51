"""The user's code outside the training of a trial: for models that are only built, and epochs trained a second time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.engine.messages import Assignment
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.context import TrialContext, in_trial


@contextmanager
def isolated(job: TuneJob, trial: Assignment, store: Store, directory: Path | None = None) -> Iterator[None]:
    """Run the user's code for a trial in a temporary folder, so that it leaves nothing to the trial's training."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(dir=store.local)))
        opened.enter_context(in_trial(TrialContext(trial.trial_id, trial.seed, job.budget.epochs, folder), directory))
        yield
