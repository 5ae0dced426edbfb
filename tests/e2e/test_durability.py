"""SIGKILL does not show what a power cut would: under strace, no `200` leaves before its bytes are synced (B2, OB-2)."""

import random
import re
import shutil
import subprocess

import pytest

from harness.sigv4 import Connection
from harness.strace import STRING_BYTES, SYNCS, TRACED, NotUnderstood, Put, calls, unescaped, violations

PUTS = 50
SIZES = {"inline": 1024, "file": 1024 * 1024}


def assert_strace_works(tmp_path):
    """Fails loudly: a machine where this cannot be shown must not look like one where it was."""
    assert shutil.which("strace"), "strace is not installed: `./test` installs it; this test must not be skipped"
    out = tmp_path / "probe"
    done = subprocess.run(["strace", "-f", "-o", out, "true"], capture_output=True, text=True)
    assert done.returncode == 0 and out.exists(), f"strace cannot attach here (ptrace forbidden?): {done.stderr}"


@pytest.fixture
def traced(make_server, tmp_path):
    """A server under strace, and where its trace is."""
    assert_strace_works(tmp_path)
    out = tmp_path / "trace"
    # -D: the server stays our child, so that it is stopped by its own pid.
    prefix = ["strace", "-D", "-f", "-yy", "-qq", "-s", str(STRING_BYTES), "-e", f"trace={TRACED}", "-o", str(out)]
    server = make_server(prefix=prefix).start(deadline=60)
    return server, out


