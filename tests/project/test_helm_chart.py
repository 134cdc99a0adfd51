"""The Helm chart is the one that its script writes from the overlays."""

import re

import yaml

from scripts.documentation.command_line import unreadable
from scripts.helm_chart import CHART, KEPT, NOTES, chart


def test_the_chart_is_written_from_the_overlays():
    """The chart's files equal those that `python -m scripts.helm_chart` writes from the overlays."""
    files = {str(path.relative_to(CHART)): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    assert files == chart()


def test_every_mark_has_become_a_value():
    """No mark of the generator is left in the chart."""
    assert [path for path, text in chart().items() if "MARK-" in text] == []


def test_the_commands_of_the_notes_can_be_read():
    """Each tunepipe command that Helm prints after an installation has every option that the command requires."""
    values = yaml.safe_load(chart()["values.yaml"])
    printed = re.sub(
        r"\{\{ \.Values\.([\w.]+) \}\}", lambda found: str(_value(values, found[1])), chart()["templates/NOTES.txt"]
    )
    commands = re.findall(r"^ +(tunepipe .*)$", printed, re.MULTILINE)
    assert commands
    assert [unreadable(command) for command in commands] == [None] * len(commands)
    assert "{{" not in printed


def _value(values, path):
    for name in path.split("."):
        values = values[name]
    return values


def test_the_notes_say_where_images_of_studies_come_from():
    """The notes say that the images of a study are named by an overlay, because the chart's values reach none."""
    assert "--overlay" in NOTES.partition("registry")[2]


def test_an_uninstallation_keeps_studies():
    """The templates of the namespace and of the volume claim have Helm's annotation to keep them, and no others do."""
    files = {path: text for path, text in chart().items() if path.startswith("templates/foundation/")}
    kept = {path for path, text in files.items() if "helm.sh/resource-policy: keep" in text}
    assert kept == {
        path for path in files if path.split("/")[-1].startswith(tuple(f"{kind.lower()}-" for kind in KEPT))
    }
    assert len(kept) == len(KEPT)
