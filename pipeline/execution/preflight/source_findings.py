"""The code of a job: the files that the study would copy, and those that a resume needs in addition."""

from pipeline.execution.preflight.finding import Finding
from pipeline.study import TuneJob
from pipeline.study.function_source import is_loadable
from pipeline.study.sources import Sources


def source_finding(job: TuneJob, sources: Sources) -> Finding:
    """Which of the job's code the study would copy."""
    if not job.resumable:
        advice = (
            "run(JOB, resume=True) resumes it where the same functions are defined, as in a notebook; for other "
            "sessions, define them with def at the top of a file."
        )
        found = f"{_unloadable_functions(job)}: `tunepipe resume` cannot resume the study"
        return Finding("source", "warning", found, advice)
    if not sources.files:
        return Finding("source", "ok", "the study's own copies")
    copied = f"copied into the study: {sources}"
    if sources.data_folders:
        folders = ", ".join(map(str, sources.data_folders))
        copied += (
            f". Not copied, and read where it is: {folders}; other machines need an absolute path that they can read"
        )
    if sources.uncopied:
        advice = f"`resume` and `rerun` need it where it is now: {', '.join(map(str, sources.folders))}."
        return Finding("source", "warning", f"{copied}. Not copied: {'; '.join(sources.uncopied)}", advice)
    return Finding("source", "ok", copied)


def _unloadable_functions(job: TuneJob) -> str:
    """Which functions of a job are in no file, as the beginning of a sentence."""
    names = [name for name, function in job.functions.items() if not is_loadable(function)]
    return f"{' and '.join(names)} cannot be loaded from a file"
