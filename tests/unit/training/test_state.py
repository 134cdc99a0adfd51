import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.storage import pack, unpack
from pipeline.training.workplace import Workplace
from tests.unit.training.going_on import AFTER, BEFORE, CONFIG, JOBS, everything, go_on, keep, start
from tests.unit.training.kinds import rows_of_six
from tests.unit.training.training import job_of, weights_of


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What becomes of each trial without an interruption, and after one in another process."""
    folder, unbroken = tmp_path_factory.mktemp("states"), {}
    for number, (name, (job, data)) in enumerate(JOBS.items()):
        learner = start(job, data())
        for _ in range(BEFORE):
            learner.run_epoch()
        keep(learner, folder / f"{number}.ckpt")
        unbroken[name] = json.loads(json.dumps(go_on(learner, AFTER)))
    subprocess.run([sys.executable, "-m", "tests.unit.training.going_on", str(folder)], check=True, cwd=Path.cwd())
    return unbroken, json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", list(JOBS))
def test_goes_on_in_another_process(name: str, outcomes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A trial that was saved and goes on elsewhere ends as if it had never stopped, to the last digit."""
    unbroken, resumed = outcomes
    assert resumed[name] == unbroken[name]


def test_callbacks_remember(outcomes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The interruption falls where callbacks had something to remember: later they stop, restore and lower."""
    watched = outcomes[0]["EarlyStopping, ReduceLROnPlateau"]["metrics"]
    assert len({rate for _, rate, _ in watched}) > 1
    assert watched[-1][2]


def test_exploit_keeps_the_receivers_numbers() -> None:
    """Another trial's state brings its weights and its age; the learning rate stays the receiver's own."""
    workplace = Workplace(job_of(everything), rows_of_six())
    donor: Any = workplace.learner({"rate": 0.3, "lr": 0.5}, seed=1)
    donor.run_epoch()
    state = unpack(b"".join(pack(donor.save())), "donor")
    receiver: Any = workplace.learner({"rate": 0.1, "lr": 0.25}, seed=2)
    receiver.run_epoch()
    receiver.run_epoch()

    receiver.load(state, exploit=True)

    assert all((a == b).all() for a, b in zip(weights_of(receiver.model), weights_of(donor.model), strict=True))
    assert receiver.model_epoch == 1
    assert receiver.run_epoch().learning_rate == 0.25


def test_another_architecture_is_refused() -> None:
    """A state of other shapes is refused, with what differs and what to do."""
    job, data = job_of(everything), rows_of_six()
    narrow = Workplace(job, data).learner(CONFIG, seed=1)
    wide = Workplace(job, data).learner({**CONFIG, "width": 9}, seed=1)
    with pytest.raises(ModelError, match=r"\(6, 8\) float32 was saved where .* \(6, 9\) .* space.NAME"):
        wide.load(narrow.save())


def test_state_is_a_copy() -> None:
    """What was saved does not change when training goes on."""
    learner: Any = Workplace(job_of(everything), rows_of_six()).learner(CONFIG, seed=1)
    learner.run_epoch()
    state = learner.save()
    before = b"".join(pack(state))
    learner.run_epoch()
    assert b"".join(pack(state)) == before
