"""A study as a RayJob: the template with the study's name, command, code, images and sizes."""

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import yaml

from pipeline.cluster.chart import check_storage_is_kept, rayjob_template
from pipeline.cluster.driver_end import IN_RAYJOB
from pipeline.cluster.plan import TRIAL_GIGABYTES, Plan, memory_for_trials, plan
from pipeline.cluster.submissions import (
    DRIVER_COMMAND,
    DRIVER_ENVIRONMENT,
    PRIORITY_LABEL,
    QUEUE_LABEL,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
)
from pipeline.code.modules import split_job_name
from pipeline.code.snapshot import Snapshot, snapshot_of_file
from pipeline.errors import ClusterError
from pipeline.study import TuneJob
from pipeline.study.studies import STORAGE_WAIT_VARIABLE

RAYJOB_ENVIRONMENT = {**DRIVER_ENVIRONMENT, IN_RAYJOB: "http://127.0.0.1:8265", STORAGE_WAIT_VARIABLE: "300"}
"""Environment variables of a driver in a RayJob. One that cannot reach its storage waits there: KubeRay starts it again
on three other clusters only.
"""

_MAX_NAME_LENGTH = 40
"""KubeRay allows 47 characters; the rest is for the number of the submission."""
_MAX_CODE_BYTES = 2**20
"""The limit of a ConfigMap."""
_CODE_FOLDER = PurePosixPath("/job")


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects that are created for a study."""

    job: dict[str, Any]
    file: dict[str, Any] | None
    plan: Plan
    snapshot: Snapshot = field(default_factory=Snapshot)

    def __str__(self) -> str:
        return yaml.safe_dump_all([each for each in (self.file, self.job) if each], sort_keys=False)


def study_manifests(
    job: TuneJob,
    job_name: str,
    values: str,
    storage: str,
    options: Sequence[str],
    *,
    number: int = 1,
    namespace: str | None = None,
    queue: str | None = None,
    priority: str | None = None,
    image: str | None = None,
) -> Manifests:
    """The manifests of a study."""
    template = rayjob_template(values, namespace)
    spec, metadata = template["spec"], template["metadata"]
    cluster = spec["rayClusterSpec"]
    head, groups = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    autoscales = bool(cluster.get("enableInTreeAutoscaling"))
    planned = plan(job, groups, autoscales=autoscales)
    used = [group for group, size in zip(groups, planned.groups, strict=True) if size in planned.used]
    check_storage_is_kept(values, head, used, storage)
    for group, size in zip(groups, planned.groups, strict=True):
        # KubeRay refuses a cluster whose least number of pods is above the greatest.
        group |= {least: min(group.get(least) or 0, size.pods) for least in ("minReplicas", "replicas")}
        group |= {"maxReplicas": size.pods} | ({} if autoscales else {"replicas": size.pods})
    label = study_label(job.name)
    metadata["name"] = f"{label}-{number}"
    labels = metadata["labels"] = {**metadata.get("labels", {}), STUDY_LABEL: label}
    own = {STORAGE_ANNOTATION: storage, STUDY_ANNOTATION: job.name}
    metadata["annotations"] = {**metadata.get("annotations", {}), **own}
    if (queue or priority) and QUEUE_LABEL not in labels:
        raise ClusterError(
            f"--queue and --priority are for clusters with Kueue, and {values} has no queue. Set kueue.enabled in the "
            "chart's values, or leave them out."
        )
    labels |= {key: value for key, value in ((QUEUE_LABEL, queue), (PRIORITY_LABEL, priority)) if value}
    file, snapshot = None, Snapshot()
    job_file, name_in_file = split_job_name(job_name)
    if job_file.endswith(".py"):
        snapshot = snapshot_of_file(Path(job_file), limit=_MAX_CODE_BYTES)
        file = _config_map(snapshot, {key: metadata[key] for key in ("name", "namespace", "labels")})
        job_name = f"{_CODE_FOLDER / next(iter(snapshot.files))}{name_in_file}"
        _mount_code(cluster, file["metadata"]["name"], snapshot)
    # No worker runs when the driver starts: autoscaling starts what the driver requests.
    words = [*DRIVER_COMMAND, job_name, "--resume", "--storage", storage, *options]
    words += [] if "--workers" in options else ["--workers", str(planned.workers)]
    if planned.by_memory or job.resources.memory_gigabytes is not None:
        words += [] if job.resources.memory_gigabytes else ["--set", f"resources.memory_gigabytes={TRIAL_GIGABYTES}"]
        # By default, Ray reserves the whole limit of a pod for trials: its own processes need some.
        for group in used:
            memory = {"memory": str(memory_for_trials(group))}
            group["rayStartParams"] = {**(group.get("rayStartParams") or {}), **memory}
    if not autoscales:
        # Kueue counts groups without pods, too: their GPUs would have to be in its queue.
        cluster["workerGroupSpecs"] = used
    spec["entrypoint"] = shlex.join(words)
    spec["runtimeEnvYAML"] = yaml.safe_dump({"env_vars": RAYJOB_ENVIRONMENT})
    if image is not None:
        _set_image(spec, image)
    return Manifests(template, file, planned, snapshot)


def study_label(name: str) -> str:
    """A study's name as a Kubernetes name."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name).strip("-")
    if plain == name and len(plain) <= _MAX_NAME_LENGTH and plain[0].isalpha():
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    # KubeRay names services by it, which must begin with a letter.
    return f"s-{plain[: _MAX_NAME_LENGTH - 11].strip('-')}-{digest}".replace("--", "-")