def put_all(server, size, in_file, sink):
    """Puts one object after the other, each with a mark of its own, and returns what to look for."""
    rng = random.Random(size)
    puts = []
    with Connection(server.s3, timeout=60) as connection:
        assert connection.request("PUT", "/durable").status == 200
        server.put_rules("durable", {"url": sink.url, "events": ["*"]})
        for number in range(PUTS):
            mark = f"[{size}:{number:04}:{rng.getrandbits(64):016x}]".encode()
            body = (mark * (size // len(mark) + 1))[:size]
            key = f"durable-key-{number:04}-{rng.getrandbits(32):08x}"
            assert connection.request("PUT", f"/durable/{key}", body).status == 200
            puts.append(Put(key, mark, in_file))
    return puts


def read(path):
    return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def after_bucket(lines, port):
    """Drops the calls that began before the answer to the bucket's creation, so that each `200` left is one put's."""
    trace = calls(lines)
    first = next(c for c in trace if f":{port}->" in c.target and b"HTTP/1.1 200" in c.data[:64])
    kept = without(lines, [c for c in trace if c.began <= first.began])
    assert kept, "the trace shows no answer to the bucket's creation"
    return kept


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SIZES)
def test_no_200_and_no_webhook_leaves_before_its_bytes_are_durable(traced, sink, kind):
    server, out = traced
    port = int(server.s3.rsplit(":", 1)[1])
    puts = put_all(server, SIZES[kind], kind == "file", sink)
    sink.wait(PUTS, deadline=60)
    assert server.stop(deadline=60) == 0
    lines = after_bucket(read(out), port)
    data_dir = str(server.data_dir)
    assert violations(lines, puts, port, data_dir, sink.port) == []

    # The same trace, doctored: what this test would say if the server were careless.
    trace = calls(lines)
    walls = [c for c in trace if c.name in SYNCS and c.target.endswith("-wal")]
    assert len(violations(without(lines, walls), puts, port, data_dir, sink.port)) == 2 * PUTS
    assert len(violations(sooner(lines, trace, puts, port), puts, port, data_dir)) == PUTS
    if kind == "file":
        files = [c for c in trace if c.name in SYNCS and c.target.startswith(data_dir) and not c.target.endswith("-wal")]
        found = violations(without(lines, files), puts, port, data_dir)
        assert sum("its file is not synced" in text for text in found) == PUTS
        assert sum("is not synced after" in text for text in found) == PUTS


def without(lines, removed):
    """Returns the trace without some of its calls, both halves of each."""
    places = {place for call in removed for place in (call.began, call.ended)}
    return [line for place, line in enumerate(lines) if place not in places]


def sooner(lines, trace, puts, port):
    """Returns the trace with each answer moved to where its put's row is written to the WAL, before any sync of it.

    A moved answer is that of a thread of its own: its real thread may be in another call there.
    """
    answers = [c for c in trace if f":{port}->" in c.target and b"HTTP/1.1 200" in c.data[:64]]
    rows = [next(c for c in trace if c.target.endswith("-wal") and put.key.encode() in c.data) for put in puts]
    moved, after = set(), {}
    for answer, row in zip(answers, rows):
        own = sorted({answer.began, answer.ended})
        moved.update(own)
        after[row.began] = [re.sub(r"^\d+", str(10_000_000 + answer.began), lines[place]) for place in own]
    return [text for place, line in enumerate(lines) if place not in moved for text in (line, *after.get(place, []))]


# ---- the reader itself ---------------------------------------------------------------------------------------------

HEADER = "\\0\\0\\0\\7" + "\\0\\0\\0\\0" + "\\0" * 16
COMMIT = "\\0\\0\\0\\7" + "\\0\\0\\0\\t" + "\\0" * 16
WAL = "5</d/ledger.db-wal>"
SOCKET = "9<TCP:[127.0.0.1:4000->127.0.0.1:5000]>"
SEND = f'11 sendto({SOCKET}, "HTTP/1.1 200 OK\\r\\n", 17, MSG_NOSIGNAL, NULL, 0) = 17'
PAGE = f'12 pwrite64({WAL}, "..key-1 mark-1..", 16, 56) = 16'
GOOD = [
    f'12 pwrite64({WAL}, "{HEADER}", 24, 32) = 24',
    PAGE,
    f'12 pwrite64({WAL}, "{COMMIT}", 24, 72) = 24',
    f'12 pwrite64({WAL}, "other page", 10, 96) = 10',
    f"12 fdatasync({WAL}) = 0",
    SEND,
]
INLINE = [Put("key-1", b"mark-1", False)]


def judged(lines, puts=None, sink_port=None):
    return violations(lines, puts or INLINE, 4000, "/d", sink_port)


def test_the_reader_takes_a_good_trace():
    assert judged(GOOD) == []
    one_page = [f'12 pwrite64({WAL}, "{COMMIT}", 24, 32) = 24', PAGE, f"12 fsync({WAL}) = 0", SEND]
    assert judged(one_page) == []
    halves = [*GOOD[:4], f"12 fdatasync({WAL} <unfinished ...>", "13 fsync(7</d/x>) = 0", "12 <... fdatasync resumed>) = 0", SEND]
    assert judged(halves) == []


@pytest.mark.parametrize(
    "lines",
    [
        [*GOOD[:4], SEND, GOOD[4]],
        [*GOOD[:4], SEND],
        [*GOOD[:2], GOOD[4], *GOOD[2:4], SEND],
        [*GOOD[:3], GOOD[4], GOOD[3], SEND],
        [*GOOD[:4], f"12 fdatasync({WAL}) = -1 EIO (Input/output error)", SEND],
        [*GOOD[:4], "12 fdatasync(5</d/ledger.db>) = 0", SEND],
        [*GOOD[:4], f"12 fdatasync({WAL} <unfinished ...>", SEND, "12 <... fdatasync resumed>) = 0"],
        [*GOOD[:3], f"13 fdatasync({WAL} <unfinished ...>", GOOD[3], "13 <... fdatasync resumed>) = 0", SEND],
        [GOOD[4], SEND],
        [*GOOD[:2], GOOD[4], SEND],
        GOOD[:5],
    ],
    ids=["sent first", "no sync", "sync before commit", "sync before the last page", "sync failed", "other file synced", "sync not ended",
         "sync began too early", "nothing written", "no commit frame", "no answer"],
)
def test_the_reader_sees_an_answer_that_left_too_early(lines):
    assert judged(lines)


def test_the_reader_sees_a_webhook_that_left_too_early():
    post = '13 writev(14<TCP:[127.0.0.1:6000->127.0.0.1:7000]>, [{iov_base="POST / key-1", iov_len=12}], 1) = 12'
    assert judged([*GOOD, post], sink_port=7000) == []
    assert judged([*GOOD[:5], post, SEND], sink_port=7000) == []
    assert judged([*GOOD[:4], post, *GOOD[4:]], sink_port=7000)
    assert judged(GOOD, sink_port=7000)


BLOB = "6</d/blobs/ab/tmp-1>"
FILE_GOOD = [
    '11 mkdirat(AT_FDCWD</w>, "/d/blobs/ab", 0755) = 0',
    "11 fsync(8</d/blobs>) = 0",
    f'11 openat(AT_FDCWD</w>, "/d/blobs/ab/tmp-1", O_WRONLY|O_CREAT|O_EXCL, 0666) = {BLOB}',
    f'11 write({BLOB}, "mark-1mark-1", 12) = 12',
    f'11 write({BLOB}, "mark-1mark-1", 12) = 12',
    f"11 fdatasync({BLOB}) = 0",
    '11 renameat2(AT_FDCWD</w>, "/d/blobs/ab/tmp-1", AT_FDCWD</w>, "/d/blobs/ab/blob-1", RENAME_NOREPLACE) = 0',
    "11 fsync(8</d/blobs/ab>) = 0",
    *GOOD,
]
IN_FILE = [Put("key-1", b"mark-1", True)]


def test_the_reader_follows_a_file():
    assert judged(FILE_GOOD, IN_FILE) == []
    unrenamed = [line for line in FILE_GOOD if "rename" not in line]
    assert judged(unrenamed, IN_FILE) == []


@pytest.mark.parametrize("gone", [1, 5, 7], ids=["parent", "file", "folder"])
def test_the_reader_misses_each_sync_of_a_file(gone):
    assert judged([line for place, line in enumerate(FILE_GOOD) if place != gone], IN_FILE)


@pytest.mark.parametrize(("move", "to"), [(5, 3), (7, 5), (7, 13), (4, 6), (5, 13)])
def test_the_reader_sees_a_sync_of_a_file_at_the_wrong_time(move, to):
    lines = list(FILE_GOOD)
    lines.insert(to, lines.pop(move))
    assert judged(lines, IN_FILE)


def test_the_reader_refuses_what_it_does_not_understand():
    for lines in (["12 what is this"], ["12 <... fsync resumed>) = 0"], ["no pid"]):
        with pytest.raises(NotUnderstood):
            calls(lines)
    assert unescaped(r"a\0\12\x7f\n\"\\") == b'a\0\n\x7f\n"\\'
