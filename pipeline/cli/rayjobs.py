"""Studies of RayJobs whose RayJob may be gone: followed to their end, and copied from a volume."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.cluster_options import follow_to_end
from pipeline.cli.console import note
from pipeline.errors import ClusterError, UserError

if TYPE_CHECKING:
    from pipeline.cluster.rayjobs import RayJobs
    from pipeline.cluster.submissions import Submission


def follow_rayjob(
    server: "RayJobs", found: "Submission", to: Path | None = None, *, created: bool = False, to_stderr: bool = False,
    raw: bool = False, **waits: float,
) -> int:  # fmt: skip
    """Print the output of a study's driver until its RayJob ends, and copy its results to a folder.

    A RayJob that can never start is deleted if this call has created it.
    """
    from pipeline.cluster.download import download_results
    from pipeline.cluster.rayjobs import NeverStarts, has_ended

    try:
        code = follow_to_end(server, found.name, to_stderr=to_stderr, raw=raw, **waits)
    except NeverStarts as error:
        if not created:
            raise ClusterError(f"{error} {server.kept(server.job(found.name))}") from None
        server.stop(found.name)
        raise ClusterError(f"{error} The RayJob {found.name} was deleted.") from None
    # A mistake of the user left nothing new; often there is no study at all.
    if to is not None and code != UserError.exit_code and has_ended(job := server.job(found.name)):
        copied = download_results(server, job, found.study, found.storage, to)
        if copied is not None:
            note(f"The study without its checkpoints was copied to {copied}.")
    return code


def copied_study(
    name: str, to: Path, context: str | None, namespace: str, *, storage: str | None, overlay: str | None
) -> tuple[str, str]:
    """A study of a RayJob in a storage that this machine can read; a study on a volume is copied first."""
    from pipeline.cluster.download import readable_study
    from pipeline.cluster.rayjobs import RayJobs

    where, study = readable_study(RayJobs(context, namespace), name, to, storage=storage, overlay=overlay)
    if where == str(to):
        note(f"The study without its checkpoints was copied to {to / study}.")
    return where, study
