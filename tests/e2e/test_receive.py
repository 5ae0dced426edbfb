"""`bucketbell receive`: verifies, handles once, asks for a repeat when the handler failed (A1, A4 to A7)."""

import json
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from harness.program import Process, binary, clean_environment, event_id
from harness.waiting import eventually
from harness.webhook import base64_secret

SECRET = base64_secret(b"the secret of the receiver, long")
SEED_BODY = {
    "Records": [
        {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "mybucket"}, "object": {"key": "myfile.txt"}}}
    ]
}


class Receiver:
    """One `bucketbell receive`, which can be started again on the same memory."""

    def __init__(self, folder, *args, port=0):
        self.folder, self.args, self.processes, self.port = folder, list(args), [], port
        self.state = folder / "receiver.state"
        self.handled_path = folder / "handled.jsonl"

    def start(self):
        args = ["receive", "--listen", f"127.0.0.1:{self.port}", "--state", str(self.state), *self.args]
        self.processes.append(Process(args, self.folder, f"receive-{len(self.processes) + 1}"))
        found = self.processes[-1].wait_output(r"http://127\.0\.0\.1:(\d+)")
        self.port = int(found.group(1))
        return self

    def stop(self):
        return self.processes[-1].stop()

    def url(self, dialect):
        return f"http://127.0.0.1:{self.port}/webhooks/{dialect}"

    def handled(self):
        if not self.handled_path.exists():
            return []
        return [json.loads(line) for line in self.handled_path.read_text().splitlines()]

    def send(self, dialect, body=b"", method="POST", headers=None):
        """Returns (status, body) of one request."""
        request = urllib.request.Request(self.url(dialect), data=body if method == "POST" else None, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def make_receiver(tmp_path):
    opened = []

    def make(*args):
        folder = tmp_path / f"receiver-{len(opened) + 1}"
        folder.mkdir()
        opened.append(Receiver(folder, *args))
        return opened[-1]

    yield make
    for receiver in opened:
        for process in receiver.processes:
            process.kill()
            assert SECRET not in process.log() and "panicked" not in process.log()


def exec_append(receiver):
    """A command that appends the event's line to a file."""
    return f"cat >> {shlex.quote(str(receiver.handled_path))}"


@pytest.fixture
def signed(make_receiver):
    receiver = make_receiver("--secret", SECRET)
    receiver.args += ["--exec", exec_append(receiver)]
    return receiver


def ring(server, receiver, key="k", **more):
    client = server.client()
    try:
        client.create_bucket(Bucket="bell")
    except client.exceptions.BucketAlreadyOwnedByYou:
        pass
    server.put_rules("bell", {"url": receiver.url("bucketbell"), "events": ["*"], "secret": SECRET, **more})
    return event_id(client.put_object(Bucket="bell", Key=key, Body=b"x"))


def replayed(sink_delivery, receiver):
    """Sends to the receiver exactly what a sink has recorded."""
    headers = {k: v for k, v in sink_delivery.headers.items() if k not in ("host", "content-length", "connection")}
    return receiver.send("bucketbell", sink_delivery.body, headers=headers)


def test_a_signed_delivery_is_handled_once_and_printed(server, signed):
    signed.start()
    ringing = ring(server, signed)
    server.wait_drained()
    [event] = signed.handled()
    assert ringing in json.dumps(event) and "bell" in json.dumps(event)
    assert ringing in signed.processes[0].out(), "one line per event"


def test_a_repeat_is_not_handled_again_also_after_a_restart(server, sink, signed):
    signed.start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET})
    client.put_object(Bucket="bell", Key="k", Body=b"one")
    [first] = sink.wait(1)
    assert replayed(first, signed)[0] == 200
    status, text = replayed(first, signed)
    assert status == 200 and re.search("repeat|duplicate|already", text, re.I), text
    assert len(signed.handled()) == 1
    assert signed.stop() == 0
    signed.start()
    assert replayed(first, signed)[0] == 200
    client.put_object(Bucket="bell", Key="k", Body=b"two")
    second = sink.wait(2)[1]
    assert replayed(second, signed)[0] == 200
    assert len(signed.handled()) == 2, "two different changes of one key are two events (A4)"
    signed.processes[-1].kill()
    signed.start()
    assert replayed(second, signed)[0] == 200
    assert len(signed.handled()) == 2, "what was answered 2xx is remembered after a kill (A6)"


