"""SIGKILL at random moments under load: no change without its event, no event without its change (OB-1, OB-2, B2, B3).

`BUCKETBELL_CRASH_ROUNDS` sets the number of rounds (20), `BUCKETBELL_SEED` repeats a run: the same keys, sizes, orders and
moments. The moments are in time, so a repeat is likely, not certain, to stop at the same instruction.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

import pytest

from harness.sigv4 import Connection
from harness.waiting import eventually
from harness.webhook import base64_secret, verified

SECRET = base64_secret(b"crash crash crash crash crash!!!")
WRITERS = 10
OWN_KEYS = 5
SHARED_KEYS = 6
SIZES = [0, 1, 700, 4096, 16 * 1024, 16 * 1024 + 1, 60_000, 300_000]
LOAD_SECONDS = (0.25, 1.2)
ROUND_DRAIN_SECONDS = 60


@dataclass
class Change:
    """One write that was asked for, and what its client knows of it."""

    key: str
    round: int
    writer: int
    etag: str = None
    size: int = 0
    tag: str = ""
    acknowledged: bool = False
    event_id: str = None

    @property
    def is_put(self):
        return self.etag is not None


def content(tag, size):
    """Returns the bytes that belong to a tag: never the same for two tags, unless they are no bytes at all."""
    return (tag.encode() * (size // len(tag) + 1))[:size]


class Load:
    """Writers that put, overwrite and delete until the server is gone, each with one kept-alive connection."""

    def __init__(self, server, seed, number):
        self.server, self.number = server, number
        self.changes, self.problems = [], []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._write, args=(writer, random.Random(f"{seed}/{number}/{writer}")), daemon=True)
            for writer in range(WRITERS)
        ]

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def _write(self, writer, rng):
        try:
            with Connection(self.server.s3, timeout=10) as connection:
                count = 0
                while not self.stopping.is_set():
                    count += 1
                    self._one(connection, writer, rng, count)
        except OSError:
            pass  # The server was killed: what is in flight is unknown, and stays `acknowledged: False`.
        except Exception as error:  # noqa: BLE001 - whatever a writer stumbles over fails the test.
            self.problems.append(f"writer {writer}: {error!r}")

    def _one(self, connection, writer, rng, count):
        shared = rng.random() < 0.25
        key = f"shared/{rng.randrange(SHARED_KEYS)}" if shared else f"own-{writer}/{rng.randrange(OWN_KEYS)}"
        change = Change(key, self.number, writer)
        body = b""
        if rng.random() < 0.75:
            change.tag = f"<{self.number}.{writer}.{count}>"
            change.size = rng.choice(SIZES)
            body = content(change.tag, change.size)
            change.etag = hashlib.md5(body).hexdigest()
        with self.lock:
            self.changes.append(change)
        answer = connection.request("PUT" if change.is_put else "DELETE", f"/crash/{key}", body)
        if answer.status != (200 if change.is_put else 204):
            self.problems.append(f"{key}: {answer.status} {answer.body[:300]}")
            return
        change.event_id = answer.event_id
        if change.is_put and not change.event_id:
            self.problems.append(f"a put of {key} was acknowledged without an event id (X11)")
        change.acknowledged = True


class Book:
    """What was asked for and what was told, over all rounds."""

    def __init__(self, sink):
        self.sink = sink
        self.changes = []
        self.read = 0
        self.bodies = {}
        self.events = {}

    def take_deliveries(self):
        """Reads what came in since the last call: verified, and a repeat must be the same bytes."""
        deliveries = self.sink.all()
        for delivery in deliveries[self.read :]:
            event = verified(delivery, SECRET)
            known = self.bodies.setdefault(delivery.id, (delivery.body, delivery.sequence))
            assert known == (delivery.body, delivery.sequence), f"a repeat of {delivery.id} differs from the first"
            data = json.loads(delivery.body)["data"]
            self.events[delivery.id] = {"type": event.get_type(), **data}
        self.read = len(deliveries)

    def judge(self):
        """Checks events against changes, both ways."""
        acknowledged = {}
        for change in self.changes:
            if change.acknowledged and change.event_id:
                assert change.event_id not in acknowledged, f"two changes have the event {change.event_id}"
                acknowledged[change.event_id] = change
        missing = set(acknowledged) - set(self.events)
        assert not missing, f"acknowledged, but never told: {[(i, acknowledged[i]) for i in missing]}"
        in_flight = defaultdict(int)
        for change in self.changes:
            if not change.acknowledged:
                in_flight[(change.key, change.etag)] += 1
        for event_id, event in self.events.items():
            etag = event["etag"].strip('"') if event["type"] == "s3:ObjectCreated:Put" else None
            change = acknowledged.get(event_id)
            if change:
                assert (change.key, change.etag) == (event["key"], etag), f"{event_id} tells of another change: {event} {change}"
                assert not change.is_put or change.size == event["size"]
                continue
            in_flight[(event["key"], etag)] -= 1
            assert in_flight[(event["key"], etag)] >= 0, f"{event_id} tells of a change that nobody asked for: {event}"
        sequences = sorted(sequence for _, sequence in self.bodies.values())
        assert sequences == list(range(1, len(sequences) + 1)), "the rule's numbers have no gap and no repeat (DL-4)"
        self._judge_order()

    def _judge_order(self):
        """Of the changes that one writer made to a key of its own, a later one has the later sequencer."""
        last = {}
        for change in self.changes:
            if change.key.startswith("own-") and change.event_id in self.events:
                sequencer = self.events[change.event_id]["sequencer"]
                assert sequencer > last.get(change.key, ""), f"{change.key}: {sequencer} after {last[change.key]}"
                last[change.key] = sequencer

    def expected(self):
        """Returns for each key the change that its newest event tells of."""
        newest = {}
        for event in self.events.values():
            if event["sequencer"] > newest.get(event["key"], {"sequencer": ""})["sequencer"]:
                newest[event["key"]] = event
        puts = {(change.key, change.etag): change for change in self.changes if change.is_put}
        return {
            key: puts[(key, event["etag"].strip('"'))] if event["type"] == "s3:ObjectCreated:Put" else None
            for key, event in newest.items()
        }

    def judge_objects(self, server):
        """Reads every object back: byte for byte what the newest event of its key tells of."""
        expected = self.expected()
        with Connection(server.s3) as connection:
            for key in {change.key for change in self.changes}:
                answer = connection.request("GET", f"/crash/{key}")
                change = expected.get(key)
                if change is None:
                    assert answer.status == 404, f"{key} is there, and its last event says that it is not"
                else:
                    assert answer.status == 200, f"{key}: {answer.status}, and its last event is {change}"
                    assert answer.body == content(change.tag, change.size), f"{key} is not what was written: {change}"
        client = server.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="crash")
        listed = {entry["Key"]: entry for page in pages for entry in page.get("Contents", [])}
        alive = {key: change for key, change in expected.items() if change}
        assert set(listed) == set(alive)
        for key, change in alive.items():
            assert (listed[key]["Size"], listed[key]["ETag"].strip('"')) == (change.size, change.etag)


@pytest.mark.timeout(1800)
def test_a_server_that_is_killed_at_any_moment_keeps_every_promise(make_server, make_sink):
    seed = os.environ.get("BUCKETBELL_SEED") or f"{random.SystemRandom().getrandbits(48):012x}"
    rounds = int(os.environ.get("BUCKETBELL_CRASH_ROUNDS", "20"))
    print(f"\nBUCKETBELL_SEED={seed} BUCKETBELL_CRASH_ROUNDS={rounds}")
    rng = random.Random(seed)
    server, sink = make_server().start(), make_sink()
    server.client().create_bucket(Bucket="crash")
    server.put_rules("crash", {"url": sink.url, "events": ["*"], "secret": SECRET, "timeout": "10s"})
    book = Book(sink)
    for number in range(1, rounds + 1):
        load = Load(server, seed, number)
        load.start()
        threading.Event().wait(rng.uniform(*LOAD_SECONDS))
        server.kill()
        load.join()
        assert not load.problems, (seed, number, load.problems[:5])
        book.changes += load.changes
        while rng.random() < 0.3:
            # Killed again while it starts: what a start repairs must stand being cut short.
            server.spawn()
            threading.Event().wait(rng.uniform(0.0, 0.15))
            server.kill()
        server.start()
        wanted = {c.event_id for c in book.changes if c.acknowledged and c.event_id}

        def told(seen, wanted=wanted):
            return wanted <= {delivery.id for delivery in seen}

        sink.wait_until(told, f"seed {seed}, round {number}: every acknowledged change is told", ROUND_DRAIN_SECONDS)
        server.wait_drained(ROUND_DRAIN_SECONDS)
        eventually(lambda: server.outbox_depth() == 0, "nothing is owed")
        book.take_deliveries()
        book.judge()
        book.judge_objects(server)
        repeats = book.read - len(book.bodies)
        unknown = sum(not change.acknowledged for change in load.changes)
        print(f"round {number}: {len(load.changes)} writes, {unknown} in flight; {len(book.events)} events, {repeats} repeats")
    assert len(book.changes) > rounds * WRITERS, "the load was no load"
    assert any(change.is_put and change.size > 16 * 1024 and change.acknowledged for change in book.changes)


def test_the_judge_would_see_a_lost_an_invented_and_a_changed_event():
    """The test above is only worth what its judge sees."""

    class Silent:
        def all(self):
            return []

    def event(key, etag, sequencer, kind="s3:ObjectCreated:Put", size=3):
        return {"type": kind, "key": key, "etag": etag, "size": size, "sequencer": sequencer}

    def book(events, **more):
        found = Book(Silent())
        found.changes = [Change("own-0/1", 1, 0, "e1", 3, "t", True, "id-1"), Change("own-0/1", 1, 0, "e2", 3, "t", False)]
        found.events = events
        found.bodies = {name: (b"", number + 1) for number, name in enumerate(events)}
        found.bodies.update(more)
        return found

    good = {"id-1": event("own-0/1", "e1", "01"), "id-2": event("own-0/1", "e2", "02")}
    book(good).judge()
    assert book(good).expected()["own-0/1"].etag == "e2"
    for doctored, message in [
        ({"id-2": good["id-2"]}, "never told"),
        ({**good, "id-3": event("own-0/1", "e2", "03")}, "nobody asked for"),
        ({**good, "id-3": event("own-0/9", "e9", "03")}, "nobody asked for"),
        ({"id-1": event("own-0/1", "e2", "01")}, "another change"),
    ]:
        with pytest.raises(AssertionError, match=message):
            book(doctored).judge()
    with pytest.raises(AssertionError, match="no gap"):
        gap = book(good)
        gap.bodies = {"id-1": (b"", 1), "id-2": (b"", 3)}
        gap.judge()


def test_starting_after_a_kill_is_quick(make_server, make_sink):
    """P12 in spirit: what waits is sent soon after a restart."""
    server, sink = make_server().start(), make_sink()
    client = server.client()
    client.create_bucket(Bucket="crash")
    server.put_rules("crash", {"url": sink.url, "events": ["*"], "secret": SECRET, "enabled": True})
    for n in range(50):
        client.put_object(Bucket="crash", Key=f"k{n}", Body=b"x")
    server.kill()
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 5
    server.wait_drained()
    assert len(sink.by_id()) == 50
