"""Hand-made S3 requests: signed as AWS Signature Version 4 says, and wrong on purpose where a test asks for it.

The public clients refuse to send most of what a hostile or broken client sends; this one does not.
"""

import base64
import datetime
import hashlib
import hmac
import re
import socket
import ssl
import urllib.parse
import zlib
from dataclasses import dataclass

from .program import ACCESS_KEY, REGION, SECRET_KEY

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CRLF = b"\r\n"


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def encode_key(key):
    """Returns a key as it stands in a path. Bytes may be anything, also not UTF-8."""
    return urllib.parse.quote(key, safe="/-_.~")


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def code(self):
        """The S3 error code, or None."""
        found = re.search(rb"<Code>([^<]+)</Code>", self.body)
        return found.group(1).decode() if found else None

    @property
    def event_id(self):
        return self.headers.get("x-bucketbell-event-id")


class Signer:
    """The credentials and the clock of one client."""

    def __init__(self, access_key=ACCESS_KEY, secret_key=SECRET_KEY, skew_seconds=0, region=REGION):
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew_seconds)

    @property
    def stamp(self):
        return self.now.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self):
        return f"{self.now:%Y%m%d}/{self.region}/s3/aws4_request"

    def key(self):
        key = _mac(("AWS4" + self.secret_key).encode(), f"{self.now:%Y%m%d}")
        for part in (self.region, "s3", "aws4_request"):
            key = _mac(key, part)
        return key

    def headers(self, method, path, query, headers, payload_hash):
        """Returns the headers of a request with its signature."""
        headers = {**headers, "x-amz-date": self.stamp, "x-amz-content-sha256": payload_hash}
        lower = {name.lower(): " ".join(str(value).split()) for name, value in headers.items()}
        names = sorted(lower)
        pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical_query = "&".join(f"{encode_key(k).replace('/', '%2F')}={encode_key(v).replace('/', '%2F')}" for k, v in pairs)
        canonical = "\n".join(
            [method, path, canonical_query, *[f"{n}:{lower[n]}" for n in names], "", ";".join(names), payload_hash]
        )
        text = "\n".join(["AWS4-HMAC-SHA256", self.stamp, self.scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers, signature

    def chunk_signature(self, previous, chunk):
        text = "\n".join(
            ["AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, previous, EMPTY, hashlib.sha256(chunk).hexdigest()]
        )
        return hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()

    def trailer_signature(self, previous, trailer):
        digest = hashlib.sha256(trailer.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, previous, digest])
        return hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()


class Connection:
    """One kept-alive connection to the S3 listener."""

    def __init__(self, url, ca=None, timeout=30):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "https":
            self.socket = ssl.create_default_context(cafile=ca).wrap_socket(self.socket, server_hostname=parts.hostname)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.reader.close()
        self.socket.close()

    def request(self, method, path, body=b"", query="", headers=None, signer=None, payload_hash=None, length=None, half_close=False):
        """Sends one request and returns the answer.

        `path` stands as it is sent. `length` is the Content-Length when it is to differ from that of the body;
        `half_close` ends our side of the connection after the body.
        """
        payload_hash = payload_hash or hashlib.sha256(body).hexdigest()
        headers = {"Host": self.host, **(headers or {})}
        if signer is not False:
            headers, _ = (signer or Signer()).headers(method, path, query, headers, payload_hash)
        self.send(method, path, query, headers, body, length)
        if half_close:
            self.socket.shutdown(socket.SHUT_WR)
        return self.read(method)

    def send(self, method, path, query, headers, body, length=None):
        target = path + (f"?{query}" if query else "")
        lines = [f"{method} {target} HTTP/1.1", *[f"{n}: {v}" for n, v in headers.items()]]
        lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def read(self, method):
        """Reads one answer. Raises ConnectionError when there is none."""
        while True:
            start = self.reader.readline()
            if not start:
                raise ConnectionError("closed without an answer")
            status = int(start.split()[1])
            headers = {}
            while (line := self.reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            if status != 100:
                break
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.reader.readline().split(b";")[0], 16):
                body += self.reader.read(size)
                self.reader.readline()
            self.reader.readline()
            return Answer(status, headers, body)
        length = int(headers.get("content-length", "0"))
        body = self.reader.read(length)
        if len(body) < length:
            raise ConnectionError("the answer broke off")
        return Answer(status, headers, body)


def put_chunked(
    connection,
    path,
    body,
    mode,
    signer=None,
    decoded_length=None,
    trailer=None,
    chunk_bytes=8192,
    break_chunk_signature=False,
    break_trailer_signature=False,
    drop_last_chunk=False,
):
    """Puts an object in `aws-chunked` framing, the way SDKs stream, and wrong where asked. Returns the answer."""
    signer = signer or Signer()
    signed = mode in (STREAMING, STREAMING_TRAILER)
    headers = {
        "Host": connection.host,
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(body) if decoded_length is None else decoded_length),
    }
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    headers, previous = signer.headers("PUT", path, "", headers, mode)
    framed = bytearray()
    pieces = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
    for number, piece in enumerate([*pieces, b""]):
        if drop_last_chunk and not piece:
            break
        line = f"{len(piece):x}"
        if signed:
            previous = signer.chunk_signature(previous, piece)
            shown = "0" * 64 if break_chunk_signature and number == 0 else previous
            line += f";chunk-signature={shown}"
        framed += line.encode() + CRLF
        if piece:
            framed += piece + CRLF
    if trailer:
        framed += f"{trailer[0]}:{trailer[1]}".encode() + CRLF
        if signed:
            signature = signer.trailer_signature(previous, f"{trailer[0]}:{trailer[1]}\n")
            shown = "0" * 64 if break_trailer_signature else signature
            framed += f"x-amz-trailer-signature:{shown}".encode() + CRLF
    framed += CRLF
    connection.send("PUT", path, "", headers, bytes(framed))
    return connection.read("PUT")
