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
from pipeline.cluster.plan import TRIAL_GIGABYTES, Plan, check_head, epoch_seconds_by_node, memory_for_trials, plan
from pipeline.cluster.submissions import (
    DRIVER_ENVIRONMENT,
    PRIORITY_LABEL,
    QUEUE_LABEL,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
    SUBMITTER_ANNOTATION,
    submitter,
)
from pipeline.code import Snapshot, snapshot_of_file, split_job_name
from pipeline.errors import ClusterError
from pipeline.study import TuneJob
from pipeline.study.studies import STORAGE_WAIT_VARIABLE

RAYJOB_ENVIRONMENT = {**DRIVER_ENVIRONMENT, IN_RAYJOB: "http://127.0.0.1:8265"}
"""Environment variables of a driver in a RayJob."""

_MAX_NAME_LENGTH = 40
"""KubeRay allows 47 characters; the rest is for the number of the submission."""
_MAX_CODE_BYTES = 2**20
"""The limit of a ConfigMap."""
_MAX_KEY_LENGTH = 200
_WAITS = {STORAGE_WAIT_VARIABLE: "300"}
"""A driver that cannot reach its storage waits there: KubeRay starts it again on three other clusters only."""
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
    groups = cluster["workerGroupSpecs"]
    check_head(cluster["headGroupSpec"])
    autoscales = bool(cluster.get("enableInTreeAutoscaling"))
    planned = plan(job, groups, epoch_seconds_by_node(storage, job.name), autoscales=autoscales)
    used = [group for group, size in zip(groups, planned.groups, strict=True) if size in planned.used]
    check_storage_is_kept(values, cluster["headGroupSpec"], used, storage)
    for group, size in zip(groups, planned.groups, strict=True):
        # KubeRay refuses a cluster whose least number of pods is above the greatest.
        group |= {least: min(group.get(least) or 0, size.pods) for least in ("minReplicas", "replicas")}
        group |= {"maxReplicas": size.pods} | ({} if autoscales else {"replicas": size.pods})
    metadata["name"] = f"{study_label(job.name)}-{number}"
    metadata.setdefault("labels", {})[STUDY_LABEL] = study_label(job.name)
    own = {STORAGE_ANNOTATION: storage, STUDY_ANNOTATION: job.name, SUBMITTER_ANNOTATION: submitter()}
    metadata["annotations"] = {**metadata.get("annotations", {}), **own}
    for option, label, value in (("--queue", QUEUE_LABEL, queue), ("--priority", PRIORITY_LABEL, priority)):
        if value is not None:
            if QUEUE_LABEL not in metadata["labels"]:
                raise ClusterError(
                    f"{option} is for clusters with Kueue, and {values} has no queue. Set kueue.enabled "
                    f"in the chart's values, or leave {option} out."
                )
            metadata["labels"][label] = value
    file, snapshot = None, Snapshot()
    job_file, name_in_file = split_job_name(job_name)
    if job_file.endswith(".py"):
        snapshot = snapshot_of_file(Path(job_file), limit=_MAX_CODE_BYTES)
        file = _config_map(snapshot, {key: metadata[key] for key in ("name", "namespace", "labels")})
        job_name = f"{_CODE_FOLDER / next(iter(snapshot.files))}{name_in_file}"
        _mount_code(cluster, file["metadata"]["name"], snapshot)
    # No worker runs when the driver starts: autoscaling starts what the driver requests.
    words = ["run", job_name, "--resume", "--storage", storage, *options]
    words += [] if "--workers" in options else ["--workers", str(planned.workers)]
    if planned.by_memory or job.resources.memory_gigabytes is not None:
        words += [] if job.resources.memory_gigabytes else ["--set", f"resources.memory_gigabytes={TRIAL_GIGABYTES}"]
        _limit_memory_of_trials(groups, planned)
    if not autoscales:
        # Kueue counts groups without pods, too: their GPUs would have to be in its queue.
        cluster["workerGroupSpecs"] = used
    spec["entrypoint"] = shlex.join(["python", "-m", "pipeline.cli.app", *words])
    spec["runtimeEnvYAML"] = yaml.safe_dump(_runtime_environment(spec, values))
    if image is not None:
        _set_image(spec, image, _images_of_ray(spec))
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
        f"{number}-{re.sub('[^-._a-zA-Z0-9]', '_', path)[-_MAX_KEY_LENGTH:]}": (path, content)
        for number, (path, content) in enumerate(snapshot.files.items())
    }


