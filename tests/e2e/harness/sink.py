"""A webhook receiver that does as it is told: answers, hangs, resets, talks nonsense, never ends."""

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BODY_BYTES_MAX = 8 * 1024 * 1024


@dataclass
class Delivery:
    """One POST as it came in."""

    method: str
    path: str
    headers: dict
    body: bytes
    at: float
    connection: tuple
    json: dict = field(default=None)

    @property
    def id(self):
        return self.headers.get("webhook-id")

    @property
    def attempt(self):
        return int(self.headers["bucketbell-attempt"])

    @property
    def sequence(self):
        return int(self.headers["bucketbell-sequence"])


def nobody_listens():
    """Returns a url on a port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/nobody-listens"


def status(code, body=b"", headers=()):
    """Answers with a status."""

    def act(handler, _delivery):
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


def redirect(url, code=307):
    """Answers with a redirect, which must not be followed."""
    return status(code, headers=[("Location", url)])


def hang(handler, _delivery):
    """Keeps the connection open and says nothing until the sink is closed."""
    handler.server.sink.closing.wait()
    handler.close_connection = True


def hold(gate, code=200):
    """Answers with a status once the event `gate` is set."""

    def act(handler, delivery):
        while not gate.wait(0.05):
            if handler.server.sink.closing.is_set():
                break
        status(code)(handler, delivery)

    return act


def reset(handler, _delivery):
    """Resets the connection (RST) instead of answering."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def garbage(handler, _delivery):
    """Answers something that is not HTTP."""
    handler.wfile.write(b"\x00\x01\x02 this is not HTTP at all \xff\xfe\r\n\r\n" * 20)
    handler.close_connection = True


def endless(announced=10 * 1024**3):
    """Answers 200 with a body of 10 GiB, as fast as it is taken, and counts what was taken."""

    def act(handler, _delivery):
        sink = handler.server.sink
        handler.send_response(200)
        handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        piece = b"x" * 65536
        try:
            for _ in range(announced // len(piece)):
                if sink.closing.is_set():
                    break
                handler.wfile.write(piece)
                sink.endless_bytes += len(piece)
        except OSError:
            pass
        handler.close_connection = True

    return act


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _take(self):
        length = int(self.headers.get("Content-Length", "0"))
        assert length <= _BODY_BYTES_MAX
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        delivery = Delivery(self.command, self.path, headers, body, time.monotonic(), self.client_address)
        action = self.server.sink._record(delivery)
        try:
            action(self, delivery)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError, ValueError):
            self.close_connection = True

    do_POST = do_GET = do_HEAD = do_PUT = _take

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError, OSError):
            self.close_connection = True

    def log_message(self, *_args):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


class Sink:
    """Listens on a loopback port of its own. Answers by `script`, one entry a request, then by `default`."""

    def __init__(self, script=(), default=None, tls_context=None):
        self.deliveries = []
        self.script = list(script)
        self.default = default or status(200)
        self.endless_bytes = 0
        self.closing = threading.Event()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        if tls_context:
            self._server.socket = tls_context.wrap_socket(self._server.socket, server_side=True)
        self._server.sink = self
        self.scheme = "https" if tls_context else "http"
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    def _record(self, delivery):
        with self._changed:
            self.deliveries.append(delivery)
            action = self.script.pop(0) if self.script else self.default
            self._changed.notify_all()
        return action

    def all(self):
        with self._changed:
            return list(self.deliveries)

    def by_id(self):
        """Returns the deliveries of each event id, in the order of their arrival."""
        found = {}
        for delivery in self.all():
            found.setdefault(delivery.id, []).append(delivery)
        return found

    def of(self, event_id):
        return [delivery for delivery in self.all() if delivery.id == event_id]

    def answer(self, default, script=()):
        """Changes what the next requests are answered with."""
        with self._changed:
            self.default = default
            self.script = list(script)

    def wait_until(self, condition, what, deadline=20.0):
        """Waits until `condition(deliveries)` is true and returns its value."""
        end = time.monotonic() + deadline
        with self._changed:
            while True:
                value = condition(self.deliveries)
                if value:
                    return value
                left = end - time.monotonic()
                if left <= 0:
                    seen = [(d.method, d.id, d.headers.get("bucketbell-attempt")) for d in self.deliveries[-20:]]
                    raise AssertionError(f"not within {deadline} s: {what}; {len(self.deliveries)} came in: {seen}")
                self._changed.wait(left)

    def wait(self, count, deadline=20.0):
        """Waits for `count` POSTs and returns all that came in."""
        self.wait_until(lambda seen: len(seen) >= count, f"{count} deliveries", deadline)
        return self.all()

    def wait_id(self, event_id, count=1, deadline=20.0):
        """Waits for `count` attempts of one event and returns them."""
        self.wait_until(lambda seen: sum(d.id == event_id for d in seen) >= count, f"{count} of {event_id}", deadline)
        return self.of(event_id)

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
