"""Errors about data next to a copy."""

from pathlib import Path

import pytest

from pipeline.study.copies import Copies
from pipeline.study.uncopied_data import uncopied_data

pytestmark = pytest.mark.usefixtures("own_modules")


def test_data_that_only_the_copy_lacks_have_advice(tmp_path: Path) -> None:
    """An error that names a path next to a study's copies has advice, and one that names another path has none."""
    Copies(tmp_path / "source", {}).install()
    found = uncopied_data(ValueError(f"No images found in directory {tmp_path / 'source/pets'}."))
    assert str(found).startswith(f"{tmp_path / 'source'} has the study's copies of the code")
    assert uncopied_data(ValueError(f"No images found in directory {tmp_path / 'pets'}.")) is None
