"""A receiver that is broken loses nothing and hurts nobody else (B3, B10, X4, X5)."""

import json
import threading
from pathlib import Path

import pytest

from harness.program import event_id
from harness.sink import endless, garbage, hang, hold, nobody_listens, redirect, reset, status
from harness.waiting import eventually
from harness.webhook import base64_secret, verified

SECRET = base64_secret(b"receiver faults receiver faults!")
DROPPED = "bucketbell_notifications_dropped_total"
FAILED = "bucketbell_notifications_failed_total"
DELIVERED = "bucketbell_notifications_delivered_total"


@pytest.fixture
def bell(server):
    """Returns a function that points a rule at a sink, puts one object and returns the event's id."""
    client = server.client()
    client.create_bucket(Bucket="bell")

    def ring(sink, **more):
        server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET, **more})
        return event_id(client.put_object(Bucket="bell", Key="k", Body=b"ring"))

    return ring


def same_but_later(attempts):
    """Checks that every attempt is the same event: same id, number and bytes; a new timestamp, signature and attempt."""
    assert [d.attempt for d in attempts] == list(range(1, len(attempts) + 1)), "attempt numbers only grow (DL-3)"
    assert len({(d.id, d.sequence, d.body) for d in attempts}) == 1
    for delivery in attempts:
        verified(delivery, SECRET)


def test_a_receiver_that_fails_twice_is_asked_a_third_time(server, bell, make_sink):
    sink = make_sink(script=[status(500), status(500)])
    ringing = bell(sink)
    same_but_later(sink.wait_id(ringing, 3))
    server.wait_drained()
    assert len(sink.all()) == 3, "one success ends it"
    eventually(lambda: server.metric(DELIVERED) == 1, "one delivery counted")
    assert server.metric(FAILED) == 2
    assert server.metric(DROPPED) == 0


@pytest.mark.parametrize(
    "fault",
    [status(503), status(404), status(302), reset, garbage, hang],
    ids=["503", "404", "302", "reset", "garbage", "hang"],
)
def test_each_fault_is_tried_again_and_then_delivered(server, bell, make_sink, fault):
    sink = make_sink(script=[fault])
    ringing = bell(sink, timeout="1s")
    attempts = sink.wait_id(ringing, 2)
    same_but_later(attempts)
    server.wait_drained()
    eventually(lambda: server.metric(DELIVERED) == 1, "one delivery counted")


