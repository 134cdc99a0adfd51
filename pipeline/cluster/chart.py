"""The RayJob from which a study's is made: the Helm chart's with a user's values, or one in a file."""

import posixpath
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline.errors import ClusterError

_OF_A_POD = {"configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "projected", "secret"}
"""Kinds of volumes that end with a pod, or that it cannot write."""


def named_values() -> list[str]:
    """The names that `--values` knows, sorted: what the chart makes with them is part of tunepipe."""
    return sorted(path.stem.removesuffix("-study") for path in (_home() / "rendered").glob("*-study.yaml"))


def rendered(values: str) -> list[dict[str, Any]]:
    """The objects that `--values` means: a name, a file of manifests, or a file with values for the Helm chart."""
    is_path = "/" in values or values.endswith((".yaml", ".yml"))
    file = Path(values) if is_path else _home() / f"rendered/{values}-study.yaml"
    try:
        documents = [each for each in yaml.safe_load_all(file.read_text()) if each]
    except OSError:
        raise ClusterError(
            f"There are no values {values!r}. Available: {', '.join(named_values())}; the path of a YAML file with "
            "values for the Helm chart or with manifests is also allowed."
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ClusterError(f"The file {values} cannot be read as YAML: {error}") from None
    if any(isinstance(each, dict) and "kind" in each for each in documents):
        return documents
    return _by_helm(file)


def rayjob_template(values: str, namespace: str | None = None) -> dict[str, Any]:
    """The RayJob from which that of a study is made."""
    rayjobs = [each for each in rendered(values) if each["kind"] == "RayJob"]
    if len(rayjobs) != 1:
        raise ClusterError(f"The manifests in {values} must have one RayJob; they have {len(rayjobs)}.")
    (rayjob,) = rayjobs
    try:
        rayjob["metadata"]["namespace"] = namespace or rayjob["metadata"]["namespace"]
        cluster = rayjob["spec"]["rayClusterSpec"]
        limits(cluster["headGroupSpec"])["memory"]
        for group in cluster["workerGroupSpecs"]:
            group["groupName"], group["maxReplicas"], limits(group)["cpu"], limits(group)["memory"]
    except (KeyError, IndexError, TypeError) as error:
        raise ClusterError(
            f"The RayJob in {values} lacks {error}. A study's cluster is planned from its namespace, and from the "
            "groupName, maxReplicas and the limits of cpu and memory of each group."
        ) from None
    return rayjob


def limits(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limits of Ray's container in the pods of a group."""
    found: Mapping[str, Any] = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    return found


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
    if "://" in storage:
        return
    for name, group in [("the head", head), *((f"the group {each['groupName']!r}", each) for each in groups)]:
        found = volume_at(group["template"]["spec"], storage)
        if found is None or _OF_A_POD.intersection(found[0]):
            raise ClusterError(
                f"The study would be lost with its pods: with --values {values}, there is no volume at --storage "
                f"{storage} in {name}. Name an object store (s3://…, gs://…, abfs://…) or a folder on a volume."
            )


def _by_helm(file: Path) -> list[dict[str, Any]]:
    command = [
        "helm", "template", "tunepipe", str(_home() / "chart"), "--values", str(file), "--set", "study.enabled=true",
        "--show-only", "templates/study.yaml", "--kube-version", "1.29.0",
    ]  # fmt: skip
    if shutil.which("helm") is None:
        raise ClusterError(
            f"Helm, which renders tunepipe's chart with the values in {file}, was not found. Install it from helm.sh, "
            f"or render the chart on another machine and give its output to --values: `{' '.join(command[:9])}`."
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"Helm cannot render tunepipe's chart with the values in {file}. {done.stderr.strip()}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "chart").is_dir() else here / "k8s"
