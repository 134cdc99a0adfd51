"""Draws of a job's file while it is imported."""

import random
from pathlib import Path

import numpy as np

from pipeline.study.load_module import load_module


def test_a_file_draws_the_same_numbers_each_time_and_no_other_draws_change(tmp_path: Path) -> None:
    """Python's and NumPy's generators begin again for a file that is imported, and then continue as before."""
    path = tmp_path / "drawing.py"
    path.write_text("import random\nimport numpy as np\nDRAWN = random.random(), np.random.random()\n")
    random.seed(5)
    np.random.seed(5)
    wanted = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)
    first, second = (load_module(path).DRAWN for _ in range(2))
    assert first == second
    assert (random.random(), np.random.random()) == wanted
