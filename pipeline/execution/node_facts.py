"""The machine and the versions of a node, on which results depend."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline.machine import this_machine

_DECISIVE = ("tunepipe", "ray", "tensorflow", "keras", "numpy", "pyarrow")
"""The packages that driver and workers must have in the same versions."""

PACKAGES = (*_DECISIVE, "pandas", "scikit-learn", "optuna", "cmaes")
"""The packages whose versions a study records."""

_ALSO = {"tensorflow": ("tensorflow-cpu",)}
"""Other distributions of the same package: the image for CPUs has TensorFlow without CUDA's kernels."""


def installed(names: Sequence[str] = _DECISIVE) -> dict[str, str]:
    """The versions of Python and of packages."""
    versions = {"python": platform.python_version()}
    for name in names:
        for distribution in (name, *_ALSO.get(name, ())):
            with suppress(PackageNotFoundError):
                versions[name] = version(distribution)
                break
    return versions


def node_facts() -> dict[str, Any]:
    """What a study records of the node that a worker runs on: the machine, and the versions there."""
    return {**this_machine().record(), "versions": installed(PACKAGES)}
