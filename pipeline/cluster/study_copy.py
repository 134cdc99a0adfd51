"""Where the study of a RayJob can be read from this machine: in its object store, or in a copy from its volume."""

from pathlib import Path

from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.overlays import rayjob_template
from pipeline.cluster.rayjob_states import storage_of, study_of
from pipeline.cluster.rayjob_submissions import find_rayjob
from pipeline.errors import ClusterError, JobNotFound


def readable_study(
    server: Kubernetes, name: str, to: Path, *, storage: str | None = None, overlay: str | None = None
) -> tuple[str, str]:
    """A study of a namespace in a storage that this machine can read; a study on a volume is copied first."""
    try:
        job = find_rayjob(server, name, storage)
    except JobNotFound as error:
        if storage is None or overlay is None:
            raise JobNotFound(
                f"{error} A study without a RayJob is read with --storage and --overlay, an overlay whose pods mount "
                "that storage."
            ) from None
        job, study, whose = rayjob_template(overlay, server.namespace), name, f"the overlay {overlay!r}"
    else:
        study, whose = study_of(job), f"the RayJob {job['metadata']['name']!r}"
    place = storage_of(job) or storage
    if place is None:
        raise JobNotFound(f"The RayJob {job['metadata']['name']!r} does not name its storage: give it with --storage.")
    copied = server.download_results(job, study, place, to)
    if copied is None and "://" not in place and not Path(place).is_dir():
        raise ClusterError(
            f"The pods of {whose} mount no volume claim at {place}, and this machine has no such folder. Name the "
            "storage of the study with --storage, or an overlay that mounts it with --overlay."
        )
    return (place, study) if copied is None else (str(to), study)
