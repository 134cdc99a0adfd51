"""Studies of RayJobs whose RayJob may be gone: followed to their end, and copied from a volume."""

from pathlib import Path
from tempfile import TemporaryDirectory
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

    A RayJob that can never start is deleted if this call has created it. With a RayJob, the pods are deleted from
    which its end is read and by which results are copied: where it is deleted meanwhile, its storage says how it ended.
    """
    from pipeline.cluster.download import check_finished, download_results
    from pipeline.cluster.rayjobs import NeverStarts, has_ended

    name = found.name
    code, folder = None, None
    try:
        code = follow_to_end(server, name, to_stderr=to_stderr, raw=raw, **waits)
        # A mistake of the user left nothing new; often there is no study at all.
        if to is not None and code != UserError.exit_code and has_ended(job := server.job(name)):
            folder = download_results(server, job, found.study, found.storage, to)
    except NeverStarts as error:
        raise ClusterError(f"{error} {_left(server, found, created=created)}") from None
    except ClusterError:
        if server.exists(name):
            raise
        if code is None:
            with TemporaryDirectory() as scratch:
                folder = check_finished(server, found, to or Path(scratch))
            code = 0
        elif to is not None:
            folder = download_results(server, found.rayjob or {}, found.study, found.storage, to)
    if to is not None and folder is not None:
        note(f"The study without its checkpoints was copied to {folder}.")
    return code


def _left(server: "RayJobs", found: "Submission", *, created: bool) -> str:
    """What becomes of a RayJob that can never start, which is deleted if this call has created it."""
    try:
        if not created:
            return server.kept(server.job(found.name))
        server.stop(found.name)
    except ClusterError as error:
        return str(error)
    return f"The RayJob {found.name} was deleted."


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