def _keyed(snapshot: Snapshot) -> dict[str, tuple[str, bytes]]:
    """The files by their keys in a ConfigMap, which allow fewer characters than paths."""
    return {
        f"{number}-{re.sub('[^-._a-zA-Z0-9]', '_', PurePosixPath(path).name)[-200:]}": (path, content)
        for number, (path, content) in enumerate(snapshot.files.items())
    }


def _config_map(snapshot: Snapshot, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A ConfigMap with all files of a job.

    Its name is a new one: the ConfigMap of a RayJob of this name that was just deleted may still be there.
    """
    if (total := sum(map(len, snapshot.files.values()))) > _MAX_CODE_BYTES:
        largest = max(snapshot.files, key=lambda path: len(snapshot.files[path]))
        raise ClusterError(
            f"The job's files have {total:,} bytes, and a ConfigMap can have {_MAX_CODE_BYTES:,}. The largest is "
            f"{largest} ({len(snapshot.files[largest]):,}). Put large data into the image or into the storage."
        )
    content = {key: base64.b64encode(content).decode() for key, (_, content) in _keyed(snapshot).items()}
    named = {**metadata, "name": f"{metadata['name']}-{uuid4().hex[:8]}"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "binaryData": content}


def _mount_code(cluster: Mapping[str, Any], config_map_name: str, snapshot: Snapshot) -> None:
    items = [{"key": key, "path": path} for key, (path, _) in _keyed(snapshot).items()]
    volume = {"name": "job", "configMap": {"name": config_map_name, "items": items}}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        pod.setdefault("volumes", []).append(deepcopy(volume))
        mounts = pod["containers"][0].setdefault("volumeMounts", [])
        mounts.append({"name": "job", "mountPath": str(_CODE_FOLDER), "readOnly": True})


def _set_image(spec: Mapping[str, Any], image: str) -> None:
    """Set the image of the containers that run Ray, and of others with the same image."""
    cluster = spec["rayClusterSpec"]
    nodes = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    templates = [*(node["template"] for node in nodes), spec.get("submitterPodTemplate")]
    for pod in (template["spec"] for template in templates if template):
        replaced = pod["containers"][0].get("image")
        for container in (*pod["containers"], *(pod.get("initContainers") or ())):
            if container.get("image") == replaced:
                container["image"] = image
    if "image" in (cluster.get("autoscalerOptions") or {}):
        cluster["autoscalerOptions"]["image"] = image
