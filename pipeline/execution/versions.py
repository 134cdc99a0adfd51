"""The installed versions of Python and of the packages on which results depend."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

_DECISIVE = ("tunepipe", "ray", "tensorflow", "keras", "numpy", "pyarrow")
"""The packages that driver and workers must have in the same versions."""


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
