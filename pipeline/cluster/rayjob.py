"""A study as a RayJob: the overlay's template with the study's name, command, images and sizes."""

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline.cluster.driver_environment import RAYJOB_ENVIRONMENT
from pipeline.cluster.epoch_durations import epoch_seconds_by_node
from pipeline.cluster.job_config_map import config_map, mounted_items
from pipeline.cluster.kept_storage import check_storage_is_kept
from pipeline.cluster.kueue import PRIORITY_LABEL, QUEUE_LABEL
from pipeline.cluster.overlays import rayjob_template
from pipeline.cluster.plan import TRIAL_GIGABYTES, Plan, check_head, memory_for_trials, plan
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, STUDY_ANNOTATION, STUDY_LABEL, SUBMITTER_ANNOTATION
from pipeline.cluster.submitter import submitter
from pipeline.errors import ClusterError
from pipeline.study import TuneJob
from pipeline.study.load_module import split_job_name
from pipeline.study.sources import Sources, sources_of_file
from pipeline.study.studies import STORAGE_WAIT_VARIABLE

_MAX_NAME_LENGTH = 40
"""KubeRay allows 47 characters; the rest is for the number of the submission."""

_WAITS = {STORAGE_WAIT_VARIABLE: "300"}
"""A driver that cannot reach its storage waits there: KubeRay starts it again on three other clusters only."""

_CODE_FOLDER = PurePosixPath("/job")
"""The folder of a job file and of what it imports, in every pod."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects that are created for a study."""

    job: dict[str, Any]
    file: dict[str, Any] | None
    plan: Plan
    sources: Sources = field(default_factory=Sources)

    def __str__(self) -> str:
        return yaml.safe_dump_all([each for each in (self.file, self.job) if each], sort_keys=False)


def study_manifests(
    job: TuneJob,
    job_name: str,
    overlay: str,
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
    template = rayjob_template(overlay, namespace)
    spec, metadata = template["spec"], template["metadata"]
    cluster = spec["rayClusterSpec"]
    groups = cluster["workerGroupSpecs"]
    check_head(cluster["headGroupSpec"])
    autoscales = bool(cluster.get("enableInTreeAutoscaling"))
    planned = plan(job, groups, epoch_seconds_by_node(storage, job.name), autoscales=autoscales)
    used = [group for group, size in zip(groups, planned.groups, strict=True) if size.trials and size.pods]
    check_storage_is_kept(overlay, cluster["headGroupSpec"], used, storage)
    _set_sizes(groups, planned)
    _set_metadata(metadata, job.name, storage, number)
    for option, label, value in (("--queue", QUEUE_LABEL, queue), ("--priority", PRIORITY_LABEL, priority)):
        if value is not None:
            _set_kueue_label(metadata, overlay, option, label, value)
    file, sources = None, Sources()
    job_file, name_in_file = split_job_name(job_name)
    if job_file.endswith(".py"):
        sources = sources_of_file(Path(job_file))
        file = config_map(sources, {key: metadata[key] for key in ("name", "namespace", "labels")})
        job_name = f"{_CODE_FOLDER / sources.files[0].path}{name_in_file}"
        _mount_code(cluster, file["metadata"]["name"], sources)
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
    spec["runtimeEnvYAML"] = yaml.safe_dump(_runtime_environment(spec, overlay))
    if image is not None:
        _set_image(spec, image, _own_images(spec))
    return Manifests(template, file, planned, sources)


def _set_sizes(groups: Sequence[dict[str, Any]], planned: Plan) -> None:
    """Set the numbers of pods of each group."""
    for group, size in zip(groups, planned.groups, strict=True):
        group["maxReplicas"] = size.pods
        # KubeRay refuses a cluster whose least number of pods is above the greatest.
        for least in ("minReplicas", "replicas"):
            group[least] = min(group.get(least) or 0, size.pods)
        if not planned.autoscales:
            group["replicas"] = size.pods


def _set_metadata(metadata: dict[str, Any], study: str, storage: str, number: int) -> None:
    """Set the name of the RayJob, and the label and annotations by which its study is found."""
    metadata["name"] = f"{study_label(study)}-{number}"
    metadata.setdefault("labels", {})[STUDY_LABEL] = study_label(study)
    metadata["annotations"] = {
        **metadata.get("annotations", {}),
        STORAGE_ANNOTATION: storage,
        STUDY_ANNOTATION: study,
        SUBMITTER_ANNOTATION: submitter(),
    }


def _set_kueue_label(metadata: Mapping[str, Any], overlay: str, option: str, label: str, value: str) -> None:
    """Set a label that Kueue reads, as an option of the command line gives it."""
    if QUEUE_LABEL not in metadata["labels"]:
        raise ClusterError(
            f"{option} is for clusters with Kueue, and the overlay {overlay!r} has no queue. Add the component "
            f"kueue to its study/, or leave {option} out."
        )
    metadata["labels"][label] = value


def _mount_code(cluster: Mapping[str, Any], config_map_name: str, sources: Sources) -> None:
    """Mount the ConfigMap of the job's code in every pod."""
    volume = {"name": "job", "configMap": {"name": config_map_name, "items": mounted_items(sources)}}
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


def _runtime_environment(spec: Mapping[str, Any], overlay: str) -> dict[str, Any]:
    """Ray's runtime environment of the driver: what an overlay says, and the variables that a driver needs."""
    try:
        given = yaml.safe_load(spec.get("runtimeEnvYAML") or "") or {}
        variables = {**_WAITS, **(given.get("env_vars") or {}), **RAYJOB_ENVIRONMENT}
    except (yaml.YAMLError, AttributeError, TypeError):
        raise ClusterError(
            f"The runtimeEnvYAML of the overlay {overlay!r} is not a runtime environment: it must be a YAML mapping, "
            "such as env_vars: {NAME: value}."
        ) from None
    return {**given, "env_vars": variables}


def _own_images(spec: Mapping[str, Any]) -> set[str]:
    """The images of the containers that run Ray, without those that an overlay has added."""
    cluster = spec["rayClusterSpec"]
    nodes = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    templates = [*(node["template"] for node in nodes), spec.get("submitterPodTemplate")]
    containers = [template["spec"]["containers"][0] for template in templates if template]
    return {each["image"] for each in (*containers, cluster.get("autoscalerOptions") or {}) if "image" in each}


def _set_image(node: Any, image: str, replaced: set[str]) -> None:
    """Set an image in the place of others, wherever they are named."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "image" and isinstance(value, str) and value in replaced:
                node[key] = image
            else:
                _set_image(value, image, replaced)
    elif isinstance(node, list):
        for each in node:
            _set_image(each, image, replaced)


def study_label(name: str) -> str:
    """A study's name as a Kubernetes name."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name).strip("-")
    if plain == name and len(plain) <= _MAX_NAME_LENGTH and plain[0].isalpha():
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    # KubeRay names services by it, which must begin with a letter.
    return f"s-{plain[: _MAX_NAME_LENGTH - 11].strip('-')}-{digest}".replace("--", "-")
