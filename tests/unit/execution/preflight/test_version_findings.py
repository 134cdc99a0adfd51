"""Versions here and on nodes."""

from packaging.specifiers import SpecifierSet

from pipeline.execution.preflight.finding import NodeFacts
from pipeline.execution.preflight.version_findings import nodes_finding, required, versions_finding
from pipeline.execution.versions import installed

WANTED = {"python": SpecifierSet(">=3.11,<3.14"), "ray": SpecifierSet(">=2.60,<3"), "keras": SpecifierSet(">=3.15")}
THERE = {"python": "3.12.1", "ray": "2.60.0", "keras": "3.15.1"}


def test_the_projects_requirements_are_read() -> None:
    """The project's requirements include Python and training packages, exclude extras, and are installed here."""
    assert {"python", "ray", "tensorflow", "keras"} <= set(required())
    assert versions_finding(required(), installed(list(required()))).level == "ok"


def test_another_version_is_a_fault_that_names_both() -> None:
    """Another version on a node is a fault that names the version found and the version required."""
    found = versions_finding(WANTED, {**THERE, "ray": "2.9.0"})
    assert found.level == "error"
    assert "ray 2.9.0 (must be <3,>=2.60)" in found.found


def test_unknown_versions_are_a_warning() -> None:
    """A package under another name, and tunepipe if it is not installed, give a warning."""
    assert versions_finding(WANTED, {"python": "3.12.1", "ray": "2.60.0"}).found.endswith("under that name: keras")
    assert versions_finding({}, THERE).level == "warning"


def node(**fields: object) -> NodeFacts:
    """A node with the same versions."""
    return NodeFacts(**{"name": "n", "cpus": 1, "gpus": 0, "memory": 1e9, "versions": THERE, **fields})


def test_nodes_with_the_same_versions_have_no_fault() -> None:
    """A cluster whose nodes have equal versions, or that has one node, has no fault."""
    assert nodes_finding([node(), node()], THERE).level == "ok"


def test_a_node_with_another_version_is_a_warning() -> None:
    """A node with another version is a warning that names the node, its version and the local one."""
    found = nodes_finding([node(), node(name="old", versions={**THERE, "keras": "3.14.0"})], THERE)
    assert (found.level, found.found) == ("warning", "2 nodes, and old has keras 3.14.0, not 3.15.1")


def test_a_node_that_does_not_see_the_storage_is_a_fault() -> None:
    """A node that does not see the storage is a fault with the node's own message."""
    found = nodes_finding([node(), node(name="far", trouble="does not see the storage /x")], THERE)
    assert (found.level, found.found) == ("error", "far: does not see the storage /x")
