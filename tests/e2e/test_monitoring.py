"""Metrics by their fixed names, and a page that documents each one (B12)."""

import re
import urllib.request

from harness.program import ROOT, event_id
from harness.sink import status
from harness.waiting import eventually

FIXED = [
    "bucketbell_notification_outbox_depth",
    "bucketbell_notifications_delivered_total",
    "bucketbell_notifications_failed_total",
    "bucketbell_notifications_dropped_total",
    "bucketbell_notification_oldest_due_seconds",
    "bucketbell_delivery_duration_seconds",
]


def used(server, make_sink):
    """Makes every kind of thing happen that a metric counts."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    good, bad = make_sink(), make_sink(default=status(500))
    good_rule, bad_rule = server.put_rules(
        "bell", {"url": good.url, "events": ["*"]}, {"url": bad.url, "events": ["*"], "max_retries": 0}
    )
    for n in range(3):
        event_id(client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x" * 20_000))
    client.get_object(Bucket="bell", Key="k0")
    server.wait_drained()
    eventually(lambda: server.metric("bucketbell_notifications_dropped_total") == 3, "three dead")
    return good_rule, bad_rule


def test_metrics_have_their_fixed_names_and_count_by_endpoint(server, make_sink):
    good, bad = used(server, make_sink)
    names = {name for name, _, _ in server.metrics()}
    for fixed in FIXED:
        assert any(name == fixed or name in (f"{fixed}_bucket", f"{fixed}_count") for name in names), fixed
    rows = [row for row in server.metrics() if row[0] == "bucketbell_notifications_delivered_total"]
    assert [value for _, labels, value in rows if good["id"] in labels.values()] == [3]
    assert sum(value for _, labels, value in rows if bad["id"] in labels.values()) == 0
    assert sum(v for _, labels, v in server.metrics() if _ and bad["id"] in labels.values()) > 0
    for _, labels, _ in server.metrics():
        assert not any("/hook" in value or "?" in value or "@" in value for value in labels.values()), "never a path (Y6)"


def test_the_depth_shows_what_waits(server, make_sink):
    client = server.client()
    client.create_bucket(Bucket="bell")
    [rule] = server.put_rules("bell", {"url": make_sink(default=status(503)).url, "events": ["*"]})
    for n in range(4):
        client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")
    name = "bucketbell_notification_outbox_depth"
    eventually(lambda: server.metric(name, endpoint=rule["id"]) == 4, lambda: f"depth 4, is {server.outbox_depth()}")


def test_every_metric_is_documented_and_every_documented_one_is_there(server, make_sink):
    used(server, make_sink)
    page = server.rest("GET", "/metrics", token=None)[2]
    served = set(re.findall(r"^# TYPE (\w+) ", page, re.M))
    text = (ROOT / "docs" / "monitoring.md").read_text()
    documented = set(re.findall(r"^### `(\w+)`", text, re.M))
    assert documented == served, {"missing in docs": served - documented, "not served": documented - served}
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)", page, re.M))
    for section in text.split("\n### ")[1:]:
        name = section.split("`")[1]
        labels = set(re.findall(r"`(\w+)`", re.search(r"^- Labels: (.*)$", section, re.M).group(1)))
        shown = {
            label
            for row, have, _ in server.metrics()
            if row == name or row in (f"{name}_bucket", f"{name}_sum", f"{name}_count")
            for label in have
        } - {"le", "quantile"}
        assert shown == labels, (name, shown, labels)
        assert re.search(r"^- Unit: ", section, re.M) and "alert:" in section, f"{name} has a unit and an alert rule"
        assert f"- Kind: {kinds[name]}" in section, (name, kinds[name])


# What Prometheus itself adds to what it scrapes.
TARGET_LABELS = {"instance", "job"}
WORDS = {"rate", "increase", "deriv", "histogram_quantile", "sum", "by", "and", "on", "offset", "unless", "or", "ignoring"}


def expressions():
    """Returns the expressions of the alerts of docs/monitoring.md by the alert's name."""
    blocks = re.findall(r"```yaml\n(- alert:.*?)```", (ROOT / "docs" / "monitoring.md").read_text(), re.S)
    found = {}
    for block in blocks:
        name = re.search(r"- alert: (\w+)", block).group(1)
        found[name] = re.search(r"^  expr: (?:>\n)?(.*?)(?=^  \w+:|\Z)", block, re.M | re.S).group(1)
    return found


def test_every_metric_and_label_in_an_alert_exists_and_its_sides_can_match(server, make_sink):
    """Guards against an alert that never fires: two metrics with different labels never match without `on (…)`."""
    used(server, make_sink)
    labels = {}
    for name, have, _ in server.metrics():
        labels.setdefault(name, set()).update(have)
    alerts = expressions()
    assert len(alerts) == (ROOT / "docs" / "monitoring.md").read_text().count("- alert:") > 0
    for alert, text in alerts.items():
        matchers = re.findall(r"\{(.*?)\}", text)
        grouped = re.findall(r"\b(?:by|on|ignoring) ?\((.*?)\)", text)
        bare = re.sub(r"\{.*?\}|\[.*?\]|\b(?:by|on|ignoring) ?\(.*?\)|\boffset \w+", " ", text)
        words = set(re.findall(r"[a-zA-Z_]\w*", bare)) - WORDS
        assert words and words <= labels.keys(), (alert, words - labels.keys())
        known = set.intersection(*(labels[word] for word in words)) | TARGET_LABELS
        for name in [name for part in matchers for name in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", part)]:
            assert name in known, (alert, name)
        for name in [name.strip() for part in grouped for name in part.split(",")]:
            assert name in known, (alert, name)
        sides = {frozenset(labels[word]) for word in words}
        assert len(sides) == 1 or re.search(r"\bon ?\(", text), f"{alert}: its metrics have different labels: {sides}"


def test_health_and_readiness_answer_200_when_ready(server):
    for path in ("/healthz", "/readyz"):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(server.api + path, timeout=10) as answer:
            assert answer.status == 200


def test_readiness_and_health_need_no_token_and_show_no_secret(server):
    for path in ("/healthz", "/readyz", "/metrics"):
        code, _, body = server.rest("GET", path, token=None)
        assert code == 200
        for secret in server.secrets:
            assert secret not in str(body)
