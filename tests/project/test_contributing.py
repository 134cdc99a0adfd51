"""CONTRIBUTING.md is a map: a small study passes each place of its table, and the paths that it names exist."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:pipeline|tune_jobs|scripts|tests|k8s|docs)/[\w./-]*")
_TABLE = PAGE.partition("## Where things happen\n")[2].partition("\n## ")[0]
PLACES = [_CODE.findall(line)[0] for line in _TABLE.splitlines() if line.startswith("| ") and "`" in line]

# Prints each function of tunepipe that a study calls: run, resumed, read, and a mistake.
WATCHED = """
import json, sys, threading
from pathlib import Path
# Imported before calls are watched, which makes them slow.
import duckdb, keras, matplotlib.pyplot, pandas, tensorflow
import pipeline
from pipeline.cli.app import main
home, called = str(Path(pipeline.__file__).parent) + "/", set()
def watch(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(home):
        called.add(frame.f_code.co_filename.removeprefix(home) + ":" + frame.f_code.co_qualname)
storage = ["--storage", sys.argv[1]]
small = ["--workers", "0", "--set", "checkpoints.top=1", "--name", "s"]
commands = (
    ["run", "digits-quick", "--trials", "3", "--epochs", "2", *small, *storage],
    ["resume", "s", "--trials", "4", "--workers", "0", *storage],
    ["results", "unknown", *storage],
)
threading.setprofile(watch)
sys.setprofile(watch)
for words in commands:
    sys.argv = ["tunepipe", *words]
    try:
        main()
    except SystemExit:
        pass
sys.setprofile(None)
Path(storage[1], "called.json").write_text(json.dumps(sorted(called)))
"""


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    storage = tmp_path_factory.mktemp("watched")
    subprocess.run([sys.executable, "-c", WATCHED, str(storage)], cwd=ROOT, check=True, capture_output=True)
    return set(json.loads((storage / "called.json").read_text()))


@pytest.mark.parametrize("place", PLACES)
def test_each_thing_happens_where_the_table_says(place: str, called: set[str]) -> None:
    assert place in called


def test_each_path_exists() -> None:
    paths = [code for code in _CODE.findall(PAGE) if _PATH.fullmatch(code) and "/my_" not in code]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
