"""Why a study cannot be resumed: functions that are in no file, and classes whose state cannot be saved."""

from pipeline.code import is_loadable
from pipeline.study import TuneJob


def unloadable_functions(job: TuneJob) -> str | None:
    """Which functions of a job are in no file, and how its study is resumed then; None if all are copied."""
    names = list(dict.fromkeys(each.__qualname__ for each in job.functions.values() if not is_loadable(each)))
    if not names:
        return None
    return (
        f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} not defined in a file that the study can copy: "
        "run(JOB, resume=True) resumes the study where the same functions are defined; `tunepipe resume` cannot."
    )


def unsaved_state(job: TuneJob) -> str | None:
    """Why a study cannot be resumed, as a part of a sentence; None if it can."""
    kinds = [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]
    if not kinds:
        return None
    return f"the state of {' and '.join(kinds)} cannot be saved"
