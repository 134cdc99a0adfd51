"""Versions here and on nodes."""

from packaging.specifiers import SpecifierSet

from pipeline.execution.preflight.finding import NodeFacts
from pipeline.execution.preflight.versions import asked, installed, nodes_finding, versions_finding

WANTED = {"python": SpecifierSet(">=3.11,<3.14"), "ray": SpecifierSet(">=2.60,<3"), "keras": SpecifierSet(">=3.15")}
THERE = {"python": "3.12.1", "ray": "2.60.0", "keras": "3.15.1"}


def test_the_project_says_what_it_needs() -> None:
    """Python and the packages that train are among it, the extras are not; and all is installed here."""
    assert {"python", "ray", "tensorflow", "keras"} <= set(asked())
    assert versions_finding(asked(), installed(list(asked()))).level == "ok"


def test_another_version_is_a_fault_that_names_both() -> None:
    """What is there, and what must be."""
    found = versions_finding(WANTED, {**THERE, "ray": "2.9.0"})
    assert found.level == "fault"
    assert "ray 2.9.0 (must be <3,>=2.60)" in found.found


def test_what_cannot_be_compared_is_a_warning() -> None:
    """A package under another name, or tunepipe that is not installed."""
    assert versions_finding(WANTED, {"python": "3.12.1", "ray": "2.60.0"}).found.endswith("by that name: keras")
    assert versions_finding({}, THERE).level == "warning"


def node(**fields: object) -> NodeFacts:
    """A node with the same versions."""
    return NodeFacts(**{"name": "n", "cpus": 1, "gpus": 0, "memory": 1e9, "versions": THERE, **fields})


def test_nodes_with_the_same_versions_are_well() -> None:
    """So is one alone."""
    assert nodes_finding([node(), node()], THERE).level == "ok"


def test_a_node_with_another_version_is_a_warning() -> None:
    """It is named, with what it has and what is here."""
    found = nodes_finding([node(), node(name="old", versions={**THERE, "keras": "3.14.0"})], THERE)
    assert (found.level, found.found) == ("warning", "2 nodes, and old has keras 3.14.0, not 3.15.1")


def test_a_node_that_does_not_see_the_storage_is_a_fault() -> None:
    """In its own words."""
    found = nodes_finding([node(), node(name="far", trouble="does not see the storage /x")], THERE)
    assert (found.level, found.found) == ("fault", "far: does not see the storage /x")
