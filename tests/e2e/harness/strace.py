"""Reads an strace of the server strictly, and says where an answer left before what it promises was durable.

A line of `strace -f -yy` is one system call of one thread. It is whole when nothing else was seen between its entry and its
exit; else it is two lines, `<unfinished ...>` at the entry and `<... resumed>` at the exit. So the order of the lines is an
order of entries and exits, and "began after" can be told exactly. A line that is not understood is an error, never skipped.
"""

import re
from dataclasses import dataclass
from functools import cached_property

TRACED = "fsync,fdatasync,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,openat,rename,renameat,renameat2,linkat,mkdir,mkdirat"
STRING_BYTES = 20_000

_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (.+)$", re.S)
_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*?) ?<unfinished \.\.\.>$", re.S)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.+)$", re.S)
_RESUMED_NEVER = re.compile(r"^(\d+) +(<\.\.\. \w+ resumed>.*|\w+\(.*)\) += \?.*$|^(\d+) +<\.\.\. (\w+) resumed> *<unfinished", re.S)
_NOISE = re.compile(r"^(\d+) +(\+\+\+ .* \+\+\+|--- .* ---)$")
_FIRST_FD = re.compile(r"^(\d+|AT_FDCWD)<((?:->|[^<>]|<[^<>]*>)*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
SYNCS = ("fsync", "fdatasync")
WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
SENDS = ("write", "writev", "sendto", "sendmsg")


class NotUnderstood(Exception):
    """A line that this reader does not know: nothing may be concluded from the trace."""


def unescaped(text):
    """Returns the bytes of a string as strace prints them: C escapes, octal for what is not printable."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


@dataclass
class Call:
    """One system call. `began` and `ended` are places in the order of entries and exits."""

    thread: int
    name: str
    arguments: str
    began: int
    ended: int = None
    result: int = None

    @cached_property
    def target(self):
        """What the first file descriptor of the call is: a path or a socket."""
        found = _FIRST_FD.match(self.arguments)
        return found.group(2) if found else ""

    @cached_property
    def paths(self):
        """The paths that the call names, in order, joined to the folder whose descriptor stands before each."""
        found = []
        for match in re.finditer(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', self.arguments):
            folder, path = match.group(1), unescaped(match.group(2)).decode()
            found.append(path if path.startswith("/") or not folder else f"{folder}/{path}")
        return found

    @cached_property
    def data(self):
        """The bytes of a write. A string that strace cut short is an error where the bytes count."""
        return b"".join(unescaped(match.group(1)) for match in _STRING.finditer(self.arguments))

    @cached_property
    def cut(self):
        return any(match.group(2) for match in _STRING.finditer(self.arguments))

    def succeeded(self):
        return self.ended is not None and self.result is not None and self.result >= 0


def _result(text):
    found = re.match(r"-?(0x[0-9a-f]+|\d+)", text)
    return int(found.group(), 0) if found else None


def calls(lines):
    """Returns the calls of a trace in the order in which they began.

    Raises NotUnderstood when a line is not a call, its continuation, a signal or an exit.
    """
    found, open_calls = [], {}
    for place, line in enumerate(lines):
        line = line.rstrip("\n")
        if not line or _NOISE.match(line):
            continue
        if match := _UNFINISHED.match(line):
            thread = int(match.group(1))
            if thread in open_calls:
                raise NotUnderstood(f"line {place + 1}: thread {thread} is in two calls")
            open_calls[thread] = Call(thread, match.group(2), match.group(3), place)
            found.append(open_calls[thread])
        elif match := _RESUMED.match(line):
            call = open_calls.pop(int(match.group(1)), None)
            if call is None or call.name != match.group(2):
                raise NotUnderstood(f"line {place + 1}: resumes what was not begun: {line[:200]}")
            call.arguments += match.group(3)
            call.ended, call.result = place, _result(match.group(4))
        elif match := _WHOLE.match(line):
            call = Call(int(match.group(1)), match.group(2), match.group(3), place, place, _result(match.group(4)))
            found.append(call)
        elif not _RESUMED_NEVER.match(line):
            raise NotUnderstood(f"line {place + 1}: {line[:200]}")
    return found


@dataclass
class Put:
    """One put to look for: its key, and a mark that its bytes carry."""

    key: str
    mark: bytes
    in_file: bool


def violations(lines, puts, s3_port, data_dir, sink_port=None):
    """Returns a sentence for each answer that left too early, and for each put that cannot be followed.

    For each put: the answer `200` to the S3 port's client began after an fsync or fdatasync of the WAL ended, which began after
    the whole transaction that carries the key was written (its commit frame included). For bytes in a file, before the WAL
    tells of them (OB-2): the file was synced after its last byte was written, and the folder that holds it was synced after
    the file got its name there; a folder that was made for it was synced into its parent as well.

    With `sink_port` the same is asked of each put's webhook: nobody is told of a change that a power cut could still undo.
    """
    trace = calls(lines)
    problems = []
    answers = [
        call
        for call in trace
        if call.name in SENDS and f":{s3_port}->" in call.target and b"HTTP/1.1 200" in call.data[:64]
    ]
    if len(answers) != len(puts):
        return [f"{len(answers)} answers `200` for {len(puts)} puts: the trace does not show every answer"]
    walls = [call for call in trace if call.name in (*WRITES, *SYNCS) and call.target.endswith("-wal")]
    for put, answer in zip(puts, answers):
        problems += [f"{put.key}: {problem}" for problem in _of_one(put, answer, walls, trace, data_dir)]
    if sink_port:
        posts = [call for call in trace if call.name in SENDS and call.target.endswith(f":{sink_port}]")]
        for put in puts:
            post = next((call for call in posts if put.key.encode() in call.data), None)
            found = ["its webhook is not in the trace"] if post is None else _unsynced(put, post, walls, "webhook")
            problems += [f"{put.key}: {problem}" for problem in found]
    return problems


def _transactions(walls):
    """Returns the writes of each transaction in the WAL. The last of them is the page after the commit frame's header."""
    found, current, committing = [], [], False
    for call in walls:
        if call.name not in WRITES:
            continue
        current.append(call)
        if committing:
            found.append(current)
            current, committing = [], False
        else:
            committing = _is_commit_frame(call)
    return found


def _of_one(put, answer, walls, trace, data_dir):
    problems = _unsynced(put, answer, walls, "answer")
    rows = _rows(put, walls)
    if put.in_file and rows:
        problems += _of_file(put, rows[0], trace, data_dir)
    return problems


def _rows(put, walls):
    """Returns the writes of the first transaction that carries the put's key, or None."""
    return next((writes for writes in _transactions(walls) if any(put.key.encode() in c.data for c in writes)), None)


def _unsynced(put, told, walls, what):
    """Returns what is wrong when the call `told` tells somebody of the put."""
    rows = _rows(put, walls)
    if rows is None:
        return ["no committed transaction of the WAL carries its row"]
    if any(c.cut for c in rows):
        return ["strace cut a WAL page short: raise STRING_BYTES"]
    if not all(c.succeeded() for c in rows):
        return ["a write to the WAL failed or never ended"]
    last = max(c.ended for c in rows)
    synced = [c for c in walls if c.name in SYNCS and c.succeeded() and c.began > last and c.ended < told.began]
    return [] if synced else [f"its {what} left before a sync of the WAL that began after its commit was written"]


def _is_commit_frame(call):
    """A WAL frame header is 24 bytes; its second number is the size of the database when the frame ends a transaction."""
    return call.name == "pwrite64" and call.result == 24 and len(call.data) == 24 and call.data[4:8] != b"\0\0\0\0"


def _of_file(put, row, trace, data_dir):
    """`row` is the write that tells of the file: everything about the file must have ended before it."""
    earlier = [c for c in trace if c.ended is not None and c.ended < row.began and c.succeeded()]
    inside = [c for c in trace if c.name in WRITES and c.target.startswith(f"{data_dir}/") and "-wal" not in c.target]
    first = next((c for c in inside if put.mark in c.data), None)
    if first is None:
        return ["its bytes are never written to a file of the data folder"]
    path = first.target
    last = max(c.ended for c in inside if c.target == path and c.began >= first.began and c.ended is not None)
    problems = []
    if last >= row.began:
        problems.append("its row is written before its last byte is")
    if not any(c.name in SYNCS and c.target == path and c.began > last for c in earlier):
        problems.append("its file is not synced before its row is written")
    named = [c for c in earlier if _gives_name(c) and (path in c.paths or path in _opened(c))]
    if not named:
        return [*problems, "nothing gave its file a name"]
    final = named[-1].paths[-1]
    folder = final.rsplit("/", 1)[0]
    if not any(c.name in SYNCS and c.target == folder and c.began > named[-1].ended for c in earlier):
        problems.append(f"the folder {folder} is not synced after the file got its name")
    for made in [c for c in earlier if c.name in ("mkdir", "mkdirat") and (folder + "/").startswith(c.paths[-1] + "/")]:
        parent = made.paths[-1].rsplit("/", 1)[0]
        if len(parent) >= len(str(data_dir)) and not any(
            c.name in SYNCS and c.target == parent and c.began > made.ended for c in earlier
        ):
            problems.append(f"the folder {made.paths[-1]} is not synced into {parent}")
    return problems


def _gives_name(call):
    return call.name in ("rename", "renameat", "renameat2", "linkat") or (call.name == "openat" and "O_CREAT" in call.arguments)


def _opened(call):
    return call.paths if call.name == "openat" else []
