"""Which changes of a job a resume accepts, and how it shows them."""

import re
import sys
from pathlib import Path

import pytest

from pipeline import Budget, load_results, run
from pipeline.errors import StudyChanged
from pipeline.execution.driver.resumed_job import only_appended, reconciled, with_study_settings
from pipeline.schedulers import PromotingASHA, SuccessiveHalving
from pipeline.storage import Store
from pipeline.study import load_study
from tests.unit.execution.driver.resumed_study import JOB, finished, job, resumed


@pytest.fixture
def study(tmp_path: Path) -> Store:
    """A finished study."""
    return finished(tmp_path)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (JOB.replace("for step", "# uphill\n    for step"), "climbing.py"),
        (JOB.replace("(config)", "( config )"), "climbing.py"),
        (JOB, "renamed.py"),
    ],
)
def test_a_comment_and_another_file_name_change_nothing(study, tmp_path, text, file):
    """Code that differs only in comments, spaces or its file's name is unchanged: the study keeps its own copy."""
    resumed(study, job(tmp_path, text, file))
    assert load_results(study.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert (Path(study.uri) / "source/climbing.py").read_text() == JOB


def test_changed_code_is_refused_with_the_difference(study, tmp_path):
    """Changed code is refused on a resume with the changed lines and a remedy."""
    with pytest.raises(StudyChanged) as error:
        resumed(study, job(tmp_path, JOB.replace("+ step", "- step")))
    reported = str(error.value)
    assert '-        yield {"score": config["x"] + step}' in reported
    assert '+        yield {"score": config["x"] - step}' in reported
    assert "tunepipe resume NAME" in reported
    assert len(load_results(study.uri).epochs) == 4


@pytest.mark.parametrize(
    ("path", "folder", "within"),
    [
        ("lib/late_one.py", "/lib", "import late_one"),
        ("late_pack/kinds/kind_b.py", "", "importlib.import_module(f'late_pack.kinds.kind_{chr(98)}')"),
    ],
)
def test_changed_code_that_is_imported_only_while_it_runs_is_refused(tmp_path, monkeypatch, path, folder, within):
    """A changed module that is imported only while a trial runs is refused on a resume, unless changes are accepted."""
    monkeypatch.setattr("sys.path", list(sys.path))
    late = tmp_path / path
    late.parent.mkdir(parents=True)
    late.write_text("v = 1\n")
    top = f"import importlib, os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + {folder!r})"
    text = f"{top}\n{JOB}".replace("    for step", f"    {within}\n    for step")
    run(job(tmp_path, text, "late_job.py"), storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    assert study.read(f"source/{path}") == b"v = 1\n"
    late.write_text("v = 1  # one\n")
    resumed(study, job(tmp_path, text, "late_job.py"))
    late.write_text("v = 5\n")
    changed = job(tmp_path, text, "late_job.py").replaced({"budget.trials": 3})
    with pytest.raises(
        StudyChanged, match="is imported by the job, and must have the content that the study began with"
    ) as error:
        resumed(study, changed)
    assert path in str(error.value)
    assert "-v = 1" in error.value.difference
    assert "+v = 5" in error.value.difference
    resumed(study, changed, accept_changes=True)
    assert len(load_results(study.uri).trials) == 3
    assert study.read(f"source/{path}") == b"v = 5\n"
    assert load_results(study.uri).sessions[-1]["code_changes"] == [f"{path} has different content"]


def test_changed_code_continues_if_it_is_accepted(study, tmp_path):
    """With changes accepted, the new code trains the remaining epochs and the study keeps a copy of it."""
    changed = JOB.replace("+ step", "- step")
    resumed(study, job(tmp_path, changed), accept_changes=True)
    assert (Path(study.uri) / "source/climbing.py").read_text() == changed
    results = load_results(study.uri)
    gain, step = results.epochs["score"] - results.epochs["config_x"], results.epochs["epoch"] - 1
    assert gain.to_list() == pytest.approx(step.where(step < 2, -step).to_list())
    assert results.epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    assert [session["code_changes"] for session in results.sessions] == [
        [],
        ["climbing.py, which defines climb, has different code"],
    ]


def test_code_without_a_file_has_no_difference(tmp_path):
    """A function of a notebook that is replaced by one of a file is refused without the whole file as added lines."""

    def before(config):
        yield {"score": config["x"]}

    first = job(tmp_path).replaced({"function": before})
    run(first, storage=tmp_path / "studies", note=lambda _: None)
    with pytest.raises(StudyChanged, match="must be the code that the study began with") as error:
        resumed(Store(tmp_path / "studies").folder("s"), job(tmp_path))
    assert "@@" not in str(error.value)


def test_a_changed_domain_is_named(study, tmp_path):
    """A changed domain is refused with the old one, and once accepted, new trials are drawn from the new domain."""
    changed = job(tmp_path, JOB.replace("Uniform(0, 1)", "Uniform(5, 6)"))
    with pytest.raises(StudyChanged, match=r"space\.x: must stay .*'high': 1"):
        resumed(study, changed)
    resumed(study, changed.replaced({"budget.trials": 4}), accept_changes=True)
    results = load_results(study.uri)
    _, change = results.sessions[-1]["code_changes"]
    assert re.fullmatch(r"x is .*'high': 6.* instead of .*'high': 1.*", change)
    drawn = results.trials["config_x"]
    assert (drawn[:2] < 1).all()
    assert (drawn[2:] >= 5).all()


def test_another_parameter_cannot_be_accepted(study, tmp_path):
    """An additional parameter is refused even if changes are accepted, since earlier trials have no value for it."""
    changed = job(tmp_path, JOB.replace('{"x": Uniform(0, 1)}', '{"x": Uniform(0, 1), "y": 3}'))
    with pytest.raises(StudyChanged, match=r"space\.y: must be left out"):
        resumed(study, changed, accept_changes=True)


def test_the_seed_cannot_change(study, tmp_path):
    """A resume refuses another seed even if code changes are accepted."""
    with pytest.raises(StudyChanged, match="seed: must stay 0"):
        resumed(study, job(tmp_path).replaced({"seed": 1}), accept_changes=True)


def test_start_configs_can_be_appended_until_the_searcher_draws(tmp_path):
    """A resume with more start configs trains them next; once the searcher has drawn a trial, it refuses them."""
    starts = [{"x": 0.1}, {"x": 0.2}]
    begun = job(tmp_path).replaced({"start_with": starts})
    run(begun, storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    more = begun.replaced({"start_with": [*starts, {"x": 0.3}], "budget.trials": 4})
    resumed(study, more)
    drawn = list(load_results(study.uri).trials["config_x"])
    assert drawn[:3] == [0.1, 0.2, 0.3]
    at_once = run(more.replaced({"name": "t"}), storage=tmp_path / "studies")
    assert drawn == list(at_once.trials["config_x"])
    with pytest.raises(StudyChanged, match=r"start_with: must stay .*; more can be appended before"):
        resumed(study, more.replaced({"start_with": [*starts, {"x": 0.3}, {"x": 0.4}]}))


def test_enqueued_trials_are_not_drawn_by_the_searcher(tmp_path):
    """Start configs can be appended after a user has enqueued a config, while the searcher has drawn no trial."""
    starts = [{"x": 0.1}, {"x": 0.2}]
    saved = job(tmp_path).replaced({"start_with": starts})
    trained = [{"enqueued": False}, {"enqueued": True}, {}]
    more = [*starts, {"x": 0.3}]
    assert only_appended(more, saved, {"resume": {"trials": trained}})
    assert not only_appended(more, saved, {"resume": {"trials": [*trained, {"enqueued": False}]}})


def test_changed_start_configs_are_refused(tmp_path):
    """A resume refuses another value of a start config, and one that is left out."""
    starts = [{"x": 0.1}, {"x": 0.2}]
    begun = job(tmp_path).replaced({"start_with": starts})
    run(begun, storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    for changed in ([{"x": 0.3}, {"x": 0.2}], [{"x": 0.1}]):
        with pytest.raises(StudyChanged, match="start_with: must stay"):
            resumed(study, begun.replaced({"start_with": changed}))


def test_a_resume_keeps_and_reports_the_studys_own_budget(study, tmp_path):
    """A resume keeps the study's budget and reports that the job file has another, unless an option sets that field."""
    reported: list[str] = []
    changed = job(tmp_path, JOB.replace("epochs=2", "epochs=30"))
    assert with_study_settings(changed, study, reported.append).budget == Budget(trials=2, epochs=2)
    assert reported == ["The study keeps its own budget unless an option changes it: epochs 2, not 30."]
    with_study_settings(changed, study, reported.append, changed=["budget.epochs"])
    assert len(reported) == 1


def test_a_smaller_budget_is_reported(study, tmp_path):
    """A resume with a smaller budget keeps all trained epochs and reports the difference."""
    reported: list[str] = []
    run(job(tmp_path).replaced({"budget.epochs": 1}), storage=tmp_path / "studies", resume=True, note=reported.append)
    assert reported == [
        "The study resumes with a smaller budget than before: epochs 1 instead of 2. Results beyond this budget are "
        "kept."
    ]
    assert len(load_results(study.uri).epochs) == 4


def test_a_study_continues_under_the_name_of_its_folder(study, tmp_path):
    """A copied study is resumed in its present folder, under the name of that folder."""
    Path(study.uri).rename(tmp_path / "studies/copy")
    store = Store(tmp_path / "studies").folder("copy")
    again = reconciled(load_study(store).replaced({"name": "copy", "budget.epochs": 3}), load_study(store))
    run(again, storage=tmp_path / "studies", resume=True)
    assert len(load_results(store.uri).epochs) == 6


@pytest.mark.parametrize("name", ["promoting-asha", "halving"])
def test_a_resume_with_more_epochs_keeps_the_rungs(tmp_path: Path, name: str) -> None:
    """A study stores the measured rungs of its budget, and a resume with more epochs keeps them."""
    named = job(tmp_path, JOB.replace('"fifo"', f'"{name}"'))
    run(named, storage=tmp_path / "studies")
    study = Store(tmp_path / "studies").folder("s")
    began = load_study(study).scheduler
    assert (began.kind, began.grace_period, began.reduction_factor) == (name, 1, 3.5)
    run(named.replaced({"budget.epochs": 60}), storage=tmp_path / "studies", resume=True)
    assert (load_study(study).budget.epochs, load_study(study).scheduler) == (60, began)


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (PromotingASHA(grace_period=1, reduction_factor=2.0), (1, 2.0)),
        (SuccessiveHalving(grace_period=None, reduction_factor=3.5), (3, 3.5)),
    ],
)
def test_a_study_of_other_defaults_keeps_its_rungs(
    tmp_path: Path, stored: PromotingASHA | SuccessiveHalving, kept: tuple[int, float]
) -> None:
    """A resume with a scheduler by name keeps the rungs with which the study began, and refuses other given ones."""
    named = job(tmp_path, JOB.replace('"fifo"', f'"{stored.kind}"'))
    saved = named.replaced({"scheduler": stored, "budget.epochs": 50})
    longer = named.replaced({"budget.epochs": 500})
    resumes = reconciled(longer, saved).scheduler
    assert (resumes.kind, resumes.grace_period, resumes.reduction_factor) == (stored.kind, *kept)
    with pytest.raises(StudyChanged, match="must stay"):
        reconciled(longer.replaced({"scheduler.grace_period": 5}), saved)


def test_a_hyperband_study_keeps_the_rungs_with_which_it_began(tmp_path: Path) -> None:
    """A study with rungs that grew from one epoch, and one with rungs below its first maximum, resume with these."""
    named = job(tmp_path, JOB.replace('"fifo"', '"hyperband"'))
    grown = named.replaced({"scheduler": {"kind": "hyperband", "grace_period": 1}, "budget.epochs": 32})
    divided = named.replaced({"budget.epochs": 32}).resolved()
    longer = named.replaced({"budget.epochs": 64})
    rungs = [reconciled(longer, saved).scheduler.rungs(64) for saved in (grown, divided)]
    assert rungs == [(1, 3, 9, 27), (1, 4, 11, 32)]
    with pytest.raises(StudyChanged, match="must stay"):
        reconciled(longer.replaced({"scheduler.max_epochs": 64}), divided)
