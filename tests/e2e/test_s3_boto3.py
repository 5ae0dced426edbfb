"""The S3 API as boto3 speaks it with its defaults, over http and over https."""

import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.exceptions import ClientError

from harness.program import REGION

ODD_KEYS = [
    "ünï/ cö+de?&=%.txt",
    "a//b/../c",
    "🔔/🪣 bell.txt",
    "./here",
    "trailing/slash/",
    "/leading",
    " spaces  inside and around ",
    "plus+plus%2Bpercent%20",
    "quote'double\"back\\slash",
    "<xml>&amp;</xml>",
    "semi;colon,comma:colon=eq@at#hash",
    "tab\tinside",
]
SIZES = [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024, 20 * 1024 * 1024]


def code_of(error):
    return error.value.response["Error"]["Code"]


def status_of(error):
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def keys_of(answer):
    return [entry["Key"] for entry in answer.get("Contents", [])]


# ---- buckets -------------------------------------------------------------------------------------------------------


def test_a_bucket_is_created_found_listed_and_deleted(s3):
    s3.create_bucket(Bucket="first-bucket")
    assert s3.head_bucket(Bucket="first-bucket")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "first-bucket" in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="first-bucket").get("LocationConstraint") in (None, "", REGION)
    s3.delete_bucket(Bucket="first-bucket")
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket="first-bucket")
    assert status_of(error) == 404
    assert "first-bucket" not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]


def test_a_bucket_that_holds_an_object_is_not_deleted(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert (code_of(error), status_of(error)) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)


def test_creating_a_bucket_twice_is_told(s3, bucket):
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket=bucket)
    assert (code_of(error), status_of(error)) == ("BucketAlreadyOwnedByYou", 409)


@pytest.mark.parametrize("name", ["UPPER", "a_b", "ab", "-abc", "abc-", "a..b", "1.2.3.4"])
def test_a_bucket_name_that_aws_refuses_is_refused(s3_server, name):
    from harness.sigv4 import Connection

    with Connection(s3_server.s3, s3_server.tls and str(s3_server.tls.ca)) as connection:
        answer = connection.request("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName")


def test_a_missing_bucket_is_named_by_its_code(s3):
    for call in (
        lambda: s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"x"),
        lambda: s3.get_object(Bucket="no-such-bucket", Key="k"),
        lambda: s3.list_objects_v2(Bucket="no-such-bucket"),
        lambda: s3.delete_object(Bucket="no-such-bucket", Key="k"),
        lambda: s3.delete_bucket(Bucket="no-such-bucket"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert (code_of(error), status_of(error)) == ("NoSuchBucket", 404)


# ---- objects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_an_object_of_any_size_comes_back_byte_for_byte(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    etag = '"' + hashlib.md5(body).hexdigest() + '"'
    assert put["ETag"] == etag
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (size, etag)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentLength"] == size
    assert got["Body"].read() == body
    assert got["ETag"] == etag


def test_a_stream_without_a_known_length_is_stored(s3, bucket, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(os.urandom(300_000))
    with open(path, "rb") as file:
        s3.put_object(Bucket=bucket, Key="file", Body=file)
    assert s3.get_object(Bucket=bucket, Key="file")["Body"].read() == path.read_bytes()


def test_an_overwrite_replaces_and_a_delete_removes(s3, bucket):
    for body in (b"one", b"x" * 40_000, b"three"):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == ["k"]
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (s3.get_object, s3.head_object):
        with pytest.raises(ClientError) as error:
            call(Bucket=bucket, Key="k")
        assert status_of(error) == 404
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k")
    assert code_of(error) == "NoSuchKey"
    again = s3.delete_object(Bucket=bucket, Key="k")
    assert again["ResponseMetadata"]["HTTPStatusCode"] == 204, "deleting what is not there succeeds, as in S3"


def test_headers_and_metadata_come_back_as_they_were_given(s3, bucket):
    given = {
        "ContentType": "text/x-bell; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="bell.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "en-GB",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"Colour": "green", "empty-ish": "-", "x": "a b  c"}, **given)
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert answer["Metadata"] == {"colour": "green", "empty-ish": "-", "x": "a b  c"}
        assert {name: answer[name] for name in given} == given
        assert answer["LastModified"] is not None


def test_ranges_answer_206_with_the_right_bytes_and_416_outside(s3, bucket):
    for size in (100, 100_000):
        body = os.urandom(size)
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        for header, expected in [
            ("bytes=0-0", body[:1]),
            ("bytes=10-19", body[10:20]),
            ("bytes=-7", body[-7:]),
            ("bytes=90-", body[90:]),
            (f"bytes=0-{size * 2}", body),
        ]:
            got = s3.get_object(Bucket=bucket, Key="k", Range=header)
            assert got["ResponseMetadata"]["HTTPStatusCode"] == 206, header
            assert got["Body"].read() == expected, header
            assert got["ContentRange"].endswith(f"/{size}")
        with pytest.raises(ClientError) as error:
            s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size}-")
        assert (code_of(error), status_of(error)) == ("InvalidRange", 416)


