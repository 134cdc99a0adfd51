"""The same random numbers in every process."""

import random
from pathlib import Path

import numpy as np

from pipeline.study.load_module import load_module
from pipeline.study.random_numbers import same_random_numbers


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


def test_random_numbers_are_the_same_for_a_seed() -> None:
    """Within the context, Python and NumPy draw the same numbers for the same seed, and continue as before after it."""
    random.seed(1)
    before = random.getstate()
    drawn = []
    for seed in (3, 3, 4):
        with same_random_numbers(seed):
            drawn.append((random.random(), np.random.rand()))
    assert drawn[0] == drawn[1] != drawn[2]
    assert random.getstate() == before
