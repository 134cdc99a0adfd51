"""What the tests of the documentation see: the commands of a page, and the shape of an output."""

from scripts.documentation import Command, SourceFile, steps
from tests.documented import shape

_PAGE = """Text with `tunepipe list` in it.

```python
# job.py
JOB = 1
```

```sh
tunepipe run job.py   # a comment
for one in a b; do echo $one; done
cat > part <<END
name: it's
END
```

```console
$ tunepipe sql a "select 1,
      2"
1  2
$ tunepipe list \\
    --json
{}
```

```text
tunepipe is a word here
```
"""


def test_steps_are_files_and_commands_in_the_order_of_the_page():
    """A command continues on the next line within a quote or a file, or after a backslash at a line's end."""
    assert list(steps(_PAGE)) == [
        SourceFile("job.py", "# job.py\nJOB = 1\n"),
        Command("tunepipe run job.py   # a comment"),
        Command("for one in a b; do echo $one; done"),
        Command("cat > part <<END\nname: it's\nEND"),
        Command('tunepipe sql a "select 1,\n      2"', "1  2\n"),
        Command("tunepipe list \\\n    --json", "{}\n"),
    ]


def test_the_shape_of_an_output_ignores_numbers():
    """The shape of an output ignores numbers, their count and line breaks."""
    one = "digits  finished, 2 stopped; 34 epochs\n\nSaved 172 epochs, about 19 s: 0015 at epoch 4, 0018 at\nepoch 2.\n"
    other = "digits  finished, 1 stopped; 1 epoch\n\nSaved 1 epoch, about 1 min 3 s: 0001 at epoch 4.\n"
    assert shape(one) == shape(other)
    assert shape(one) != shape(one.replace("Saved", "Lost"))
    assert shape("3 stopped, 2 completed") == shape("5 completed, 4 stopped")


def test_the_shape_of_a_table_is_its_columns():
    """The shape of a table is its columns, for any positive number of rows."""
    table = "trial  state    best\n0001   stopped  0.5\n0002   failed   –\n"
    assert shape(table) == ["columns: trial | state | best (with rows)"]
    assert shape(table.splitlines()[0]) == ["columns: trial | state | best (without rows)"]
    assert shape(table) != shape(table.replace("best", "last"))
