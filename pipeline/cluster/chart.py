"""The RayJob from which a study's is made: the Helm chart's with a user's values, or one in a file."""

import posixpath
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pipeline.errors import ClusterError

_LIMITS = ("template", "spec", "containers", 0, "resources", "limits")
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
    if namespace is not None:
        rayjobs[0]["metadata"]["namespace"] = namespace
    if missing := _missing_fields(rayjobs[0]):
        raise ClusterError(
            f"The RayJob in {values} has no {' and no '.join(missing)}, from which a study's cluster is planned. Add "
            "what is missing."
        )
    return rayjobs[0]


def check_storage_is_kept(
    values: str, head: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], storage: str
) -> None:
    """Check that a study's records and checkpoints outlive its pods."""
    if "://" in storage:
        return
    pods = {"the head": head, **{f"the group {each['groupName']!r}": each for each in groups}}
    kept = {name: _folders(each["template"]["spec"]) for name, each in pods.items()}
    if without := [name for name, folders in kept.items() if not _is_kept(storage, folders)]:
        mounted = sorted({folder for folders in kept.values() for folder, lasts in folders.items() if lasts})
        raise ClusterError(
            f"The study would be lost with its pods: with --values {values}, there is no volume at --storage {storage} "
            f"in {' and '.join(without)}. Mounted volumes: {', '.join(mounted) or 'none'}. Name an object store "
            "(s3://…, gs://…, abfs://…) or a folder on a volume."
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


def _folders(pod: Mapping[str, Any]) -> dict[str, bool]:
    """The folders at which a pod's first container mounts volumes, and whether these outlive the pod."""
    lasting = {each["name"]: not _OF_A_POD.intersection(each) for each in pod.get("volumes") or ()}
    mounts = pod["containers"][0].get("volumeMounts") or ()
    return {each["mountPath"]: lasting.get(each["name"], True) for each in mounts}


def _is_kept(storage: str, folders: Mapping[str, bool]) -> bool:
    # Linux reads //studies as /studies; normpath keeps two slashes.
    place = PurePosixPath("/", posixpath.normpath(storage).lstrip("/"))
    above = [folder for folder in folders if place.is_relative_to(folder)]
    nearest = max(above, key=lambda folder: len(PurePosixPath(folder).parts), default=None)
    return nearest is not None and folders[nearest]


def _missing_fields(rayjob: Mapping[str, Any]) -> list[str]:
    """The fields that a RayJob must have and does not have, as dotted paths."""
    cluster = ("spec", "rayClusterSpec")
    groups = (*cluster, "workerGroupSpecs")
    required = [("metadata", "namespace"), (*cluster, "headGroupSpec", *_LIMITS, "memory"), groups]
    for place, _ in enumerate(_value(rayjob, groups) or ()):
        for field in (("groupName",), ("maxReplicas",), (*_LIMITS, "cpu"), (*_LIMITS, "memory")):
            required.append((*groups, place, *field))
    return [".".join(map(str, path)) for path in required if _value(rayjob, path) in (None, "", [])]


def _value(node: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        known = node if isinstance(node, Mapping) else dict(enumerate(node)) if isinstance(node, list) else {}
        node = known.get(step)
    return node


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "chart").is_dir() else here / "k8s"
