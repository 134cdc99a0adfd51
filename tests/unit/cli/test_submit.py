"""`tunepipe submit --kubernetes --dry-run`, and what is refused before anybody is asked."""

import json
import sys

import pytest
import yaml

from pipeline.cli.app import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call the command as a shell would; its exit code."""
    monkeypatch.setattr(sys, "argv", ["tunepipe", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


def test_a_dry_run_prints_the_yaml_and_the_plan_beside_it(monkeypatch, capsys):
    """Stdout can be piped to kubectl; no Kubernetes is asked."""
    words = ["submit", "beale", "--kubernetes", "--dry-run", "--storage", "/studies", "--gpus-per-trial", "0.5"]
    assert call(monkeypatch, *words, "--set", "searcher=sobol", "--name", "mine") == 0
    printed = capsys.readouterr()
    (job,) = yaml.safe_load_all(printed.out)
    assert job["metadata"]["name"] == "mine-1"
    assert "--name mine --set searcher=sobol --set resources.gpus=0.5 --workers 32" in job["spec"]["entrypoint"]
    assert "autoscaling may reach 16 GPUs" in printed.err


def test_a_dry_run_as_json_is_one_object(monkeypatch, capsys):
    """A list of what would be applied."""
    words = ["submit", "beale", "--kubernetes", "--dry-run", "--json", "--storage", "/studies"]
    assert call(monkeypatch, *words) == 0
    (job,) = json.loads(capsys.readouterr().out)
    assert job["kind"] == "RayJob"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["submit", "beale", "--storage", "studies", "--address", "http://x"], "--storage"),
        (["submit", "beale", "--storage", "/studies"], "--address http://HOST:8265"),
        (["submit", "bale", "--storage", "/studies", "--address", "http://x"], "Did you mean 'beale'?"),
        (["submit", "beale", "--storage", "/s", "--trials", "0", "--address", "http://x"], "budget.trials"),
        (["submit", "beale", "--storage", "/s", "--start-from", "x", "--address", "http://x"], "There is no study 'x'"),
        (["submit", "beale", "--storage", "/s", "--dry-run", "--address", "http://x"], "--dry-run goes with --kuber"),
        (
            ["submit", "beale", "--storage", "/s", "--image", "i", "--overlay", "dev", "--address", "http://x"],
            "--image and --overlay go with --kubernetes only",
        ),
        (
            ["submit", "beale", "--storage", "/s", "--kubernetes", "--address", "http://x"],
            "--address goes without --kubernetes only. Nothing was submitted.",
        ),
        (["submit", "beale", "--storage", "/s", "--workers", "0", "--address", "http://x"], "1 is the least"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--wait-pods", "nan"], "--wait-pods"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--image", ""], "--image"),
        (["submit", "beale", "--storage", "/s", "--kubernetes", "--dry-run", "--namespace", "Mine_"], "--namespace"),
        (["status"], "RAY_API_SERVER_ADDRESS"),
        (["stop", "x", "--address", "ftp://x"], "http://HOST:8265"),
        (["stop", "x", "--context", "c"], "--context goes with --kubernetes only. Nothing was stopped."),
    ],
)
def test_mistakes_are_told_here_and_not_by_the_cluster(arguments, told, monkeypatch, capsys):
    """Exit code 2, before anything is uploaded."""
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    assert call(monkeypatch, *arguments) == 2
    assert told in capsys.readouterr().err
