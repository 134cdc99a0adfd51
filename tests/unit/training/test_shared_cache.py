"""The function that job files import to share a part of a pipeline."""

import subprocess
import sys

import pytest

from pipeline import shared_cache
from pipeline.errors import DataError


def test_a_job_file_that_imports_shared_cache_loads_no_tensorflow() -> None:
    """A module that imports `shared_cache` and calls it with a name loads no TensorFlow."""
    code = "import sys; from pipeline import shared_cache; shared_cache('train'); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_cache_without_a_name_is_refused(name: object) -> None:
    """`shared_cache` refuses a name that is not text or is empty, and says what it takes."""
    with pytest.raises(DataError, match="takes a name, such as shared_cache"):
        shared_cache(name)
