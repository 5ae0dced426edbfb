"""Every change is told by one webhook that the public packages verify and parse (B6, B9, X6, X11)."""

import hashlib
import os

import pytest

from harness.program import event_id
from harness.sink import status
from harness.waiting import eventually
from harness.webhook import base64_secret, data_of, parsed, standard, verified

SECRET = base64_secret(b"0123456789abcdef0123456789abcdef")
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def rule(sink, **more):
    return {"url": sink.url, "events": ALL, "secret": SECRET, **more}


@pytest.fixture
def ringing(server, sink):
    """A server with the bucket `bell` and a signed rule on it."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", rule(sink))
    return server, client


@pytest.mark.parametrize("secret", [SECRET, "plain text, even with ümlaut", base64_secret(os.urandom(24))])
def test_a_put_is_told_by_one_verified_cloudevent(server, sink, secret):
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", rule(sink, secret=secret))
    body = os.urandom(20_000)
    answer = client.put_object(
        Bucket="bell", Key="ünï/ cö+de?&=%.txt", Body=body, ContentType="image/png", Metadata={"colour": "green"}
    )
    [delivery] = sink.wait(1)
    event = verified(delivery, secret)
    assert delivery.id == event_id(answer), "the writer is told the id of the event (X11)"
    assert answer["ResponseMetadata"]["HTTPHeaders"].get("x-bucketbell-event-count", "1") == "1"
    assert event.get_type() == "s3:ObjectCreated:Put"
    data = data_of(event)
    assert data["bucket"] == "bell"
    assert data["key"] == "ünï/ cö+de?&=%.txt"
    assert data["size"] == len(body)
    assert data["etag"].strip('"') == hashlib.md5(body).hexdigest()
    assert data["contentType"] == "image/png"
    assert "lastModified" in data
    assert (delivery.attempt, delivery.sequence) == (1, 1)


def test_a_delete_is_told_with_what_was_there(ringing, sink):
    server, client = ringing
    client.put_object(Bucket="bell", Key="k", Body=b"gone soon")
    answer = client.delete_object(Bucket="bell", Key="k")
    sink.wait(2)
    event = verified(sink.of(event_id(answer))[0], SECRET)
    assert event.get_type() == "s3:ObjectRemoved:Delete"
    data = data_of(event)
    assert (data["bucket"], data["key"]) == ("bell", "k")


def test_a_change_that_did_not_happen_is_not_told(ringing, sink):
    server, client = ringing
    nothing = client.delete_object(Bucket="bell", Key="never-there")
    assert event_id(nothing) is None
    first = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    with pytest.raises(client.exceptions.ClientError):
        client.put_object(Bucket="bell", Key="k", Body=b"y", IfNoneMatch="*")
    last = event_id(client.put_object(Bucket="bell", Key="k", Body=b"z"))
    sink.wait_id(last)
    server.wait_drained()
    assert {d.id: d.sequence for d in sink.all()} == {first: 1, last: 2}, "each number once, none left out (DL-4)"


def test_a_read_is_not_told(ringing, sink):
    server, client = ringing
    put = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    client.get_object(Bucket="bell", Key="k")
    client.head_object(Bucket="bell", Key="k")
    client.list_objects_v2(Bucket="bell")
    removed = event_id(client.delete_object(Bucket="bell", Key="k"))
    sink.wait_id(removed)
    server.wait_drained()
    assert {d.id for d in sink.all()} == {put, removed}


def test_nobody_asked_so_no_event_is_made(server):
    """B1: no rules, no cost."""
    client = server.client()
    client.create_bucket(Bucket="bell")
    assert event_id(client.put_object(Bucket="bell", Key="k", Body=b"x")) is None
    assert event_id(client.delete_object(Bucket="bell", Key="k")) is None


def test_two_rules_get_the_same_event_each_with_its_own_secret_and_numbers(server, make_sink):
    client = server.client()
    client.create_bucket(Bucket="bell")
    one, two, unsigned = make_sink(), make_sink(), make_sink()
    server.put_rules(
        "bell",
        rule(one),
        {"url": two.url, "events": ["s3:ObjectRemoved:*"], "secret": "another secret"},
        {"url": unsigned.url, "events": ["*"]},
    )
    put = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    removed = event_id(client.delete_object(Bucket="bell", Key="k"))
    assert {d.id for d in one.wait(2)} == {put, removed}
    assert [d.id for d in two.wait(1)] == [removed]
    verified(two.all()[0], "another secret")
    with pytest.raises(Exception, match="No matching signature"):
        standard("some other secret").verify(two.all()[0].body, two.all()[0].headers)
    assert two.all()[0].sequence == 1, "each rule numbers its own events (X1)"
    for delivery in unsigned.wait(2):
        parsed(delivery)
        assert "webhook-signature" not in delivery.headers
        assert "x-signature-256" not in delivery.headers


def test_prefix_suffix_and_event_patterns_choose(server, make_sink):
    client = server.client()
    client.create_bucket(Bucket="bell")
    images, removed, off = make_sink(), make_sink(), make_sink()
    server.put_rules(
        "bell",
        {"url": images.url, "events": ["s3:ObjectCreated:Put"], "prefix": "images/", "suffix": ".jpg"},
        {"url": removed.url, "events": ["s3:ObjectRemoved:Delete"]},
        {"url": off.url, "events": ["*"], "enabled": False},
    )
    wanted = event_id(client.put_object(Bucket="bell", Key="images/a.jpg", Body=b"x"))
    for key in ("images/a.png", "a.jpg", "images.jpg", "Images/a.jpg"):
        client.put_object(Bucket="bell", Key=key, Body=b"x")
    gone = event_id(client.delete_object(Bucket="bell", Key="images/a.jpg"))
    removed.wait_id(gone)
    images.wait_id(wanted)
    server.wait_drained()
    assert [d.id for d in images.all()] == [wanted]
    assert [d.id for d in removed.all()] == [gone]
    assert off.all() == []


def test_the_order_of_one_key_can_be_told_from_the_sequencers(ringing, sink):
    """D5, A8: what decides the order is in the payload."""
    _, client = ringing
    ids = [event_id(client.put_object(Bucket="bell", Key="k", Body=b"%d" % n)) for n in range(20)]
    ids.append(event_id(client.delete_object(Bucket="bell", Key="k")))
    ids.append(event_id(client.put_object(Bucket="bell", Key="k", Body=b"again")))
    sink.wait(len(ids))
    sequencers = {d.id: data_of(verified(d, SECRET))["sequencer"] for d in sink.all()}
    width = max(map(len, sequencers.values()))
    in_order = [sequencers[i].ljust(width, "0") for i in ids]
    assert in_order == sorted(in_order) and len(set(in_order)) == len(in_order)


def test_numbers_have_no_gap_and_what_is_settled_only_grows(ringing, sink):
    server, client = ringing
    ids = [event_id(client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")) for n in range(50)]
    sink.wait(50)
    server.wait_drained()
    assert sorted(d.sequence for d in sink.all()) == list(range(1, 51))
    assert {d.id for d in sink.all()} == set(ids)
    last = event_id(client.put_object(Bucket="bell", Key="last", Body=b"x"))
    [delivery] = sink.wait_id(last)
    assert delivery.sequence == 51
    if "bucketbell-settled" in delivery.headers:
        assert int(delivery.headers["bucketbell-settled"]) == 50


def test_any_2xx_is_a_yes(server, make_sink):
    client = server.client()
    client.create_bucket(Bucket="bell")
    sink = make_sink(script=[status(201), status(202), status(204), status(299)])
    server.put_rules("bell", rule(sink))
    for n in range(4):
        client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")
        sink.wait(n + 1)
    server.wait_drained()
    assert [d.attempt for d in sink.all()] == [1, 1, 1, 1]


def test_a_webhook_arrives_soon_after_the_put(ringing, sink):
    """B5: a commit wakes the sender; no polling interval is to be seen."""
    import time

    _, client = ringing
    waits = []
    for n in range(20):
        client.put_object(Bucket="bell", Key=f"k{n}", Body=b"x")
        answered = time.monotonic()
        waits.append(sink.wait(n + 1)[n].at - answered)
    assert sorted(waits)[10] < 0.25, waits


def test_a_rule_is_returned_without_its_secret(ringing, sink):
    server, _ = ringing
    status_code, headers, body = server.rest("GET", "/api/v1/buckets/bell/notifications")
    assert status_code == 200
    [saved] = body["rules"]
    assert saved["secret_set"] is True and "secret" not in saved
    assert SECRET not in str(body) and SECRET.removeprefix("whsec_") not in str(body)
    assert (saved["url"], saved["events"], saved["enabled"]) == (sink.url, ALL, True)
    assert headers.get("etag") or headers.get("ETag")


def test_removing_all_rules_ends_the_events(ringing, sink):
    server, client = ringing
    client.put_object(Bucket="bell", Key="k", Body=b"x")
    sink.wait(1)
    assert server.put_rules("bell") == []
    assert event_id(client.put_object(Bucket="bell", Key="k", Body=b"x")) is None
    assert len(sink.all()) == 1


def test_an_empty_secret_removes_it_and_an_absent_one_keeps_it(ringing, sink):
    """C6."""
    server, client = ringing
    [saved] = server.rest("GET", "/api/v1/buckets/bell/notifications")[2]["rules"]
    kept = {"id": saved["id"], "url": sink.url, "events": ALL}
    assert server.put_rules("bell", kept)[0]["secret_set"] is True
    client.put_object(Bucket="bell", Key="k", Body=b"x")
    verified(sink.wait(1)[0], SECRET)
    assert server.put_rules("bell", {**kept, "secret": ""})[0]["secret_set"] is False
    client.put_object(Bucket="bell", Key="k", Body=b"x")
    assert "webhook-signature" not in sink.wait(2)[1].headers


def test_an_https_receiver_is_reached_when_its_certificate_is_trusted_and_refused_when_not(make_server, make_sink, tls):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)
    sink = make_sink(tls_context=context)
    for trusted in (True, False):
        server = make_server(env={"SSL_CERT_FILE": str(tls.ca)} if trusted else {}).start()
        client = server.client()
        client.create_bucket(Bucket="bell")
        server.put_rules("bell", rule(sink, max_retries=0))
        put = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
        if trusted:
            [delivery] = sink.wait_id(put)
            verified(delivery, SECRET)
        else:
            eventually(lambda: server.metric("bucketbell_notifications_dropped_total") == 1, "the delivery is dead")
            assert sink.of(put) == []
