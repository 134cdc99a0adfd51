"""The Helm chart is the one that its script writes from the overlays."""

from scripts.helm_chart import CHART, chart


def test_the_chart_is_written_from_the_overlays():
    """The chart's files equal those that `python -m scripts.helm_chart` writes from the overlays."""
    files = {str(path.relative_to(CHART)): path.read_text() for path in CHART.rglob("*") if path.is_file()}
    assert files == chart()