def test_an_endless_answer_costs_neither_memory_nor_time(server, make_sink):
    """10 GiB are announced. Whether its 200 is a yes is the sender's choice; it is not read to its end in either case."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    sink = make_sink(default=endless())
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "timeout": "1s", "max_retries": 1})
    ids = [event_id(client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")) for n in range(8)]
    for ringing in ids:
        sink.wait_id(ringing)
    server.wait_drained()
    assert server.metric(DELIVERED) + server.metric(DROPPED) == len(ids)
    memory = Path(f"/proc/{server.process.pid}/status").read_text()
    peak_kib = int(next(line for line in memory.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak_kib < 300 * 1024, f"{peak_kib} KiB"
    assert sink.endless_bytes < 200 * 1024 * 1024


def test_a_receiver_that_hangs_is_given_up_after_the_timeout_and_tried_again(server, bell, make_sink):
    sink = make_sink(script=[hang])
    ringing = bell(sink, timeout="1s")
    first, second = sink.wait_id(ringing, 2)
    same_but_later([first, second])
    assert second.at - first.at >= 0.95, "the receiver has the whole of its time"
    server.wait_drained()


def test_a_redirect_is_not_followed(server, bell, make_sink):
    elsewhere = make_sink()
    sink = make_sink(default=redirect(elsewhere.url))
    ringing = bell(sink, max_retries=1)
    same_but_later(sink.wait_id(ringing, 2))
    server.wait_drained()
    assert elsewhere.all() == []
    assert server.metric(DROPPED) == 1


def test_a_delivery_that_is_refused_to_the_end_is_dead_counted_and_told(server, bell, make_sink):
    """B10: it leaves the queue, a metric counts it, an audit warning is logged."""
    sink = make_sink(default=status(404, b"nobody here"))
    ringing = bell(sink, max_retries=2)
    same_but_later(sink.wait_id(ringing, 3))
    server.wait_drained()
    eventually(lambda: server.metric(DROPPED) == 1, "one dead delivery counted")
    assert server.metric(DROPPED, reason="attempts") == 1
    assert server.metric(FAILED) == 3
    assert server.metric(DELIVERED) == 0


    def warnings():
        return [row for row in server.log().splitlines() if "WARN" in row and "audit" in row and "dead" in row]

    line = eventually(warnings, "an audit warning")
    assert ringing in line[0], f"the warning names the event: {line[0]}"
    assert len(sink.all()) == 3
    assert "/hook" not in line[0], "logs carry the rule and the host, never the path (Y6)"


def test_no_retries_means_one_attempt(server, bell, make_sink):
    sink = make_sink(default=status(500))
    bell(sink, max_retries=0)
    sink.wait(1)
    eventually(lambda: server.metric(DROPPED) == 1, "dead after the first attempt")
    server.wait_drained()
    assert len(sink.all()) == 1


def test_the_first_retries_come_within_the_backoff(server, bell, make_sink):
    """B10: 1 s, doubling, full jitter."""
    sink = make_sink(script=[status(500)] * 3)
    attempts = sink.wait_id(bell(sink), 4)
    for n, (before, after) in enumerate(zip(attempts, attempts[1:])):
        assert after.at - before.at <= 2**n + 2.0, f"retry {n + 1} came after {after.at - before.at:.2f} s"


def test_one_dead_endpoint_does_not_delay_another(server, make_sink):
    """FN-1, FN-2."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    dead, alive = make_sink(default=hang), make_sink()
    server.put_rules(
        "bell",
        {"url": dead.url, "events": ["*"], "timeout": "30s"},
        {"url": alive.url, "events": ["*"]},
        {"url": nobody_listens(), "events": ["*"]},
    )
    ids = [event_id(client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")) for n in range(60)]
    alive.wait(60, deadline=10)
    assert {d.id for d in alive.all()} == set(ids)
    assert len(dead.all()) <= 60 and server.outbox_depth() >= 60


def test_a_host_that_does_not_resolve_is_retried_and_then_dead(server, make_sink):
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": "http://no-such-host.invalid/hook", "events": ["*"], "max_retries": 1})
    client.put_object(Bucket="bell", Key="k", Body=b"x")
    eventually(lambda: server.metric(DROPPED) == 1, "dead after two attempts")
    server.wait_drained()


def test_what_waits_is_delivered_after_a_restart(server, bell, make_sink):
    sink = make_sink(default=status(503))
    ringing = bell(sink)
    sink.wait_id(ringing)
    server.stop()
    sink.answer(status(200))
    seen = len(sink.all())
    server.start()
    attempts = sink.wait_id(ringing, seen + 1)
    assert [d.attempt for d in attempts] == sorted({d.attempt for d in attempts}), "attempt numbers only grow (DL-3)"
    assert len({d.body for d in attempts}) == 1
    server.wait_drained()


def test_what_waits_is_delivered_after_a_kill(server, bell, make_sink):
    sink = make_sink(default=hang)
    ringing = bell(sink, timeout="60s")
    sink.wait_id(ringing)
    server.kill()
    sink.answer(status(200))
    server.start()
    first, second = sink.wait_id(ringing, 2)
    assert (first.body, first.sequence) == (second.body, second.sequence)
    assert second.attempt == 2, "the attempt whose outcome the crash hid is counted (X13)"
    server.wait_drained()


def test_stopping_waits_for_the_answer_that_is_on_its_way(server, bell, make_sink):
    """A delivery in flight is finished when its answer comes within the grace of the shutdown (3 s in these tests)."""
    gate = threading.Event()
    sink = make_sink(default=hold(gate))
    ringing = bell(sink, timeout="20s")
    sink.wait_id(ringing)
    server.process.popen.terminate()
    threading.Timer(0.3, gate.set).start()
    assert server.process.wait_exit() == 0
    sink.answer(status(200))
    server.start()
    marker = event_id(server.client().put_object(Bucket="bell", Key="marker", Body=b"x"))
    sink.wait_id(marker)
    server.wait_drained()
    assert len(sink.of(ringing)) == 1, "what was answered before the end is not sent again"


def test_stopping_gives_back_what_is_not_answered_in_time(server, bell, make_sink):
    sink = make_sink(default=hang)
    ringing = bell(sink, timeout="120s")
    sink.wait_id(ringing)
    assert server.stop(deadline=15) == 0, "the grace of 3 s ends it"
    sink.answer(status(200))
    server.start()
    first, second = sink.wait_id(ringing, 2)
    assert (first.id, first.sequence, first.body) == (second.id, second.sequence, second.body)
    server.wait_drained()


def test_a_receiver_that_comes_up_late_gets_everything(server, make_sink):
    """Nothing listens at first: connections are refused, and nothing is lost."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    sink = make_sink(default=reset)
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET})
    ids = {event_id(client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")) for n in range(30)}
    sink.wait(10)
    sink.answer(status(200))
    server.wait_drained(deadline=90)
    good = {json.loads(d.body)["id"] for d in sink.all()}
    assert good == ids