def _config_map(snapshot: Snapshot, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A ConfigMap with all files of a job.

    Its name is a new one: the ConfigMap of a RayJob of this name that was just deleted may still be there.
    """
    files = _keyed(snapshot)
    if (total := sum(len(content) for _, content in files.values())) > _MAX_CODE_BYTES:
        largest = max(files.values(), key=lambda file: len(file[1]))
        raise ClusterError(
            f"The job's files have {total:,} bytes, and a ConfigMap can have {_MAX_CODE_BYTES:,}. The largest is "
            f"{largest[0]} ({len(largest[1]):,}). Put large data into the image or into the storage."
        )
    data: dict[str, dict[str, str]] = {"data": {}, "binaryData": {}}
    for key, (_, content) in files.items():
        # As text where it is UTF-8, so that a dry run can be read.
        try:
            data["data"][key] = content.decode()
        except UnicodeDecodeError:
            data["binaryData"][key] = base64.b64encode(content).decode()
    named = {**metadata, "name": f"{metadata['name']}-{uuid4().hex[:8]}"}
    filled = {kind: values for kind, values in data.items() if values}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, **filled}


def _mount_code(cluster: Mapping[str, Any], config_map_name: str, snapshot: Snapshot) -> None:
    items = [{"key": key, "path": path} for key, (path, _) in _keyed(snapshot).items()]
    volume = {"name": "job", "configMap": {"name": config_map_name, "items": items}}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        pod.setdefault("volumes", []).append(deepcopy(volume))
        mounts = pod["containers"][0].setdefault("volumeMounts", [])
        mounts.append({"name": "job", "mountPath": str(_CODE_FOLDER), "readOnly": True})


def _limit_memory_of_trials(groups: Sequence[dict[str, Any]], planned: Plan) -> None:
    """Leave memory to Ray's own processes: by default Ray reserves the whole limit of a pod for trials."""
    for group, size in zip(groups, planned.groups, strict=True):
        if size.trials:
            memory = {"memory": str(memory_for_trials(group))}
            group["rayStartParams"] = {**(group.get("rayStartParams") or {}), **memory}
            if "memory" in (own := group.get("resources") or {}):
                # It counts before rayStartParams.
                group["resources"] = {**own, **memory}


def _runtime_environment(spec: Mapping[str, Any], values: str) -> dict[str, Any]:
    """Ray's runtime environment of the driver: what the template says, and the variables that a driver needs."""
    try:
        given = yaml.safe_load(spec.get("runtimeEnvYAML") or "") or {}
        return {**given, "env_vars": {**_WAITS, **(given.get("env_vars") or {}), **RAYJOB_ENVIRONMENT}}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise ClusterError(
            f"The runtimeEnvYAML in {values} must be a mapping such as env_vars: {{NAME: value}}; found: {error}."
        ) from None


def _images_of_ray(spec: Mapping[str, Any]) -> set[str]:
    """The images of the containers that run Ray, without those that a user has added."""
    cluster = spec["rayClusterSpec"]
    nodes = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    templates = [*(node["template"] for node in nodes), spec.get("submitterPodTemplate")]
    containers = [template["spec"]["containers"][0] for template in templates if template]
    return {each["image"] for each in (*containers, cluster.get("autoscalerOptions") or {}) if "image" in each}


def _set_image(node: Any, image: str, replaced: set[str]) -> None:
    """Set an image in the place of others, wherever they are named."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "image" and isinstance(value, str) and value in replaced:
            node[key] = image
        else:
            _set_image(value, image, replaced)
