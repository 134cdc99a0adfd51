"""A study as a RayJob: that of the Helm chart or of a file, with the study's name, command, code, images and sizes."""

import base64
import hashlib
import posixpath
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import yaml

from pipeline.cluster.plan import TRIAL_GIGABYTES, Plan, limits, memory_for_trials, plan
from pipeline.cluster.submissions import (
    DRIVER_COMMAND,
    JOB_ANNOTATION,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
    USER_ANNOTATION,
    this_user,
)
from pipeline.code.modules import split_job_name
from pipeline.code.snapshot import Snapshot, snapshot_of_file
from pipeline.errors import ClusterError
from pipeline.study import TuneJob
from pipeline.study.files import STORAGE_VARIABLE

_QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
_MAX_NAME_LENGTH = 40
"""KubeRay allows 47 characters; the rest is for the number of the submission."""
_MAX_CODE_BYTES = 2**20
"""The limit of a ConfigMap."""
_CODE_FOLDER = PurePosixPath("/job")
_OF_A_POD = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret"}
"""Kinds of volumes that end with a pod, or that it cannot write."""


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
    labels = metadata["labels"] = {**(metadata.get("labels") or {}), STUDY_LABEL: label}
    if "://" in storage:
        _unmount_claim(head, *groups)
    else:
        # Messages then name the study as on the user's machine, to which it is copied.
        environment = yaml.safe_load(spec["runtimeEnvYAML"]) or {}
        environment["env_vars"] = {**(environment.get("env_vars") or {}), STORAGE_VARIABLE: storage}
        spec["runtimeEnvYAML"] = yaml.safe_dump(environment)
    own = {STORAGE_ANNOTATION: storage, STUDY_ANNOTATION: job.name}
    own |= {JOB_ANNOTATION: job.identity, USER_ANNOTATION: this_user()}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
    if (queue or priority) and _QUEUE_LABEL not in labels:
        raise ClusterError(
            f"{values} has no queue for --queue and --priority: set kueue.enabled in the chart's values."
        )
    labels |= {key: value for key, value in ((_QUEUE_LABEL, queue), (_PRIORITY_LABEL, priority)) if value}
    file, snapshot = None, Snapshot()
    job_file, name_in_file = split_job_name(job_name)
    if job_file.endswith(".py"):
        snapshot = snapshot_of_file(Path(job_file), limit=_MAX_CODE_BYTES)
        if (total := sum(map(len, snapshot.files.values()))) > _MAX_CODE_BYTES:
            raise ClusterError(
                f"The job's files have {total:,} bytes, and a ConfigMap can have {_MAX_CODE_BYTES:,}. Put large data "
                "into the image or into the storage."
            )
        # A new name: the ConfigMap of a RayJob of this name that was just deleted may still be there.
        name = f"{metadata['name']}-{uuid4().hex[:8]}"
        keyed = {f"file-{number}": path for number, path in enumerate(snapshot.files)}
        content = {key: base64.b64encode(snapshot.files[path]).decode() for key, path in keyed.items()}
        named = {"name": name, "namespace": metadata["namespace"], "labels": labels}
        file = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "binaryData": content}
        job_name = f"{_CODE_FOLDER / next(iter(snapshot.files))}{name_in_file}"
        for group in (head, *groups):
            items = [{"key": key, "path": path} for key, path in keyed.items()]
            pod = group["template"]["spec"]
            volume = {"name": "job", "configMap": {"name": name, "items": items}}
            mount = {"name": "job", "mountPath": str(_CODE_FOLDER), "readOnly": True}
            for place, key, one in ((pod, "volumes", volume), (pod["containers"][0], "volumeMounts", mount)):
                place[key] = [*(place.get(key) or ()), one]
    # No worker runs when the driver starts: autoscaling starts what the driver requests.
    words = [*DRIVER_COMMAND, job_name, "--resume", "--storage", storage, *options]
    words += [] if "--workers" in options else ["--workers", str(planned.workers)]
    if job.resources.memory_gigabytes is not None or any(group.by_memory for group in planned.used):
        words += [] if job.resources.memory_gigabytes else ["--set", f"resources.memory_gigabytes={TRIAL_GIGABYTES}"]
        # By default, Ray reserves the whole limit of a pod for trials: its own processes need some.
        for group in used:
            memory = {"memory": str(memory_for_trials(group))}
            group["rayStartParams"] = {**(group.get("rayStartParams") or {}), **memory}
    if not autoscales:
        # Kueue counts groups without pods, too: their GPUs would have to be in its queue.
        cluster["workerGroupSpecs"] = used
    spec["entrypoint"] = shlex.join(words)
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


