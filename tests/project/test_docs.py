"""The documentation is correct: its Python runs, its tables are those of the code, and CONTRIBUTING.md is a map."""

import dataclasses
import itertools
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import pipeline
from pipeline.cli.commands import app
from pipeline.cli.job_options import JOB_OPTIONS
from pipeline.datasets import DATASETS
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.storage import schema
from scripts.documentation import FENCE, executed
from tests.documented import shape, unreadable

ROOT = Path(__file__).parents[2]
_PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
_WITH_PYTHON = ["README.md", *(f"docs/{page}.md" for page in ("jobs", "data", "training", "search", "functions"))]
_LARGEST_NOTEBOOK = 2**19
_INCOMPLETE = "Missing parameter"


def blocks(file: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", _WITH_PYTHON)
def test_the_python_in_the_documentation_runs(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = blocks(file)
    assert found
    source = tmp_path / "typed.py"
    source.write_text("\n".join(found))
    namespace = {"__name__": "typed"}
    exec(compile(source.read_text(), source, "exec"), namespace)


@pytest.mark.long
def test_the_notebook_shows_what_it_prints(tmp_path):
    """In a new kernel, each cell has outputs of the same kinds, words and columns as in the file."""
    shown = nbformat.read(ROOT / "docs/analysis.ipynb", as_version=4)
    assert (ROOT / "docs/analysis.ipynb").stat().st_size < _LARGEST_NOTEBOOK
    assert any("image/png" in output.get("data", {}) for cell in shown.cells for output in cell.get("outputs", []))
    for before, now in zip(shown.cells, executed(tmp_path).cells, strict=True):
        assert _shapes(now) == _shapes(before), before.source


def _shapes(cell: nbformat.NotebookNode) -> list[object]:
    """The kind and the shape of the text of each output of a cell.

    Streams that follow one another are one, and lines of progress do not count: a slow machine prints more of them.
    """
    shapes: list[object] = []
    for kind, outputs in itertools.groupby(cell.get("outputs", []), lambda output: output.output_type):
        if kind == "stream":
            text = shape("".join(output.text for output in outputs))
            shapes += [(kind, text)] if text else []
        else:
            shapes += [(kind, sorted(output.get("data", {})), _headings(output)) for output in outputs]
    return shapes


def _headings(output: nbformat.NotebookNode) -> list[str]:
    header = output.get("data", {}).get("text/html", "").partition("</thead>")[0]
    return re.findall(r"<th[^>]*>([^<]*)</th>", header)


@pytest.mark.parametrize("page", _PAGES)
def test_every_command_of_tunepipe_that_a_page_shows_can_be_read(page):
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for found in re.findall(r"`(tunepipe [^`]+)`", text):
        command = " ".join(found.split())
        words = command.split(" | ")[0]
        assert (unreadable(words) or _INCOMPLETE).startswith(_INCOMPLETE), command


@pytest.mark.parametrize("page", _PAGES)
def test_commands_stand_in_blocks_that_are_run(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for language, content in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language not in ("console", "sh", "python"):
            assert language == "text", content
            assert not re.search(r"^(\$ )?(tunepipe|make|kubectl|pip|git|python|podman) ", content, re.MULTILINE), (
                content
            )


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings: in lower case, without punctuation, with hyphens for spaces."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    names = [re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in plain]
    # The second heading of a name has a number behind it.
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        count = seen[name] = seen.get(name, -1) + 1
        names[place] = f"{name}-{count}" if count else name
    return set(names)


@pytest.mark.parametrize(
    "page", [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
)
def test_links_within_the_documentation_lead_somewhere(page):
    file = ROOT / page
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", file.read_text(encoding="utf-8")):
        there = file.parent / target if target else file
        assert there.exists(), f"{page} links to {target}"
        assert not anchor or anchor in _anchors(there), f"{page} links to {target}#{anchor}"


def test_fields_and_columns_are_documented_as_the_code_has_them():
    """The tables in docs/ equal those of the code, which scripts/document.py writes."""
    namespace = runpy.run_path(str(ROOT / "scripts/document.py"))
    texts = [file.read_text(encoding="utf-8") for file in namespace["FILES"]]
    assert sorted(re.findall(r"<!-- (?:fields|columns) of (\w+) -->", "".join(texts))) == sorted(
        [*namespace["CLASSES"], "schedulers", *schema.TABLES]
    )
    assert texts == [namespace["documented"](text) for text in texts]
    assert f"carry `schema_version` {schema.SCHEMA_VERSION} in" in texts[-1]


@pytest.mark.parametrize("searcher", SEARCHERS.values())
def test_a_searchers_fields_are_shown_with_their_defaults(searcher):
    fields = [field for field in dataclasses.fields(searcher) if field.init and field.name != "kind"]
    arguments = ", ".join(f"{field.name}={field.default!r}" for field in fields)
    assert f"`{searcher.__name__}({arguments})`" in (ROOT / "docs/search.md").read_text(encoding="utf-8")


def test_the_shape_of_an_output_is_its_words_and_its_tables_columns():
    one = "digits  ended, 2 stopped; 34 epochs\n\nSaved 172 epochs, about 19 s: 0015 at epoch 4, 0018 at\nepoch 2.\n"
    other = "digits  ended, 1 stopped; 1 epoch\n\nSaved 1 epoch, about 1 min 3 s: 0001 at epoch 4.\n"
    assert shape(one) == shape(other) != shape(one.replace("Saved", "Lost"))
    assert shape("3 stopped, 2 completed") == shape("5 completed, 4 stopped")
    table = "trial  state    best\n0001   stopped  0.5\n0002   failed   –\n"
    assert shape(table) == ["columns: trial | state | best (with rows)"]
    assert shape(table.splitlines()[0]) == ["columns: trial | state | best (without rows)"]
    assert shape(table) != shape(table.replace("best", "last"))


COMMANDS, SEARCH, DATA = ((ROOT / f"docs/{page}.md").read_text() for page in ("commands", "search", "data"))


@pytest.mark.parametrize(("option", "known"), [("scheduler", SCHEDULERS), ("search", SEARCHERS)])
def test_schedulers_and_searchers_are_documented(option, known):
    words = re.findall(r"[a-z0-9-]+", JOB_OPTIONS[option][0].__metadata__[0].help)
    assert [kind for kind in known if kind not in words or f"`{kind}`" not in SEARCH] == []
    assert {each.__name__ for each in known.values()} <= set(pipeline.__all__)


def test_data_sets_and_commands_are_documented():
    assert [name for name in DATASETS if f"`{name}`" not in DATA] == []
    assert [one.name for one in app.registered_commands if not re.search(rf"tunepipe {one.name}\b", COMMANDS)] == []


PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"(?:pipeline|tune_jobs|scripts|tests|k8s|docs)/[\w./-]*")
_TABLE = PAGE.partition("## Where things happen\n")[2].partition("\n## ")[0]
PLACES = [_CODE.findall(line)[0] for line in _TABLE.splitlines() if line.startswith("| ") and "`" in line]

# Writes which functions of tunepipe a study calls, in order: run, resumed, read, and a mistake.
WATCHED = """
import json, sys, threading
from pathlib import Path
# Imported before calls are watched, which makes them slow.
import duckdb, keras, matplotlib.pyplot, pandas, tensorflow
import pipeline
from pipeline.cli.app import main
home, called = str(Path(pipeline.__file__).parent) + "/", {}
def watch(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(home):
        called.setdefault(frame.f_code.co_filename.removeprefix(home) + ":" + frame.f_code.co_qualname)
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
Path(storage[1], "called.json").write_text(json.dumps(list(called)))
"""


@pytest.mark.long
def test_each_thing_happens_where_and_when_the_table_says(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WATCHED, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    called = json.loads((tmp_path / "called.json").read_text())
    assert sorted(PLACES, key=called.index) == PLACES


def test_each_path_exists() -> None:
    paths = [code for code in _CODE.findall(PAGE) if _PATH.fullmatch(code) and "/my_" not in code]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
