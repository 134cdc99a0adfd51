"""Files in its own folder that a module names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.study.adjacent_files import is_data_folder, joined_paths, named_files


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Path(__file__).with_name('words.txt').read_text()", "words.txt"),
        ("open(Path(__file__).parent / 'data' / 'words.txt')", "data/words.txt"),
        ("open(Path(__file__).parent / 'data/words.txt')", "data/words.txt"),
        ("Path(__file__).parent.joinpath('data', 'words.txt')", "data/words.txt"),
        ("os.path.join(os.path.dirname(__file__), 'data', 'words.txt')", "data/words.txt"),
        ("HERE = Path(__file__).parent\ndef f():\n    return np.load(HERE / 'a.npy')", "a.npy"),
    ],
)
def test_a_file_is_named_by_literals(text: str, name: str) -> None:
    """A file is found if a module joins its path from literals in any way."""
    assert name in named_files(text.encode())


@pytest.mark.parametrize("text", ["open('words.txt')", "__file__ +", "x = '__file__'[", ""])
def test_other_texts_name_nothing(text: str) -> None:
    """A relative path without the module's folder, and text that is not Python, name no file."""
    assert named_files(text.encode()) == ()
    assert joined_paths(text.encode()) == ()


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("HERE / 'data' / 'cats'", {"data", "data/cats"}),
        ("HERE.joinpath('data', 'cats')", {"data/cats"}),
        ("os.path.join(HERE, 'data', 'cats')", {"data/cats"}),
        ("Path(HERE, 'data')", {"data"}),
        ("DATA = 'data'\nHERE / DATA / 'cats'", {"data", "data/cats"}),
        ("DATA: str = 'data'\nHERE / DATA", {"data"}),
        ("for kind in ['cats', 'dogs']: HERE / kind", {"cats", "dogs"}),
        ("KINDS = ('cats', 'dogs')\n[HERE / kind for kind in KINDS]", {"cats", "dogs"}),
        ("def read(kind, part='x'): return HERE / kind / part\nread('a')\nread(kind='b')", {"a", "b", "a/x", "b/x"}),
        ("HERE / 'data' / unknown()", {"data"}),
        ("os.path.join(HERE, 'data', f'{number}.png')", {"data"}),
        ("HERE.joinpath('data', 'cats', unknown, 'small')", {"data/cats"}),
        ("Path(HERE, 'data', unknown())", {"data"}),
        ("os.path.join(HERE, unknown, 'data')", set()),
        ("HERE / Path('data') / 'cats'", {"data", "data/cats"}),
        ("HERE / Path('data', 'cats')", {"data/cats"}),
        ("os.path.join(HERE, os.pardir, 'data')", {"../data"}),
        ("def read(*, part='a', other): return HERE / part / other\nread(other='b')", {"a", "a/b"}),
        (
            "p.add_argument('-d', '--data-dir', default='data')\np.add_argument('--n', default=3)\n"
            "p.add_argument('--out', default='o', dest='to')\nargs = p.parse_args()\n"
            "HERE / args.data_dir\nHERE / args.n\nHERE / args.to\nHERE / others.data_dir",
            {"data", "o"},
        ),
        ("p.add_argument('--data', default='data')\nargs, _ = p.parse_known_args()\njoin(HERE, args.data)", {"data"}),
    ],
)
def test_a_literal_that_is_joined_to_a_path_is_a_path(text: str, paths: set[str]) -> None:
    """The parts that a text joins to a path are its literals, and names for literals, up to the first unknown part."""
    assert set(joined_paths(f"HERE = Path(__file__).parent\n{text}".encode())) == paths


@pytest.mark.parametrize(
    "text", ["layers.Dense(8, 'relu')", "'''data'''", "config['data']", "', '.join(words)", "3 / 4", "total / count"]
)
def test_a_literal_that_no_path_has_is_text(text: str) -> None:
    """A literal that the text joins to no path is not a path, although the text uses `__file__`."""
    assert joined_paths(f"HERE = Path(__file__).parent\n{text}".encode()) == ()


def test_a_large_folder_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a folder contains data is known from its first entry that is not a module."""
    (tmp_path / "pets").mkdir()
    for number in range(100):
        (tmp_path / f"pets/{number}.png").write_text("")
    seen, scandir = list[str](), os.scandir

    @contextmanager
    def counting(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(path) as entries:
            yield (seen.append(entry.name) or entry for entry in entries)

    monkeypatch.setattr("pipeline.study.adjacent_files.os.scandir", counting)
    monkeypatch.setattr("pipeline.study.adjacent_files.os.listdir", lambda path: pytest.fail(f"{path} is listed"))
    assert is_data_folder(tmp_path / "pets")
    assert len(seen) == 1