def rayjob_template(values: str, namespace: str | None = None) -> dict[str, Any]:
    """The RayJob that `--values` means: a name, a file of manifests, or a file with values for the Helm chart."""
    is_path = "/" in values or values.endswith((".yaml", ".yml"))
    file = Path(values) if is_path else _home() / f"rendered/{values}-study.yaml"
    try:
        documents = [each for each in yaml.safe_load_all(file.read_text()) if each]
        if not any(isinstance(each, dict) and "kind" in each for each in documents):
            documents = [each for each in yaml.safe_load_all(_by_helm(file)) if each]
    except OSError:
        known = ", ".join(sorted(path.stem.removesuffix("-study") for path in (_home() / "rendered").glob("*-study.*")))
        raise ClusterError(
            f"There are no values {values!r}. Available: {known}, and files (.yaml) with values for the Helm chart or "
            "with manifests."
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ClusterError(f"The file {values} cannot be read as YAML: {error}") from None
    rayjobs = [each for each in documents if isinstance(each, dict) and each.get("kind") == "RayJob"]
    if len(rayjobs) != 1:
        raise ClusterError(f"The manifests in {values} must have one RayJob; they have {len(rayjobs)}.")
    rayjob: dict[str, Any] = rayjobs[0]
    try:
        rayjob["metadata"]["namespace"] = namespace or rayjob["metadata"]["namespace"]
        yaml.safe_load(rayjob["spec"]["runtimeEnvYAML"])
        cluster = rayjob["spec"]["rayClusterSpec"]
        limits(cluster["headGroupSpec"])["memory"]
        for group in cluster["workerGroupSpecs"]:
            group["groupName"], int(group["maxReplicas"]), limits(group)["cpu"], limits(group)["memory"]
    except (LookupError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ClusterError(f"The RayJob in {values} lacks what a study needs: {error!r}.") from None
    return rayjob


def volume_at(pod: Mapping[str, Any], folder: str) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The volume that has a folder in a pod's first container, and its mount; None if there is none."""
    # Linux reads //studies as /studies; normpath keeps two slashes.
    place = PurePosixPath("/", posixpath.normpath(folder).lstrip("/"))
    volumes = {each["name"]: each for each in pod.get("volumes") or ()}
    mounts = pod["containers"][0].get("volumeMounts") or ()
    above = [each for each in mounts if place.is_relative_to(each["mountPath"])]
    nearest = max(above, key=lambda mount: len(PurePosixPath(mount["mountPath"]).parts), default=None)
    return None if nearest is None else (volumes.get(nearest["name"], {}), nearest)


def check_storage_is_kept(
    values: str, head: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], storage: str
) -> None:
    """Check that a study's records and checkpoints outlive its pods."""
    for name, group in [("the head", head), *((f"the group {each['groupName']!r}", each) for each in groups)]:
        found = volume_at(group["template"]["spec"], storage)
        if "://" not in storage and (found is None or _OF_A_POD.intersection(found[0])):
            raise ClusterError(
                f"The study would be lost with its pods: with --values {values}, there is no volume at --storage "
                f"{storage} in {name}. Name an object store (s3://…, gs://…, abfs://…) or a folder on a volume."
            )


def _unmount_claim(*groups: Mapping[str, Any]) -> None:
    """Replace the chart's claim in pods by nothing: they do not wait for a volume that the study does not use."""
    for group in groups:
        for volume in group["template"]["spec"].get("volumes") or ():
            if (volume.get("persistentVolumeClaim") or {}).get("claimName") == "studies":
                del volume["persistentVolumeClaim"]
                volume["projected"] = {"sources": []}


def _by_helm(file: Path) -> str:
    command = [
        "helm", "template", "tunepipe", str(_home() / "chart"), "--values", str(file), "--set", "study.enabled=true",
        "--show-only", "templates/study.yaml", "--kube-version", "1.29.0",
    ]  # fmt: skip
    if shutil.which("helm") is None:
        raise ClusterError(
            f"Helm was not found. Install it, or render the chart on another machine and give its output to --values: "
            f"`{' '.join(command[:10])}`."
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"Helm cannot render tunepipe's chart with the values in {file}. {done.stderr.strip()}")
    return done.stdout


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "chart").is_dir() else here / "k8s"


def _set_image(spec: Mapping[str, Any], image: str) -> None:
    """Set the image of the containers that run Ray, and of others with the same image."""
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    if "submitterPodTemplate" in spec:
        pods.append(spec["submitterPodTemplate"]["spec"])
    for pod in pods:
        replaced = pod["containers"][0].get("image")
        for container in (*pod["containers"], *(pod.get("initContainers") or ())):
            if container.get("image") == replaced:
                container["image"] = image
    if "image" in (cluster.get("autoscalerOptions") or {}):
        cluster["autoscalerOptions"]["image"] = image
