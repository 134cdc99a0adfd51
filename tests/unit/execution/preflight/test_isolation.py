"""The user's code outside the training of a trial."""

from pathlib import Path

from pipeline.engine.messages import Assignment
from pipeline.execution.preflight.isolation import isolated
from pipeline.storage import Store
from pipeline.study.context import current, trial
from tests.unit.execution.preflight.facts import job


def test_code_in_isolation_knows_its_trial_and_leaves_no_file(tmp_path: Path) -> None:
    """In isolation, code knows its trial and runs in the trial's folder, which is deleted afterwards."""
    before = Path.cwd()
    with isolated(job(), Assignment("0003", {}, 7), Store(tmp_path)):
        assert (trial().id, trial().seed, trial().epochs) == ("0003", 7, 8)
        assert Path.cwd() == trial().folder.resolve()
        Path("model.keras").write_text("x")
        assert list(tmp_path.rglob("model.keras"))
    assert Path.cwd() == before
    assert current() is None
    assert list(tmp_path.iterdir()) == []
