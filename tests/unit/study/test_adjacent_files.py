"""Files in its own folder that a module names."""

import pytest

from pipeline.study.adjacent_files import named_files


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
