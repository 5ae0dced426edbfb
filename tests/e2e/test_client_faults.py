"""Bad input: the right code, nothing written, no event, nothing leaked."""

import base64
import hashlib
import json
import socket

import pytest

from harness.program import ADMIN_TOKEN, SECRET_KEY, event_id
from harness.sigv4 import (
    STREAMING,
    STREAMING_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    Connection,
    Signer,
    crc32,
    encode_key,
    put_chunked,
)
from harness.webhook import verified

SECRET = "a rule's secret that nobody may see"
BODY = b"the bytes of an object " * 1000


class Watched:
    """A server whose one bucket is watched, so that a write or an event that should not be is seen."""

    def __init__(self, server, sink):
        self.server, self.sink, self.answers = server, sink, []
        self.client = server.client()
        self.client.create_bucket(Bucket="bell")
        server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": SECRET})
        self.known = set()

    def connect(self):
        return Connection(self.server.s3)

    def raw(self, method, path, *args, **kwargs):
        with self.connect() as connection:
            answer = connection.request(method, path, *args, **kwargs)
        self.answers.append(answer)
        return answer

    def chunked(self, *args, **kwargs):
        with self.connect() as connection:
            answer = put_chunked(connection, *args, **kwargs)
        self.answers.append(answer)
        return answer

    def nothing_happened(self):
        """Checks that no object is there, that no event was made, and that no answer shows a secret."""
        assert "Contents" not in self.client.list_objects_v2(Bucket="bell"), "nothing is written"
        marker = event_id(self.client.put_object(Bucket="bell", Key="marker", Body=b"m"))
        [delivery] = self.sink.wait_id(marker)
        verified(delivery, SECRET)
        self.server.wait_drained()
        assert {d.id for d in self.sink.all()} == {marker} and delivery.sequence == 1, "no event was made"
        for answer in self.answers:
            text = answer.body.decode(errors="replace") + str(answer.headers)
            for secret in (SECRET, SECRET_KEY, ADMIN_TOKEN):
                assert secret not in text


@pytest.fixture
def watched(server, sink):
    return Watched(server, sink)


def refused(answer, status, *codes):
    assert (answer.status, answer.code in codes) == (status, True), (answer.status, answer.code, answer.body[:500])
    assert b"<Message>" in answer.body, "an error says what is wrong"
    assert answer.event_id is None


def test_a_request_that_is_not_rightly_signed_changes_nothing(watched):
    put = ("PUT", "/bell/k", BODY)
    refused(watched.raw(*put, signer=Signer(secret_key="not the secret")), 403, "SignatureDoesNotMatch")
    refused(watched.raw(*put, signer=Signer(access_key="NOSUCHKEY00000000001")), 403, "InvalidAccessKeyId")
    refused(watched.raw(*put, signer=Signer(skew_seconds=-20 * 60)), 403, "RequestTimeTooSkewed")
    refused(watched.raw(*put, signer=Signer(skew_seconds=20 * 60)), 403, "RequestTimeTooSkewed")
    refused(watched.raw(*put, signer=False), 403, "AccessDenied")
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}x"}
    answer = watched.raw(*put, signer=False, headers=bearer)
    assert 400 <= answer.status < 500, answer
    watched.nothing_happened()


def test_an_authorization_header_that_is_nonsense_is_refused(watched):
    for text in ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a", "AWS4-HMAC-SHA256 " + "x" * 4000, "Basic YTpi", "💥"):
        with watched.connect() as connection:
            headers = {"Host": connection.host, "x-amz-date": Signer().stamp, "Authorization": text}
            connection.send("PUT", "/bell/k", "", headers, BODY)
            answer = connection.read("PUT")
        assert 400 <= answer.status < 500, (text[:40], answer.status)
    watched.nothing_happened()


