"""Whether Python and the packages have the versions that tunepipe requires, here and on the nodes of a cluster."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.execution.preflight.finding import Finding, NodeFacts
from pipeline.wording import by_count

_SHOWN = ("python", "ray", "tensorflow", "keras")

Required = Mapping[str, SpecifierSet]
"""Package → the versions that tunepipe requires; with `python`."""


def required() -> Required:
    """What the installed tunepipe requires; empty if it is not installed."""
    try:
        requirements = [Requirement(line) for line in requires("tunepipe") or ()]
        python = SpecifierSet(metadata("tunepipe")["Requires-Python"])
    except PackageNotFoundError:
        return {}
    plain = {
        each.name: each.specifier for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})
    }
    return {"python": python, **plain}


def versions_finding(wanted: Required, present: Mapping[str, str]) -> Finding:
    """Whether the installed versions are those that are required."""
    shown = ", ".join(f"{name} {present[name]}" for name in _SHOWN if name in present)
    if not wanted:
        return Finding(
            "versions", "warning", f"{shown}; tunepipe is not installed, so the versions that it requires are unknown"
        )
    bad = [
        f"{name} {present[name]} (must be {specifier})"
        for name, specifier in wanted.items()
        if name in present and not specifier.contains(present[name], prereleases=True)
    ]
    # A package may be installed under another name, such as tensorflow-cpu. The epoch that is trained shows it.
    missing = [name for name in wanted if name not in present]
    advice = "Install what pyproject.toml requires: pip install . in the checkout, or make run."
    if bad:
        return Finding("versions", "error", f"{shown}. Not supported: {', '.join(bad)}", advice)
    if missing:
        return Finding("versions", "warning", f"{shown}. Not installed under that name: {', '.join(missing)}", advice)
    return Finding("versions", "ok", shown)


def nodes_finding(nodes: Sequence[NodeFacts], here: Mapping[str, str]) -> Finding:
    """Whether the nodes of a cluster can train trials: they have the versions of this machine, and see the storage."""
    if troubled := [f"{node.name}: {node.trouble}" for node in nodes if node.trouble is not None]:
        advice = "Give every node the same image, and a --storage that all of them reach."
        return Finding("cluster", "error", "; ".join(troubled), advice)
    other = [
        f"{node.name} has {name} {node.versions.get(name, 'not')}, not {wanted}"
        for node in nodes
        for name, wanted in here.items()
        if node.versions.get(name) != wanted
    ]
    what = by_count(len(nodes), "one node", f"{len(nodes)} nodes")
    if other:
        advice = "Give every node the same versions: results may differ, or workers may not start."
        return Finding("cluster", "warning", f"{what}, and {'; '.join(other)}", advice)
    return Finding("cluster", "ok", f"{what}: the same versions as here, and each reads and writes the storage")
