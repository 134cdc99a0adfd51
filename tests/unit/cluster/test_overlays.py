"""Overlays are found by their names or paths, and refused with what they lack."""

import pytest

from pipeline.cluster.overlays import rayjob_template, rendered
from pipeline.errors import ClusterError


def test_an_unknown_overlay_lists_those_there_are():
    """An unknown overlay is refused with the list of overlays and the option of a custom folder."""
    with pytest.raises(ClusterError, match=r"no overlay 'prd'.*dev, local-cpu, prod-gpu.*custom folder"):
        rendered("prd")


def test_a_folder_with_the_name_of_an_overlay_does_not_hide_it(tmp_path, monkeypatch):
    """An overlay is found although the current folder has a folder of its name, and a name that is too long is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local-cpu").mkdir()
    assert [each["kind"] for each in rendered("local-cpu")] == ["RayJob"]
    with pytest.raises(ClusterError, match="There is no overlay 'xxx"):
        rendered("x" * 300)


def test_an_overlay_that_kustomize_never_renders_is_refused(tmp_path, monkeypatch):
    """An overlay that Kustomize renders forever is refused after a time, with the usual cause and its remedy."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    kubectl.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("pipeline.cluster.overlays.RENDERING_SECONDS", 0.1)
    with pytest.raises(
        ClusterError, match=r"has not rendered the overlay in \S+/local-cpu/study within 0\.1 s\..*after"
    ):
        rendered("local-cpu")


def test_an_overlay_that_lacks_a_field_is_refused_by_its_path(monkeypatch):
    """A custom overlay whose pods have no limit of CPUs, or without a namespace, is refused with what is missing."""
    (template,) = rendered("local-cpu")
    del template["metadata"]["namespace"]
    (group,) = template["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    del group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]
    monkeypatch.setattr("pipeline.cluster.overlays.rendered", lambda _: [template])
    missing = r"no metadata\.namespace and no spec\.rayClusterSpec\.workerGroupSpecs\.0\.template\..*limits\.cpu, from"
    with pytest.raises(ClusterError, match=missing):
        rayjob_template("mine")


def test_a_namespace_of_the_command_line_is_enough(monkeypatch):
    """A custom overlay without a namespace is used in the namespace that is given."""
    (template,) = rendered("local-cpu")
    del template["metadata"]["namespace"]
    monkeypatch.setattr("pipeline.cluster.overlays.rendered", lambda _: [template])
    assert rayjob_template("mine", "lab")["metadata"]["namespace"] == "lab"
