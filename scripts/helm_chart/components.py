"""The components of a cluster as the chart's data: what each one includes, and the operations by which it changes objects."""

from pathlib import Path
from typing import Any

import yaml

_KINDS = ("RayCluster", "Deployment")
"""The kinds of objects that components of a cluster change."""

_GROUPS = {"[groupName=.+]": "", "[groupName=^gpu]": "gpu"}
"""What selects groups of workers in a replacement, and the beginning of their names."""


def cluster_components(folder: Path) -> dict[str, dict[str, Any]]:
    """What each component of a cluster includes and changes, by its name."""
    found = {}
    for path in sorted(folder.glob("**/kustomization.yaml")):
        component = operations_of(path.parent, folder)
        if component["components"] or component["operations"]:
            found[path.parent.relative_to(folder).as_posix()] = component
    known: set[str] = set()
    # A component of the foundation or of a study includes or changes other objects.
    while more := {name for name, each in found.items() if name not in known and known.issuperset(each["components"])}:
        known |= more
    return {name: each for name, each in found.items() if name in known}


def operations_of(folder: Path, components: Path) -> dict[str, Any]:
    """What a folder with a kustomization.yaml includes and changes."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    home = components.resolve()
    included = [(folder / each).resolve().relative_to(home).as_posix() for each in kustomization.get("components", ())]
    operations: dict[str, list[dict[str, Any]]] = {}
    for patch in kustomization.get("patches", ()):
        kind = patch.get("target", {}).get("kind")
        text = patch.get("patch") or (folder / patch["path"]).read_text(encoding="utf-8")
        changes = yaml.safe_load(text)
        if kind in _KINDS and isinstance(changes, list):
            operations.setdefault(kind, []).extend(changes)
    for replacement in kustomization.get("replacements", ()):
        source = _source(folder, replacement["source"], operations)
        for target in replacement["targets"]:
            kind, options = target["select"]["kind"], target.get("options", {})
            if kind not in _KINDS:
                continue
            for path in target["fieldPaths"]:
                operations.setdefault(kind, []).append(_replaced(path, source, options))
    return {"components": included, "operations": operations}


def _source(folder: Path, source: dict[str, Any], operations: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Where the value of a replacement is from: a `value`, if it is known, or the path `from` which it is copied."""
    if source["kind"] == "ConfigMap":
        values = yaml.safe_load((folder / "value.yaml").read_text(encoding="utf-8"))
        return {"value": values["data"][source["fieldPath"].removeprefix("data.")]}
    path = _pointer(_steps(source["fieldPath"]))
    for operation in operations.get(source["kind"], ()):
        if operation["path"] == path and isinstance(operation["value"], str | dict):
            return {"value": operation["value"]}
    return {"from": path}


def _replaced(path: str, source: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The operation that does what a replacement does at one of its paths."""
    steps = _steps(path)
    groups: dict[str, Any] = {}
    if group := next((step for step in steps if step in _GROUPS), None):
        groups["groups"] = _GROUPS[group]
    steps = ["*" if step in _GROUPS else step for step in steps]
    if "delimiter" in options:
        return {"op": "append", "path": _pointer(steps), "value": options["delimiter"] + source["value"], **groups}
    if steps[-1].startswith("[name=") and not options.get("create"):
        # The element with that name becomes another one.
        return {"op": "replace", "path": _pointer(steps), **source, **groups}
    named = [number for number, step in enumerate(steps) if step.startswith("[name=")]
    # The container of each pod is its first; another element of a list is a new one.
    new = next((number for number in named if steps[number - 1] != "containers"), None)
    first = dict.fromkeys(named, "0")
    if new is not None:
        element: Any = source["value"]
        for step in reversed(steps[new + 1 :]):
            element = {step: element}
        element["name"] = steps[new].removeprefix("[name=").removesuffix("]")
        above = [first.get(number, step) for number, step in enumerate(steps[:new])]
        return {"op": "add", "path": _pointer([*above, "-"]), "value": element, **groups}
    steps = [first.get(number, step) for number, step in enumerate(steps)]
    return {"op": "copy" if "from" in source else "add", "path": _pointer(steps), **source, **groups}


def _steps(path: str) -> list[str]:
    """The steps of a path of Kustomize, in which brackets may contain points."""
    steps, rest = [], path
    while rest:
        if rest.startswith("["):
            step, _, rest = rest.partition("]")
            step = f"{step}]" if "=" in step else step.removeprefix("[")
            rest = rest.removeprefix(".")
        else:
            step, _, rest = rest.partition(".")
        steps.append(step)
    return steps


def _pointer(steps: list[str]) -> str:
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps)