def test_conditions_on_reading_are_honoured(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfMatch='"0123"')
    assert (code_of(error), status_of(error)) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert status_of(error) == 304
    with pytest.raises(ClientError) as error:
        s3.head_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    assert status_of(error) == 304
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince="2001-01-01T00:00:00Z")
    assert status_of(error) == 412


def test_conditions_on_writing_are_honoured(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")
    assert (code_of(error), status_of(error)) == ("PreconditionFailed", 412)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch='"0123"')
    assert (code_of(error), status_of(error)) == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="absent", Body=b"x", IfMatch=first)
    assert status_of(error) in (404, 412)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_is_verified_kept_and_given_back(s3, bucket, algorithm):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"checked", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"checked"
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


# ---- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_odd_key_is_kept_as_it_is(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == [key]
    assert keys_of(s3.list_objects(Bucket=bucket)) == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == []


@pytest.mark.parametrize("letter", ["k", "ü", "🔔"])
def test_a_key_of_1024_bytes_is_kept_and_one_of_1025_refused(s3, bucket, letter):
    width = len(letter.encode())
    longest = letter * (1024 // width)
    s3.put_object(Bucket=bucket, Key=longest, Body=b"x")
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == [longest]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key=longest + "k", Body=b"x")
    assert (code_of(error), status_of(error)) == ("KeyTooLongError", 400)
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == [longest]


# ---- listing -------------------------------------------------------------------------------------------------------

TREE = ["a/1", "a/2", "a/b/3", "b", "c/4", "ä/5", "d e/6", "z"]


@pytest.fixture
def tree(s3, bucket):
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def test_lists_are_in_byte_order_with_size_and_etag(s3, tree):
    listed = s3.list_objects_v2(Bucket=tree)
    assert keys_of(listed) == sorted(TREE, key=str.encode)
    assert listed["KeyCount"] == len(TREE) and listed["IsTruncated"] is False
    for entry in listed["Contents"]:
        body = entry["Key"].encode()
        assert (entry["Size"], entry["ETag"]) == (len(body), '"' + hashlib.md5(body).hexdigest() + '"')


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
def test_a_delimiter_folds_keys_into_common_prefixes(s3, tree, version):
    listed = getattr(s3, version)(Bucket=tree, Delimiter="/")
    assert keys_of(listed) == ["b", "z"]
    assert [entry["Prefix"] for entry in listed["CommonPrefixes"]] == ["a/", "c/", "d e/", "ä/"]
    inside = getattr(s3, version)(Bucket=tree, Delimiter="/", Prefix="a/")
    assert keys_of(inside) == ["a/1", "a/2"]
    assert [entry["Prefix"] for entry in inside["CommonPrefixes"]] == ["a/b/"]


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_pages_join_to_the_whole_list(s3, tree, version, page):
    for settings in ({}, {"Delimiter": "/"}, {"Prefix": "a/"}):
        pages = list(s3.get_paginator(version).paginate(Bucket=tree, PaginationConfig={"PageSize": page}, **settings))
        whole = getattr(s3, version)(Bucket=tree, **settings)
        joined = [key for part in pages for key in keys_of(part)]
        folded = [entry["Prefix"] for part in pages for entry in part.get("CommonPrefixes", [])]
        assert joined == keys_of(whole)
        assert folded == [entry["Prefix"] for entry in whole.get("CommonPrefixes", [])]
        assert all(len(keys_of(part)) + len(part.get("CommonPrefixes", [])) <= page for part in pages)


