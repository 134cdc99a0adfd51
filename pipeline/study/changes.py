"""Changes to a job by dotted fields, as `--set budget.trials=3` writes them."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import Fault
from pipeline.study.faults import fields_of, unknown


def apply_changes(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    result, faults = dict(fields), []
    # A part that is replaced precedes changes of its fields.
    for path in sorted(changes, key=lambda path: path.count(".")):
        try:
            result = _put(result, path.split("."), changes[path])
        except LookupError as error:
            faults.append(Fault(path, changes[path], error.args[0]))
    return result, faults


def _put(tree: Any, path: list[str], value: Any, above: str = "") -> Any:
    """A copy of `tree` with the value at `path`."""
    name, *rest = path
    if isinstance(tree, list | tuple):
        places = [str(place) for place in range(len(tree))]
        if name not in places:
            raise LookupError(unknown("position in the list", places, name))
        new = _put(tree[int(name)], rest, value, name) if rest else value
        return [*tree[: int(name)], new, *tree[int(name) + 1 :]]
    branches = _branches(tree)
    if branches is None:
        raise LookupError(f"no such field: {above} has no fields")
    if above not in ("", "space") and branches.get("kind") == "switch" and name not in ("kind", "branches"):
        return {"kind": "switch", "branches": _put_in_branch(branches.get("branches", {}), path, value)}
    kinded = "kind" in branches and above != "space"
    # An object that was set by another change may lack fields with defaults; the job checks their names.
    just_set = (isinstance(tree, Mapping) or hasattr(tree, "settings")) and above not in ("", "space")
    if name not in branches and not just_set:
        what = "hyperparameter" if above == "space" else "field"
        if not above and name in (_branches(branches.get("space")) or ()):
            raise LookupError(f"no such field; did you mean the hyperparameter space.{name}?")
        raise LookupError(unknown(what, [branch for branch in branches if not (kinded and branch == "kind")], name))
    if rest:
        value = _put(branches.get(name), rest, value, name)
    elif not above and name in ("scheduler", "searcher") and isinstance(value, str):
        value = {"kind": value}
    return {**branches, name: value}


def _put_in_branch(switch: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A switch's branches, with the value at `path`: a branch, or a path in its space."""
    branch, *rest = path
    if branch not in switch:
        raise LookupError(unknown("branch", switch, branch))
    return {**switch, branch: _put(switch[branch], rest, value, "space") if rest else value}


def _branches(tree: Any) -> dict[str, Any] | None:
    if isinstance(tree, Mapping):
        return dict(tree)
    if isinstance(settings := getattr(tree, "settings", None), Mapping):
        return {**settings, "kind": tree.kind}
    names = fields_of(tree)
    if not names and not hasattr(tree, "kind"):
        return None
    kind = {"kind": tree.kind} if hasattr(tree, "kind") else {}
    return {**{name: getattr(tree, name) for name in names}, **kind}