def test_a_failing_command_asks_for_a_repeat(server, make_receiver):
    receiver = make_receiver("--secret", SECRET)
    gate = receiver.folder / "may-succeed"
    receiver.args += ["--exec", f"test -e {shlex.quote(str(gate))} && {exec_append(receiver)}"]
    receiver.start()
    ringing = ring(server, receiver)
    eventually(lambda: server.metric("bucketbell_notifications_failed_total") >= 1, "the failure is told to the sender (A6)")
    assert receiver.handled() == []
    gate.touch()
    server.wait_drained()
    assert len(receiver.handled()) == 1 and ringing in json.dumps(receiver.handled())


def test_what_is_not_rightly_signed_is_refused_and_not_handled(server, sink, signed):
    """A7."""
    signed.start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET})
    client.put_object(Bucket="bell", Key="k", Body=b"one")
    [genuine] = sink.wait(1)
    good = {k: v for k, v in genuine.headers.items() if k not in ("host", "content-length", "connection")}
    unsigned = {k: v for k, v in good.items() if k not in ("webhook-signature", "x-signature-256")}
    forgeries = [
        (genuine.body, unsigned),
        (genuine.body + b" ", good),
        (genuine.body.replace(b"bell", b"hell"), good),
        (genuine.body, {**good, "webhook-id": "019a9f3e-6c3c-7a01-8d0e-3f1b5a7c9d24"}),
        (genuine.body, {**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) - 3600)}),
        (genuine.body, {**unsigned, "webhook-signature": "v1,AAAA"}),
        (genuine.body, {**unsigned, "webhook-signature": "v9,x v1,!"}),
        (genuine.body, {**unsigned, "webhook-signature": ""}),
        (json.dumps(SEED_BODY).encode(), {}),
    ]
    for body, headers in forgeries:
        status, _ = signed.send("bucketbell", body, headers=headers)
        assert status in (400, 401, 403), (status, headers)
    for dialect in ("minio", "nonsense", "../bucketbell", ""):
        status, _ = signed.send(dialect, json.dumps(SEED_BODY).encode())
        assert 400 <= status < 500, dialect
    assert signed.handled() == []
    assert replayed(genuine, signed)[0] == 200
    assert len(signed.handled()) == 1


def test_a_body_without_end_or_sense_is_refused(signed):
    signed.start()
    for body in (b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000):
        assert 400 <= signed.send("bucketbell", body)[0] < 500
    try:
        assert 400 <= signed.send("bucketbell", b"x" * 50_000_000)[0] < 500
    except (ConnectionError, urllib.error.URLError):
        pass
    assert signed.handled() == [] and signed.processes[-1].running()


def test_head_and_get_answer_200_and_handle_nothing(signed):
    """A1: MinIO probes with HEAD."""
    signed.start()
    for method in ("HEAD", "GET"):
        for dialect in ("bucketbell", "minio"):
            assert signed.send(dialect, method=method)[0] == 200
    assert signed.handled() == []


def test_without_a_credential_it_does_not_start_and_says_which_flag_to_give(make_receiver):
    receiver = make_receiver()
    process = Process(["receive", "--listen", "127.0.0.1:0", "--state", str(receiver.state)], receiver.folder, "bare")
    assert process.wait_exit() != 0
    assert "--secret" in process.err() and "--insecure-unsigned" in process.err()
    assert not receiver.state.exists()


def test_the_curl_body_of_the_seed_is_accepted_and_its_repeat_told(make_receiver):
    """A5: its identity is its content; with eventTime or sequencer it is a new event."""
    receiver = make_receiver("--insecure-unsigned")
    receiver.args += ["--exec", exec_append(receiver)]
    receiver.start()
    body = json.dumps(SEED_BODY).encode()
    assert receiver.send("minio", body)[0] == 200
    status, text = receiver.send("minio", body)
    assert status == 200 and re.search("repeat|duplicate|already", text, re.I), text
    [event] = receiver.handled()
    shown = json.dumps(event)
    assert all(word in shown for word in ("s3:ObjectCreated:Put", "mybucket", "myfile.txt"))
    later = json.loads(body)
    later["Records"][0]["eventTime"] = "2026-11-20T10:00:00.000Z"
    assert receiver.send("minio", json.dumps(later).encode())[0] == 200
    later["Records"][0]["s3"]["object"]["sequencer"] = "17C0DE"
    assert receiver.send("minio", json.dumps(later).encode())[0] == 200
    assert len(receiver.handled()) == 3
    removed = json.loads(body)
    removed["Records"][0]["eventName"] = "s3:ObjectRemoved:Delete"
    assert receiver.send("minio", json.dumps(removed).encode())[0] == 200
    assert len(receiver.handled()) == 4


