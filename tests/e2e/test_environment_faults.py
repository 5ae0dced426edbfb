"""The machine says no: port taken, folder taken, disk full, folder read-only. The error names the thing and the remedy."""

import os
import socket
import subprocess

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from harness.program import event_id
from harness.waiting import eventually
from harness.webhook import verified

SECRET = "a secret for a full disk"


def mounted(folder, options):
    """Mounts a tmpfs on `folder`, or skips the test loudly with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip(f"SKIPPED: mounting a tmpfs ({options}) needs root: run ./test as root to test this")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"SKIPPED: a tmpfs cannot be mounted here: {done.stderr.strip()}")
    return folder


@pytest.fixture
def tmpfs(tmp_path):
    folders = []

    def mount(name, options):
        folders.append(mounted(tmp_path / name, options))
        return folders[-1]

    yield mount
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("which", ["s3", "api"])
def test_a_port_that_is_taken_is_named_with_the_flag_to_give(make_server, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = make_server().spawn(**{f"{which}_listen": address})
        assert process.wait_exit() != 0
    assert address in process.err() and f"--{which}-listen" in process.err(), process.err()
    assert "ready" not in process.out()


def test_a_second_server_on_one_data_folder_refuses_to_start(make_server):
    first = make_server().start()
    second = make_server(data_dir=first.data_dir)
    process = second.spawn()
    assert process.wait_exit() != 0
    assert str(first.data_dir) in process.err() and "ready" not in process.out()
    client = first.client()
    client.create_bucket(Bucket="bell")
    client.put_object(Bucket="bell", Key="k", Body=b"the first is unharmed")
    first.kill()
    second.start()
    assert second.client().get_object(Bucket="bell", Key="k")["Body"].read() == b"the first is unharmed"


def test_a_data_folder_that_is_a_file_is_named(make_server, tmp_path):
    path = tmp_path / "a-file"
    path.write_text("not a folder")
    process = make_server(data_dir=path).spawn()
    assert process.wait_exit() != 0
    assert str(path) in process.err()


def test_a_data_folder_that_cannot_be_written_is_named(make_server, tmpfs):
    folder = tmpfs("readonly", "ro,size=1m")
    process = make_server(data_dir=folder / "data").spawn()
    assert process.wait_exit() != 0
    assert str(folder) in process.err(), process.err()
    assert "panicked" not in process.err()


@pytest.mark.parametrize("content", ["not a key", "AAAA"])
def test_a_broken_master_key_refuses_the_start_without_showing_it(make_server, content):
    server = make_server(env={"BUCKETBELL_MASTER_KEY": content})
    process = server.spawn()
    assert process.wait_exit() != 0
    assert "BUCKETBELL_MASTER_KEY" in process.err()
    assert content not in process.err()


@pytest.mark.parametrize("size", [2_000, 200_000], ids=["inline", "file"])
def test_a_full_disk_refuses_writes_loses_nothing_and_recovers(make_server, make_sink, tmpfs, size):
    folder = tmpfs("full", "size=24m")
    sink = make_sink()
    server = make_server(data_dir=folder / "data").start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET})
    stored, expected = {}, set()

    def put(number):
        body = b"%08d" % number * (size // 8)
        answer = client.put_object(Bucket="bell", Key=f"k{number:05}", Body=body)
        stored[f"k{number:05}"] = body
        expected.add(event_id(answer))

    for number in range(5):
        put(number)
    server.wait_drained()
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast = folder / "ballast"
    ballast.write_bytes(b"b" * max(0, free - 256 * 1024))
    refused = None
    for number in range(5, 3000):
        try:
            put(number)
        except (ClientError, BotoCoreError) as error:
            refused = error
            break
    assert isinstance(refused, ClientError), f"a full disk is told by an S3 error: {refused!r}"
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503, 507)
    if refused.response["ResponseMetadata"]["HTTPStatusCode"] == 500:
        assert "space" in str(refused).lower() or "full" in str(refused).lower() or "InternalError" in str(refused)
    words = ("no space", "disk is full", "disk full", "is full")
    eventually(lambda: any(word in server.log().lower() for word in words), "the log names the full disk")
    assert server.process.running()
    for number in range(3000, 3010):
        try:
            put(number)
        except ClientError:
            pass
    got = client.get_object(Bucket="bell", Key="k00000")
    assert got["Body"].read() == stored["k00000"], "what is stored can still be read"
    ballast.unlink()

    def recovered():
        try:
            put(4000)
            return True
        except ClientError:
            return False

    eventually(recovered, "the server takes writes again, without a restart", 20)
    sink.wait_until(lambda seen: expected <= {d.id for d in seen}, "every acknowledged put is told", 30)
    server.wait_drained()
    assert {d.id for d in sink.all()} == expected, "what was refused is not told"
    for delivery in sink.all():
        verified(delivery, SECRET)
    listed = [e["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket="bell") for e in page["Contents"]]
    assert listed == sorted(stored)
    server.restart()
    client = server.client()
    for key, body in stored.items():
        assert client.get_object(Bucket="bell", Key=key)["Body"].read() == body


def test_a_start_on_a_full_disk_says_so(make_server, tmpfs):
    folder = tmpfs("full", "size=1m")
    (folder / "ballast").write_bytes(b"b" * (1024 * 1024))
    process = make_server(data_dir=folder / "data").spawn()
    assert process.wait_exit() != 0
    text = process.err().lower()
    assert "panicked" not in text and ("space" in text or "full" in text), process.err()
