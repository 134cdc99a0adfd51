"""The documentation is correct: its Python runs, and its tables are those of the schema."""

import dataclasses
import itertools
import re
import runpy
import shlex
from pathlib import Path

import nbformat
import pytest

from pipeline.cli.job_options import assignments
from pipeline.searchers import SEARCHERS
from pipeline.storage import schema
from scripts.documentation import FENCE, executed
from tests.documented import shape, unreadable

ROOT = Path(__file__).parents[2]
_PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]
_WITH_PYTHON = [
    "README.md",
    *(f"docs/{page}.md" for page in ("jobs", "data", "training", "search", "functions")),
]
_LARGEST_NOTEBOOK = 2**19
_INCOMPLETE = "Missing parameter"


def blocks(file: str) -> list[str]:
    """The Python of a Markdown file, in order."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", _WITH_PYTHON)
def test_the_python_in_the_documentation_runs(file, tmp_path, monkeypatch):
    """The Python blocks of a page run one after the other in one namespace, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    found = blocks(file)
    assert found
    source = tmp_path / "typed.py"
    source.write_text("\n".join(found))
    namespace = {"__name__": "typed"}
    exec(compile(source.read_text(), source, "exec"), namespace)


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
    """The columns of a table in HTML."""
    header = output.get("data", {}).get("text/html", "").partition("</thead>")[0]
    return re.findall(r"<th[^>]*>([^<]*)</th>", header)


@pytest.mark.parametrize("page", _PAGES)
def test_every_command_of_tunepipe_that_a_page_shows_can_be_read(page):
    """Each command in backticks on a page exists with its options; arguments may be omitted."""
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for found in re.findall(r"`(tunepipe [^`]+)`", text):
        command = " ".join(found.split())
        words = command.split(" | ")[0]
        assert (unreadable(words) or _INCOMPLETE).startswith(_INCOMPLETE), command


@pytest.mark.parametrize("page", _PAGES)
def test_commands_stand_in_blocks_that_are_run(page):
    """No command is in a block of another language, which no test would run."""
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
    """Every relative link of a Markdown file refers to an existing file, and to a heading of it if it has an anchor."""
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
        [*namespace["CLASSES"], *namespace["FAMILIES"], *schema.TABLES]
    )
    assert texts == [namespace["documented"](text) for text in texts]
    assert f"carry `schema_version` {schema.SCHEMA_VERSION} in" in texts[-1]


@pytest.mark.parametrize("searcher", SEARCHERS.values())
def test_a_searchers_fields_are_shown_with_their_defaults(searcher):
    """The table of searchers has each class with its arguments, as in Python."""
    fields = [field for field in dataclasses.fields(searcher) if field.init and field.name != "kind"]
    arguments = ", ".join(f"{field.name}={field.default!r}" for field in fields)
    assert f"`{searcher.__name__}({arguments})`" in (ROOT / "docs/search.md").read_text(encoding="utf-8")


def test_every_assignment_in_the_documentation_changes_the_job():
    """Each `--set` in docs/jobs.md is accepted by the job of its page and changes it."""
    text = (ROOT / "docs/jobs.md").read_text(encoding="utf-8")
    namespace = {"__name__": "typed"}
    exec(blocks("docs/jobs.md")[0], namespace)
    lines = re.findall(r"^tunepipe run my_job.py --name \w+ (--set .*)$", text, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        pairs = [word for word in shlex.split(line, comments=True) if word != "--set"]
        assert namespace["JOB"].replaced(assignments(pairs)) != namespace["JOB"], line