def test_start_after_and_marker_skip(s3, tree):
    assert keys_of(s3.list_objects_v2(Bucket=tree, StartAfter="b")) == ["c/4", "d e/6", "z", "ä/5"]
    assert keys_of(s3.list_objects(Bucket=tree, Marker="b")) == ["c/4", "d e/6", "z", "ä/5"]
    assert keys_of(s3.list_objects_v2(Bucket=tree, Prefix="zz")) == []


def test_url_encoding_is_given_when_asked_for(s3_server, s3, bucket):
    from harness.sigv4 import Connection

    s3.put_object(Bucket=bucket, Key="ü /+&<x>", Body=b"x")
    with Connection(s3_server.s3, s3_server.tls and str(s3_server.tls.ca)) as connection:
        encoded = connection.request("GET", f"/{bucket}", query="encoding-type=url&list-type=2")
        plain = connection.request("GET", f"/{bucket}", query="list-type=2")
    shown = encoded.body.split(b"<Key>")[1].split(b"</Key>")[0].decode()
    assert urllib.parse.unquote_plus(shown) == "ü /+&<x>" and "<" not in shown and " " not in shown
    assert "ü /+&amp;&lt;x&gt;".encode() in plain.body or "ü /+&amp;&lt;x>".encode() in plain.body


def test_a_broken_continuation_token_is_refused(s3, bucket):
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="not a token of ours ¡")
    assert (code_of(error), status_of(error)) == ("InvalidArgument", 400)


# ---- presigned -----------------------------------------------------------------------------------------------------


def fetch(s3_server, method, url, body=None, headers=None):
    import ssl

    context = ssl.create_default_context(cafile=str(s3_server.tls.ca)) if s3_server.tls else None
    handlers = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_presigned_urls_put_and_get(s3_server, s3, bucket):
    for key in ("plain", "ünï/ cö+de?&=%.txt"):
        params = {"Bucket": bucket, "Key": key}
        put = s3.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
        assert fetch(s3_server, "PUT", put, b"presigned " + key.encode(), {"Content-Type": ""})[0] == 200
        get = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
        assert fetch(s3_server, "GET", get) == (200, b"presigned " + key.encode())


def test_a_presigned_url_that_was_changed_is_refused(s3_server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"}, ExpiresIn=60)
    for changed in (url.replace("/a?", "/b?"), url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), url[:-1] + "0"):
        if changed == url:
            changed = url[:-1] + "1"
        status, body = fetch(s3_server, "GET", changed)
        assert status == 403 and b"SignatureDoesNotMatch" in body, changed
    assert fetch(s3_server, "PUT", url, b"other method")[0] == 403


# ---- what is not there yet -----------------------------------------------------------------------------------------


def test_what_is_not_supported_says_so(s3, bucket):
    """Y5: never silent success."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for call in (
        lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="m"),
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"),
        lambda: s3.put_bucket_policy(Bucket=bucket, Policy="{}"),
        lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []}),
        lambda: s3.put_object(Bucket=bucket, Key="sse", Body=b"x", ServerSideEncryption="AES256"),
        lambda: s3.put_object(Bucket=bucket, Key="acl", Body=b"x", ACL="public-read"),
        lambda: s3.put_object(Bucket=bucket, Key="lock", Body=b"x", ObjectLockLegalHoldStatus="ON"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert (code_of(error), status_of(error)) == ("NotImplemented", 501)
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == ["k"]
