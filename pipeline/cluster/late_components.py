"""Components that an overlay's folder `study` names too late: its RayJob already contains the cluster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names of Kustomize's files, as it looks for them."""

_STUDY = "study"


def late_components(folder: Path) -> list[str]:
    """The components that change a RayCluster after the component `study` has moved it into the RayJob.

    Kustomize applies them to nothing, without an error.
    """
    overlay = _kustomization(folder)
    names = [str(name) for name in overlay.get("components") or ()]
    moved = [number for number, name in enumerate(names, 1) if Path(name).name == _STUDY]
    if any(Path(str(name)).name == _STUDY for name in overlay.get("resources") or ()):
        moved.append(0)
    return [name for name in names[min(moved) :] if "RayCluster" in _changed(folder / name)] if moved else []


def _kustomization(folder: Path) -> dict[str, Any]:
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    return (yaml.safe_load(file.read_text()) if file else None) or {}


def _changed(component: Path) -> Iterator[str]:
    """The kinds of objects that a component changes by name of their kind."""
    overlay = _kustomization(component)
    for each in overlay.get("components") or ():
        yield from _changed(component / str(each))
    for patch in overlay.get("patches") or ():
        yield str((patch.get("target") or {}).get("kind"))
    for replacement in overlay.get("replacements") or ():
        # It may be in a file, which has one or several.
        read = yaml.safe_load((component / replacement["path"]).read_text()) if "path" in replacement else replacement
        for one in read if isinstance(read, list) else [read]:
            yield from (str((target.get("select") or {}).get("kind")) for target in one.get("targets") or ())
