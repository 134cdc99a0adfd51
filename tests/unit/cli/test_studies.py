"""`tunepipe studies` lists a storage's studies."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from tests.unit.results.studies import Recording, asha_study, tune_job


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("storage")
    asha_study(root)
    Recording(root, tune_job("waits"))
    return root


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["studies", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_each_study_is_a_line(storage: Path) -> None:
    head, waits, asha = invoke("--storage", str(storage)).splitlines()

    assert head.split() == ["study", "state", "trials", "epochs", "best", "started"]
    assert waits.split() == ["waits", "waiting", "0", "0", "–", "–"]
    assert asha.split()[:6] == ["mnist-asha", "finished", "24", "64", "val_accuracy", "0.9666"]


def test_json_prints_one_object(storage: Path) -> None:
    reported = json.loads(invoke("--storage", str(storage), "--json"))

    assert [(study["name"], study["trials"], study["metric"]) for study in reported["studies"]] == [
        ("waits", 0, "val_accuracy"),
        ("mnist-asha", 24, "val_accuracy"),
    ]
    assert reported["studies"][1]["started"] == "2025-03-14T09:30:00+00:00"


def test_an_empty_storage_prints_what_to_do(tmp_path: Path) -> None:
    reported = invoke("--storage", str(tmp_path))

    assert "tunepipe run JOB" in reported
    assert "--storage" in reported
    assert json.loads(invoke("--storage", str(tmp_path), "--json")) == {"studies": []}


def test_a_list_needs_neither_ray_nor_tensorflow_nor_pictures(storage: Path) -> None:
    code = (
        "import sys; from pipeline.cli.commands import app; "
        "app(['studies', '--storage', sys.argv[1]], standalone_mode=False); "
        "sys.exit(' '.join({'ray', 'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(storage)], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