def test_a_port_that_is_taken_is_named(make_receiver, signed):
    signed.start()
    second = make_receiver("--secret", SECRET)
    args = ["receive", "--listen", f"127.0.0.1:{signed.port}", "--state", str(second.state), "--secret", SECRET]
    process = Process(args, second.folder, "taken")
    assert process.wait_exit() != 0
    assert str(signed.port) in process.err()


def help_text(columns=80):
    """Returns what `receive --help` prints on a terminal of so many columns."""
    env = clean_environment({"COLUMNS": str(columns)})
    return subprocess.run([binary(), "receive", "--help"], env=env, capture_output=True, text=True, check=True).stdout


def test_every_command_that_the_help_shows_does_what_it_says(server, make_receiver):
    """Guards against examples that print null: the command reads the event as it was sent."""
    commands = re.findall(r"--exec '(.*?)'", help_text())
    assert len(commands) == 2
    for n, command in enumerate(commands):
        if command.startswith("jq") and not shutil.which("jq"):
            continue
        receiver = make_receiver("--secret", SECRET, "--exec", command).start()
        ring(server, receiver, key=f"2026/ünï {n}.jpg")
        server.wait_drained()
        assert (receiver.folder / "keys.txt").read_text() == f"2026/ünï {n}.jpg\n", command


def test_the_request_that_the_help_shows_is_handled(make_receiver):
    receiver = make_receiver("--insecure-unsigned").start()
    for columns, outcome in ((80, "handled"), (200, "repeat")):
        [command] = re.findall(r"^  (curl .*)\Z", help_text(columns), re.M | re.S)
        assert "127.0.0.1:5000" in command
        command = command.replace("127.0.0.1:5000", f"127.0.0.1:{receiver.port}")
        done = subprocess.run(["sh", "-c", command], env=clean_environment(), capture_output=True, text=True, timeout=20)
        assert f'"{outcome}' in done.stdout and done.returncode == 0, (command, done.stdout, done.stderr)
        eventually(lambda: f" {outcome} " in receiver.processes[-1].out(), "a line tells of it")
        assert " b/k " in receiver.processes[-1].out()


def test_a_receiver_that_is_stopped_finishes_what_a_sender_that_hung_up_had_begun(make_receiver):
    """`curl -m 2`, then SIGTERM: the command is no orphan, and its result is remembered."""
    receiver = make_receiver("--insecure-unsigned")
    begun, gate = receiver.folder / "begun", receiver.folder / "gate"
    receiver.args += ["--exec", f"touch begun; while ! test -e {shlex.quote(str(gate))}; do sleep 0.01; done; {exec_append(receiver)}"]
    receiver.start()
    body = json.dumps(SEED_BODY)
    curl = ["curl", "--silent", "--max-time", "2", "--data", body, receiver.url("minio")]
    assert subprocess.run(curl, env=clean_environment(), timeout=20).returncode == 28, "it hung up"
    assert begun.exists() and receiver.handled() == []
    receiver.processes[-1].popen.terminate()
    probe = ["curl", "--silent", receiver.url("minio")]
    eventually(lambda: subprocess.run(probe, capture_output=True).returncode == 7, "nobody listens any more")
    assert receiver.processes[-1].running(), "it waits for the command"
    gate.touch()
    assert receiver.processes[-1].wait_exit() == 0
    assert len(receiver.handled()) == 1
    receiver.port = 0
    receiver.start()
    status, text = receiver.send("minio", body.encode())
    assert status == 200 and json.loads(text)["repeats"] == 1, "its result is remembered (A4)"
    assert len(receiver.handled()) == 1
