"""The notes for a user when a session starts: unexpected effects of the job's fields, of the data and of arguments."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.code import Recorded, in_script
from pipeline.datasets import Dataset, non_finite, without_hash
from pipeline.execution.data import sharing_in_words
from pipeline.execution.driver.earlier_studies import learning_in_words
from pipeline.execution.driver.provenance import command_line
from pipeline.execution.driver.resume import unloadable_functions
from pipeline.execution.driver.resumed_job import smaller_budget
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials
from pipeline.study.trial_configs import fewer_trials
from pipeline.text import capitalized, listed
from pipeline.training.data import how_read, without_validation

_MAX_LIST_LENGTH = 60
"""Characters of a list in the space that a note shows whole."""


def start_notes(job: TuneJob, saved: TuneJob | None, earlier: Sequence[EarlierTrials]) -> Iterator[str]:
    """Notes about a job for the user, before its session begins."""
    if saved is None:
        if (unfiled := unloadable_functions(job)) is not None:
            yield unfiled
        yield from fixed_lists(job)
        if (recommendation := job.recommendation) is not None:
            yield recommendation
        if earlier:
            yield learning_in_words(job, earlier)
    if (less := fewer_trials(job) if saved is None else smaller_budget(job, saved)) is not None:
        yield less
    if (late := _late_phases(job)) is not None:
        yield late


def data_notes(job: TuneJob, data: Dataset | None, fingerprint: Mapping[str, Any]) -> Iterator[str]:
    """Notes about the data for the user, before the study trains on them."""
    if (unvalidated := without_validation(job, data)) is not None:
        yield f"{capitalized(unvalidated)}."
    if (how := how_read(data)) is not None:
        yield f"{capitalized(how)}."
    if data is not None and (sharing := sharing_in_words(data.shared)) is not None:
        yield f"{capitalized(sharing)}."
    if unnoticed := without_hash(fingerprint):
        yield f"A resume does not notice changes of the {', '.join(unnoticed)}: the study stores no hash of it."
    if data is not None and (places := non_finite(data)):
        counts = listed(f"{count:,} in the {place}" for place, count in places.items())
        yield (
            f"The data have numbers that are NaN or infinite: {counts}. If the model does not handle them, its weights "
            "become NaN, even where the loss stays a number. Fill or drop these rows."
        )


def fixed_lists(job: TuneJob) -> Iterator[str]:
    """Notes about lists in the space, which are fixed values; in the grids of other libraries they are choices."""
    for name, value in job.space.items():
        if isinstance(value, list | tuple) and len(value) > 1:
            shown = repr(list(value))
            shown = shown if len(shown) <= _MAX_LIST_LENGTH else "[…]"
            yield (
                f"{name} is the list {shown} in every trial; Choice({shown}) draws one of its values, and Uniform(low, "
                "high) a number of a range."
            )


def _late_phases(job: TuneJob) -> str | None:
    """Which phases no trial reaches; None if trials may reach all."""
    most = job.budget.epochs
    late = [str(place) for place, phase in enumerate(job.phases, 1) if isinstance(phase.at, int) and phase.at >= most]
    if not late:
        return None
    which = f"Phase {late[0]} begins" if len(late) == 1 else f"Phases {', '.join(late)} begin"
    return f"{which} after a trial's last epoch, {most}, unless a callback stops the previous phase earlier."


def arguments_of_script(job: TuneJob) -> list[str] | None:
    """The arguments of the script that Python runs, without secrets."""
    return command_line(sys.argv[1:]) if any(map(in_script, job.functions.values())) else None


def other_arguments(document: Mapping[str, Any], arguments: Sequence[str] | None) -> str | None:
    """What the user should know if a script resumes a study with other arguments."""
    if arguments is None or "sources" not in document:
        return None
    before = Recorded(document["sources"]).arguments
    if before is None or tuple(arguments) == before:
        return None
    return (
        f"The script has {_shown(arguments)}, and had {_shown(before)} in the last session. Trials of both sessions "
        "are compared with each other, so arguments that the job's functions read must stay the same."
    )


def _shown(arguments: Sequence[str]) -> str:
    return f"the arguments `{shlex.join(arguments)}`" if arguments else "no arguments"
