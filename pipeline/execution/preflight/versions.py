"""Whether Python and the packages are those that tunepipe asks for, here and on the nodes of a cluster."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.execution.preflight.finding import Finding, NodeFacts

__all__ = ["Asked", "asked", "installed", "nodes_finding", "versions_finding"]

_TOLD = ("python", "ray", "tensorflow", "keras")
_WITHIN = ("tunepipe", "ray", "tensorflow", "keras", "numpy", "pyarrow")

Asked = Mapping[str, SpecifierSet]
"""Package → the versions that tunepipe takes; `python` is among them."""


def asked() -> Asked:
    """What the installed tunepipe asks for; empty where it runs without being installed."""
    try:
        found = [Requirement(line) for line in requires("tunepipe") or ()]
        python = SpecifierSet(metadata("tunepipe")["Requires-Python"])
    except PackageNotFoundError:
        return {}
    plain = {each.name: each.specifier for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}
    return {"python": python, **plain}


def installed(names: Sequence[str] = _WITHIN) -> dict[str, str]:
    """Version of Python and of each package that is there."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def versions_finding(wanted: Asked, there: Mapping[str, str]) -> Finding:
    """Whether what is there is what is asked for.

    Args:
        wanted: What `asked` returned.
        there: What `installed` returned for the same names.
    """
    told = ", ".join(f"{name} {there[name]}" for name in _TOLD if name in there)
    if not wanted:
        return Finding("versions", "warning", f"{told}; tunepipe is not installed, so nothing says which it needs")
    bad = [
        f"{name} {there[name]} (must be {specifier})"
        for name, specifier in wanted.items()
        if name in there and not specifier.contains(there[name], prereleases=True)
    ]
    # A package may be there under another name: tensorflow-cpu, say. The epoch that is trained shows whether it is.
    missing = [name for name in wanted if name not in there]
    advice = "Install what pyproject.toml asks for: pip install tunepipe, or make run."
    if bad:
        return Finding("versions", "fault", f"{told}. Not supported: {', '.join(bad)}", advice)
    if missing:
        return Finding("versions", "warning", f"{told}. Not installed by that name: {', '.join(missing)}", advice)
    return Finding("versions", "ok", told)


def nodes_finding(nodes: Sequence[NodeFacts], here: Mapping[str, str]) -> Finding:
    """Whether the nodes of a cluster can take trials: they have what this machine has, and see the storage.

    Args:
        nodes: The nodes.
        here: This machine's versions.
    """
    if troubled := [f"{node.name}: {node.trouble}" for node in nodes if node.trouble is not None]:
        advice = "Give every node the same image, and a --storage that all of them reach."
        return Finding("cluster", "fault", "; ".join(troubled), advice)
    other = [
        f"{node.name} has {name} {node.versions.get(name, 'not')}, not {wanted}"
        for node in nodes
        for name, wanted in here.items()
        if node.versions.get(name) != wanted
    ]
    what = "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    if other:
        advice = "Give every node the same versions: results may differ, or workers may not start."
        return Finding("cluster", "warning", f"{what}, and {'; '.join(other)}", advice)
    return Finding("cluster", "ok", f"{what}: the same versions as here, and each reads and writes the storage")