def test_a_body_whose_bytes_were_changed_is_refused(watched):
    answer = watched.raw("PUT", "/bell/k", BODY, payload_hash=hashlib.sha256(b"other bytes").hexdigest())
    refused(answer, 400, "XAmzContentSHA256Mismatch", "BadDigest")
    watched.nothing_happened()


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_shorter_than_announced_is_not_stored(watched, size):
    """Half of the body, then our side ends."""
    body = b"s" * size
    for payload_hash in (None, UNSIGNED):
        with watched.connect() as connection:
            try:
                answer = connection.request(
                    "PUT", "/bell/k", body[: size // 2], length=size, payload_hash=payload_hash, half_close=True
                )
                assert answer.status == 400, (answer.status, answer.body)
            except ConnectionError:
                pass
    watched.nothing_happened()


def test_a_client_that_vanishes_in_the_middle_leaves_nothing(watched):
    for size in (100, 100_000):
        connection = watched.connect()
        headers, _ = Signer().headers("PUT", "/bell/k", "", {"Host": connection.host}, UNSIGNED)
        connection.send("PUT", "/bell/k", "", headers, b"h" * (size // 2), length=size)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()
    watched.nothing_happened()


def test_a_body_longer_than_announced_is_cut_where_it_was_announced_and_refused(watched):
    """The signature covers all bytes, the announced length only some: the stored ones would be others."""
    with watched.connect() as connection:
        answer = connection.request("PUT", "/bell/k", BODY, length=len(BODY) - 10)
    refused(answer, 400, "XAmzContentSHA256Mismatch", "BadDigest")
    watched.nothing_happened()


@pytest.mark.parametrize("lie", [-1, 1, -len(BODY), 10**9])
@pytest.mark.parametrize("mode", [STREAMING, UNSIGNED_TRAILER])
def test_a_wrong_decoded_length_is_refused(watched, mode, lie):
    trailer = ("x-amz-checksum-crc32", crc32(BODY)) if mode == UNSIGNED_TRAILER else None
    answer = watched.chunked("/bell/k", BODY, mode, decoded_length=len(BODY) + lie, trailer=trailer)
    assert answer.status == 400, (answer.status, answer.code)
    watched.nothing_happened()


def test_a_stream_that_ends_without_its_last_chunk_is_refused(watched):
    for mode in (STREAMING, UNSIGNED_TRAILER):
        answer = watched.chunked("/bell/k", BODY, mode, drop_last_chunk=True)
        assert 400 <= answer.status < 500, (mode, answer.status, answer.code)
    watched.nothing_happened()


def test_a_chunk_or_trailer_with_a_wrong_signature_is_refused(watched):
    answer = watched.chunked("/bell/k", BODY, STREAMING, break_chunk_signature=True)
    refused(answer, 403, "SignatureDoesNotMatch")
    trailer = ("x-amz-checksum-crc32", crc32(BODY))
    answer = watched.chunked("/bell/k", BODY, STREAMING_TRAILER, trailer=trailer, break_trailer_signature=True)
    refused(answer, 403, "SignatureDoesNotMatch")
    watched.nothing_happened()


def test_an_answer_after_which_the_connection_ends_says_so(watched):
    """Refused before its body was asked for (`Expect: 100-continue`): who keeps the connection would lose the next request."""
    for path, more in (("/bell/k", {"x-amz-acl": "public-read"}), ("/no-such-bucket/k", {}), ("/bell/k", {"If-Match": '"0"'})):
        with watched.connect() as connection:
            headers = {"Host": connection.host, "Expect": "100-continue", **more}
            headers, _ = Signer().headers("PUT", path, "", headers, UNSIGNED)
            connection.send("PUT", path, "", headers, b"", length=len(BODY))
            answer = connection.read("PUT")
            assert answer.status >= 400
            if answer.headers.get("connection", "").lower() != "close":
                assert connection.request("GET", "/bell").status == 200
    watched.nothing_happened()


def test_streams_that_are_right_are_stored(watched):
    """The other side of the refusals above: the same framing, told truly."""
    trailer = ("x-amz-checksum-crc32", crc32(BODY))
    assert watched.chunked("/bell/a", BODY, STREAMING).status == 200
    assert watched.chunked("/bell/b", BODY, STREAMING_TRAILER, trailer=trailer).status == 200
    assert watched.chunked("/bell/c", BODY, UNSIGNED_TRAILER, trailer=trailer).status == 200
    assert watched.raw("PUT", "/bell/d", BODY, payload_hash=UNSIGNED).status == 200
    for key in "abcd":
        got = watched.client.get_object(Bucket="bell", Key=key)
        assert got["Body"].read() == BODY
        assert "aws-chunked" not in got.get("ContentEncoding", ""), "the framing is not part of the object"


WRONG = {
    "Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode(),
    "x-amz-checksum-crc32": crc32(b"other"),
    "x-amz-checksum-crc32c": base64.b64encode(b"\x01\x02\x03\x04").decode(),
    "x-amz-checksum-crc64nvme": base64.b64encode(b"\x01\x02\x03\x04\x05\x06\x07\x08").decode(),
    "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(b"other").digest()).decode(),
    "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"other").digest()).decode(),
}


@pytest.mark.parametrize("header", WRONG)
@pytest.mark.parametrize("body", [b"small", BODY], ids=["inline", "file"])
def test_a_checksum_header_that_does_not_match_is_refused(watched, header, body):
    refused(watched.raw("PUT", "/bell/k", body, headers={header: WRONG[header]}), 400, "BadDigest")
    watched.nothing_happened()


@pytest.mark.parametrize("name", [n for n in WRONG if n != "Content-MD5"])
@pytest.mark.parametrize("mode", [STREAMING_TRAILER, UNSIGNED_TRAILER])
def test_a_checksum_trailer_that_does_not_match_is_refused(watched, name, mode):
    refused(watched.chunked("/bell/k", BODY, mode, trailer=(name, WRONG[name])), 400, "BadDigest")
    watched.nothing_happened()


# The check values of the CRC catalogue: what `123456789` gives.
RIGHT = {
    "x-amz-checksum-crc32": "cbf43926",
    "x-amz-checksum-crc32c": "e3069283",
    "x-amz-checksum-crc64nvme": "ae8b14860a799888",
    "x-amz-checksum-sha1": hashlib.sha1(b"123456789").hexdigest(),
    "x-amz-checksum-sha256": hashlib.sha256(b"123456789").hexdigest(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_checksum_that_matches_is_kept_and_given_back(watched, name):
    value = base64.b64encode(bytes.fromhex(RIGHT[name])).decode()
    assert watched.raw("PUT", "/bell/header", b"123456789", headers={name: value}).status == 200
    assert watched.chunked("/bell/signed", b"123456789", STREAMING_TRAILER, trailer=(name, value)).status == 200
    assert watched.chunked("/bell/unsigned", b"123456789", UNSIGNED_TRAILER, trailer=(name, value)).status == 200
    for key in ("header", "signed", "unsigned"):
        got = watched.raw("GET", f"/bell/{key}", headers={"x-amz-checksum-mode": "ENABLED"})
        assert (got.body, got.headers.get(name)) == (b"123456789", value), key


def test_a_checksum_that_is_no_checksum_is_refused(watched):
    for header in WRONG:
        answer = watched.raw("PUT", "/bell/k", BODY, headers={header: "!!not base64!!"})
        refused(answer, 400, "InvalidDigest", "InvalidRequest", "InvalidArgument", "BadDigest")
    watched.nothing_happened()


def test_a_key_that_cannot_be_is_refused(watched):
    refused(watched.raw("PUT", "/bell/" + "k" * 1025, BODY), 400, "KeyTooLongError")
    refused(watched.raw("PUT", "/bell/" + encode_key(b"bad\xff\xfeutf8"), BODY), 400, "InvalidURI", "InvalidArgument")
    answer = watched.raw("PUT", "/bell/" + "k" * 100_000, BODY)
    assert 400 <= answer.status < 500, answer.status
    watched.nothing_happened()


def test_malformed_and_oversized_xml_is_refused(watched):
    for body in (b"<CreateBucketConfiguration><Locat", b"not xml", b"<Other/>", b"\xff\xfe\x00"):
        refused(watched.raw("PUT", "/malformed-xml", body), 400, "MalformedXML")
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 1000 + b'">]><CreateBucketConfiguration>' + b"&b;" * 100
    assert watched.raw("PUT", "/malformed-xml", bomb).status == 400
    answer = watched.raw("PUT", "/malformed-xml", b"<CreateBucketConfiguration>" + b" " * 30_000_000)
    assert 400 <= answer.status < 500, answer.status
    names = [entry["Name"] for entry in watched.client.list_buckets()["Buckets"]]
    assert names == ["bell"]
    watched.nothing_happened()


def test_headers_beyond_measure_are_refused(watched):
    headers = {f"x-amz-meta-{n}": "v" * 1000 for n in range(10)}
    refused(watched.raw("PUT", "/bell/k", BODY, headers=headers), 400, "MetadataTooLarge")
    with watched.connect() as connection:
        try:
            connection.send("PUT", "/bell/k", "", {"Host": connection.host, "x-big": "v" * 2_000_000}, b"")
            assert 400 <= connection.read("PUT").status < 500
        except ConnectionError:
            pass
    watched.nothing_happened()


def test_what_is_not_http_does_not_hurt(watched):
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 10_000, b"PUT /bell/k HTTP/9.9\r\n\r\n"):
        for url in (watched.server.s3, watched.server.api):
            with Connection(url, timeout=5) as connection:
                try:
                    connection.socket.sendall(noise)
                    connection.socket.shutdown(socket.SHUT_WR)
                    connection.socket.recv(65536)
                except OSError:
                    pass
    watched.nothing_happened()


# ---- REST ----------------------------------------------------------------------------------------------------------

RULES = "/api/v1/buckets/bell/notifications"


def json_error(answer, *statuses):
    status, _, body = answer
    assert status in statuses, (status, body)
    assert isinstance(body, dict) and body["error"]["code"] and body["error"]["message"], body
    return body["error"]


def test_rules_that_are_malformed_are_refused_and_the_old_ones_stay(watched):
    server = watched.server
    before = server.rest("GET", RULES)[2]
    good = {"url": watched.sink.url, "events": ["*"]}

    def put(rules=None, raw=None):
        return json_error(server.rest("PUT", RULES, None if raw is not None else {"rules": rules}, raw=raw), 400)

    for raw in (b"", b"{", b"[]", b"null", b'{"rules":{}}', b'{"rules":[1]}', b"\xff\xfe", b'{"rules":[]}garbage', b"[" * 100_000):
        put(raw=raw)
    assert "evnts" in json.dumps(put([{**good, "evnts": []}])), "an unknown field is named"
    assert "rulez" in json.dumps(put(raw=b'{"rules":[],"rulez":1}'))
    assert "s3:ObjectCreated:Putt" in json.dumps(put([{**good, "events": ["s3:ObjectCreated:Putt"]}]))
    assert "events" in json.dumps(put([{**good, "events": []}]))
    assert "events" in json.dumps(put([{"url": watched.sink.url}]))
    for url in ("", "ftp://host/", "no url", "http://user:password@host/", "http://"):
        assert "url" in json.dumps(put([{**good, "url": url}]))
    assert "timeout" in json.dumps(put([{**good, "timeout": "soon"}]))
    assert "dialect" in json.dumps(put([{**good, "dialect": "klingon"}]))
    put([{**good, "id": "not a uuid"}])
    put([{**good, "id": "019a9f3e-6c3c-7a01-8d0e-3f1b5a7c9d24"}])
    put([{**good, "url": f"{watched.sink.url}{n}"} for n in range(17)])
    assert server.rest("GET", RULES)[2] == before
    watched.nothing_happened()


def test_an_oversized_rules_document_is_refused(watched):
    before = watched.server.rest("GET", RULES)[2]
    big = json.dumps({"rules": [{"url": "http://h/" + "x" * 20_000_000, "events": ["*"]}]}).encode()
    try:
        json_error(watched.server.rest("PUT", RULES, raw=big), 400, 413)
    except (ConnectionError, OSError):
        pass
    assert watched.server.rest("GET", RULES)[2] == before
    watched.nothing_happened()


def test_rules_are_only_for_those_who_show_the_token(watched):
    """C2: 401, then 404."""
    server = watched.server
    before = server.rest("GET", RULES)[2]
    for token in (None, "", "wrong", ADMIN_TOKEN + "x", ADMIN_TOKEN[:-1], "x" * 100_000):
        try:
            status, _, body = server.rest("PUT", RULES, {"rules": []}, token=token)
        except (ConnectionError, OSError):
            continue
        assert status in ((401, 431) if token and len(token) > 1000 else (401,)), (token and token[:20], status, body)
        assert server.rest("GET", RULES, token=token[:100] if token else token)[0] == 401
    json_error(server.rest("GET", "/api/v1/buckets/absent-bucket/notifications"), 404)
    json_error(server.rest("PUT", "/api/v1/buckets/absent-bucket/notifications", {"rules": []}), 404)
    json_error(server.rest("GET", "/api/v1/nothing/here"), 404)
    assert server.rest("DELETE", RULES)[0] in (404, 405)
    assert server.rest("GET", RULES)[2] == before
    watched.nothing_happened()


def test_a_stale_etag_is_refused(watched):
    """C1: PUT honours the ETag by If-Match."""
    server = watched.server
    _, headers, body = server.rest("GET", RULES)
    etag = {k.lower(): v for k, v in headers.items()}["etag"]
    kept = [{"id": body["rules"][0]["id"], "url": watched.sink.url, "events": ["*"]}]
    assert server.rest("PUT", RULES, {"rules": kept}, headers={"If-Match": etag})[0] == 200
    json_error(server.rest("PUT", RULES, {"rules": []}, headers={"If-Match": etag}), 412)
    assert len(server.rest("GET", RULES)[2]["rules"]) == 1
    watched.nothing_happened()
