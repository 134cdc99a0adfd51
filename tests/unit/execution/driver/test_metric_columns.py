"""Which column holds which metric."""

import pyarrow as pa

from pipeline.execution.driver.metric_columns import MetricColumns


def test_a_metric_keeps_the_column_of_earlier_sessions() -> None:
    """Of two metrics with similar names the first keeps the plain column, even if a later session reverses them."""
    first = MetricColumns(pa.schema([]))
    first.add(["a b"])
    first.add(["a-b"])
    assert first.of("a b") == "a_b"
    assert first.of("a-b") != "a_b"
    second = MetricColumns(pa.schema(first.fields()))
    second.add(["a-b", "a b"])
    assert [second.of(name) for name in ("a b", "a-b")] == [first.of(name) for name in ("a b", "a-b")]
