"""RayJobs that exist, on the command line: follow, read, copy, stop and list them."""

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.cluster_options import print_log
from pipeline.cli.console import note
from pipeline.errors import ClusterError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cluster.jobs_api import Submission
    from pipeline.cluster.kubernetes_cluster import Kubernetes


def print_until_end(
    server: "Kubernetes", name: str, wait_pods: float, *, to_stderr: bool = False, raw: bool = False
) -> int:
    """Print a driver's output until its RayJob has ended."""
    from pipeline.cluster.ended_rayjobs import read_exit_code
    from pipeline.cluster.following import follow

    for text in follow(server, name, wait_pods=wait_pods):
        print_log(text, raw=raw, err=to_stderr)
    return read_exit_code(server, name)


def print_copied(folder: Path) -> None:
    """Print where a study was copied to."""
    note(f"The study without its checkpoints was copied to {folder}.")


def print_how_to_follow(name: str, where: str) -> None:
    """Print how to follow and to stop a RayJob whose output is no longer followed."""
    note(
        f"RayJob {name} continues. `tunepipe logs {name} --follow {where}` follows it, "
        f"`tunepipe stop {name} {where}` stops it and deletes what is left of it."
    )


def follow_rayjob(
    name: str, context: str | None, namespace: str, storage: str | None = None, *, raw: bool = False
) -> int:
    """Print the output of a study's driver until its RayJob ends. Ctrl-C stops printing; the study continues."""
    from pipeline.cluster.deleted_rayjob import check_finished
    from pipeline.cluster.following import NeverStarts
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_states import storage_of, study_of
    from pipeline.cluster.rayjob_submissions import find_rayjob
    from pipeline.cluster.waiting_time import kept

    server = Kubernetes(context, namespace)
    job = find_rayjob(server, name, storage)
    rayjob = str(job["metadata"]["name"])
    try:
        return print_until_end(server, rayjob, math.inf, raw=raw)
    except NeverStarts as error:
        raise ClusterError(f"{error} {kept(job, server.options)}") from None
    except ClusterError:
        if server.exists(rayjob) or (place := storage_of(job)) is None:
            raise
        with tempfile.TemporaryDirectory() as scratch:
            check_finished(server, job, study_of(job), place, Path(scratch))
        return 0
    except KeyboardInterrupt:
        note("")
        print_how_to_follow(rayjob, server.options)
        return Interrupted.exit_code


def rayjob_output(name: str, context: str | None, namespace: str, storage: str | None = None) -> str:
    """What a study's driver has printed so far. If that is nothing, standard error gets the reason."""
    from pipeline.cluster.following import output
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_states import has_ended, state
    from pipeline.cluster.rayjob_submissions import find_rayjob, waiting_reason

    server = Kubernetes(context, namespace)
    job = find_rayjob(server, name, storage)
    rayjob = str(job["metadata"]["name"])
    if not (printed := output(server, job)):
        why = None if has_ended(job) else waiting_reason(server, job)
        reason = why or state(job) or "it waits for the operator"
        note(f"{rayjob} has printed nothing: {reason.rstrip('.')}.")
    return printed


def copied_study(
    name: str, to: Path, context: str | None, namespace: str, *, storage: str | None, overlay: str | None
) -> tuple[str, str]:
    """A study of a RayJob in a storage that this machine can read; a study on a volume is copied first."""
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.study_copy import readable_study

    where, study = readable_study(Kubernetes(context, namespace), name, to, storage=storage, overlay=overlay)
    if where == str(to):
        print_copied(to / study)
    return where, study


def stop_rayjob(name: str, context: str | None, namespace: str, storage: str | None = None) -> tuple[str, bool]:
    """Stop and delete a RayJob, and wait until its driver has ended."""
    from pipeline.cluster import stop_rayjob
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_states import has_ended
    from pipeline.cluster.rayjob_submissions import find_rayjob

    server = Kubernetes(context, namespace)
    job = find_rayjob(server, name, storage)
    rayjob = str(job["metadata"]["name"])
    stop_rayjob.stop_rayjob(server, rayjob)
    return rayjob, has_ended(job)


def submissions_of(name: str | None, context: str | None, namespace: str) -> "Sequence[Submission]":
    """The RayJobs of studies in a namespace."""
    from pipeline.cluster.kubernetes_cluster import Kubernetes
    from pipeline.cluster.rayjob_submissions import rayjob_submissions

    return rayjob_submissions(Kubernetes(context, namespace), name)
