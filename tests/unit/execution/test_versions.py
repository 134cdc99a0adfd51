"""Installed versions."""

import platform
from importlib.metadata import version

from pipeline.execution.versions import installed


def test_versions_are_those_of_the_packages_that_are_installed() -> None:
    """Versions include Python's and leave out packages that are not installed."""
    assert installed(["numpy", "no-such-package"]) == {
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }


def test_the_packages_that_driver_and_workers_share_are_the_default() -> None:
    """Versions are by default those of the packages that driver and workers must share."""
    assert {"python", "ray", "tensorflow", "keras", "numpy", "pyarrow"} <= set(installed())


def test_tensorflow_counts_under_the_name_that_an_image_has_it_by(tmp_path, monkeypatch) -> None:
    """The version of tensorflow-cpu is reported as that of tensorflow."""
    (tmp_path / "tensorflow_cpu-9.8.dist-info").mkdir()
    (tmp_path / "tensorflow_cpu-9.8.dist-info/METADATA").write_text("Name: tensorflow-cpu\nVersion: 9.8\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert installed(["tensorflow"])["tensorflow"] == "9.8"
