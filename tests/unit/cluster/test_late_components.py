"""Components that an overlay's folder `study` names too late."""

import os
from pathlib import Path

import pytest

from pipeline.cluster.late_components import late_components
from pipeline.cluster.overlays import overlays, rayjob_template
from pipeline.errors import ClusterError
from tests.project.manifests import HOME


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An empty folder `study` on the cluster of the overlay `dev`."""
    folder = tmp_path / "study"
    folder.mkdir()
    return folder


def _named(study: Path, *components: str, on: str = "overlays/dev/cluster") -> Path:
    """The folder, with components of tunepipe's or of its own."""
    kubernetes = os.path.relpath(HOME, study)
    paths = [name if name.startswith("..") else f"{kubernetes}/components/{name}" for name in components]
    lines = ["kind: Kustomization", f"resources: [{kubernetes}/{on}]", f"components: [{', '.join(paths)}]"]
    (study / "kustomization.yaml").write_text("\n".join(lines))
    return study


@pytest.mark.parametrize(
    "name",
    ["token", "small", "gpu-a100", "gpu-l4-spot", "eks/gpu-a100", "runtime-class", "pull-secret/pods", "openshift"],
)
def test_a_component_of_the_cluster_after_study_is_late(study: Path, name: str) -> None:
    """A component that changes the cluster has no effect after `study`, and has one before it."""
    assert [Path(each).name for each in late_components(_named(study, "study", name))] == [Path(name).name]
    assert not late_components(_named(study, name, "study"))


def test_components_of_a_rayjob_may_follow_it(study: Path, tmp_path: Path) -> None:
    """What changes a RayJob, objects of any kind or nothing may follow `study`, and so may an address."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yml").write_text("kind: Component\npatches: [{target: {group: ray.io}, path: patch.yaml}]")
    assert not late_components(_named(study, "study", "start-deadline", "../own", "../away"))
    assert not late_components(tmp_path / "nothing")


def test_every_component_is_late_on_the_study_of_another_overlay(study: Path) -> None:
    """A study on the `study` of another overlay has no cluster that its components could change."""
    (late,) = late_components(_named(study, "token", on="overlays/dev/study"))
    assert late.endswith("components/token")


def test_the_overlay_is_refused(study: Path, tmp_path: Path) -> None:
    """An overlay with a late component is refused, with the folder in which to name it; tunepipe's own are used."""
    _named(study, "study", "token")
    with pytest.raises(ClusterError, match=r"token.* in study/ has no effect .* Name it in cluster/"):
        rayjob_template(str(tmp_path))
    for overlay in overlays():
        assert rayjob_template(overlay)["kind"] == "RayJob"
