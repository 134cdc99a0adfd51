"""What tunepipe reads of Tune's trials and their actors."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.execution.ray import internals


def test_an_exit_by_ray_is_a_termination() -> None:
    """The exit with which Ray answers SIGTERM is recognised, and an exit of the user's code is not."""
    from ray._raylet import raise_sys_exit_with_custom_error_message

    with pytest.raises(SystemExit) as caught:
        raise_sys_exit_with_custom_error_message("the node is drained")
    assert internals.is_termination(caught.value), (
        "Ray no longer marks its exits with ray_terminate_msg; pipeline/execution/ray/internals/ uses it to know "
        "preemptions; without it, an exit with the code 0 counts as one."
    )
    assert not internals.is_termination(SystemExit(0))
    assert not internals.is_termination(ValueError("no"))


def test_without_the_mark_an_exit_with_code_0_is_a_termination(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If Ray marks no exits, an exit with code 0 counts as a preemption, and a message says so once."""
    monkeypatch.delattr("ray._raylet.raise_sys_exit_with_custom_error_message")
    assert internals.is_termination(SystemExit(0))
    assert internals.is_termination(SystemExit(0))
    assert not internals.is_termination(SystemExit(1))
    assert capsys.readouterr().err.count("has no mark of its own exits: an exit with the code 0 counts") == 1


def test_an_actor_that_is_refused_is_not_kept() -> None:
    """Tune's controller keeps the actors of all trials except those that are refused."""
    controller = SimpleNamespace(_maybe_cache_trial_actor=lambda _: True)
    internals.refuse_cached_actors(SimpleNamespace(_tune_controller=controller), lambda trial: trial == "large")
    assert controller._maybe_cache_trial_actor("small")  # noqa: SLF001
    assert not controller._maybe_cache_trial_actor("large")  # noqa: SLF001


def test_without_their_names_trials_are_driven_on_and_each_name_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without Tune's names for actors and failures, trials still get their configs, and each name is reported once."""
    trial = SimpleNamespace()
    for _ in range(2):
        assert internals.actor_of(trial) is None
        assert internals.failures_of(trial) == 0
        internals.set_trial_config(trial, {"a": 1})
        internals.refuse_cached_actors(SimpleNamespace(), lambda _: True)
    assert trial.config == {"a": 1}
    names = ("ray_actor: a worker that hangs", "num_failures: workers lost", "_maybe_cache_trial_actor: a worker over")
    lines = capsys.readouterr().err.splitlines()
    assert [any(name in line for line in lines) for name in names] == [True] * 3
    assert len(lines) == 3


def test_a_trial_that_has_not_begun_has_no_actor(capsys: pytest.CaptureFixture[str]) -> None:
    """A trial that has not begun has None as its actor, and nothing is reported as missing."""
    trial = SimpleNamespace(
        temporary_state=SimpleNamespace(ray_actor=None), run_metadata=SimpleNamespace(num_failures=2)
    )
    assert internals.actor_of(trial) is None
    assert internals.failures_of(trial) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Failure # 1 (occurred at noon)\nThe actor died unexpectedly.\nMore.\n", "The actor died unexpectedly."),
        ("Failure # 1 (a)\nOld.\n\nFailure # 2 (b)\nTraceback:\n  ValueError: no\n", "ValueError: no"),
        ("", "Ray gives no reason."),
    ],
    ids=["death", "exception", "nothing"],
)
def test_the_newest_failure_says_why_a_worker_is_lost(tmp_path: Path, text: str, sentence: str) -> None:
    """The reason is the death of the process, or the last line of the newest failure's traceback."""
    (tmp_path / "error.txt").write_text(text)
    assert internals.worker_failure_reason(SimpleNamespace(error_file=str(tmp_path / "error.txt"))) == sentence


def test_without_its_mark_the_last_line_says_why_a_worker_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If Tune no longer marks where a failure begins, the last line is the reason, and that is said once."""
    (tmp_path / "error.txt").write_text("Attempt 1\nValueError: no\n")
    trial = SimpleNamespace(error_file=str(tmp_path / "error.txt"))
    assert [internals.worker_failure_reason(trial) for _ in range(2)] == ["ValueError: no"] * 2
    assert capsys.readouterr().err.count("has no mark 'Failure # '") == 1
