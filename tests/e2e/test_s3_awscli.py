"""The S3 API as the AWS CLI speaks it, over http and over https."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from harness.program import ACCESS_KEY, REGION, SECRET_KEY, clean_environment


class Aws:
    """Runs `aws` against one server."""

    def __init__(self, server, folder):
        # The first line of the CLI still presigns with Signature Version 2 unless it is told.
        config = folder / "aws-config"
        config.write_text("[default]\ns3 =\n    signature_version = s3v4\n")
        beside = Path(sys.executable).parent / "aws"
        self.program = str(beside) if beside.is_file() else shutil.which("aws")
        assert self.program, "the AWS CLI is not installed: `./test` installs it into .venv"
        self.server = server
        self.folder = folder
        self.env = clean_environment(
            {
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_CONFIG_FILE": str(config),
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "PYTHONUTF8": "1",
            }
        )
        if server.tls:
            self.env["AWS_CA_BUNDLE"] = str(server.tls.ca)

    def run(self, *args, fails=False):
        done = subprocess.run(
            [self.program, "--endpoint-url", self.server.s3, *args],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode != 0) == fails, f"aws {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr if fails else done.stdout

    def api(self, *args):
        out = self.run("s3api", *args, "--output", "json")
        return json.loads(out) if out.strip() else {}


@pytest.fixture
def aws(s3_server, tmp_path, request):
    request.node.bucketbell_servers = [s3_server]
    return Aws(s3_server, tmp_path)


def test_s3_commands_make_fill_list_and_empty_a_bucket(aws, tmp_path):
    bucket = f"cli-{uuid.uuid4().hex[:12]}"
    aws.run("s3", "mb", f"s3://{bucket}")
    assert bucket in aws.run("s3", "ls")
    (tmp_path / "up").mkdir()
    bodies = {"small.txt": b"small", "big.bin": os.urandom(5_000_000), "dir/ünï cö+de.txt": b"odd"}
    for name, body in bodies.items():
        path = tmp_path / "up" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        aws.run("s3", "cp", str(path), f"s3://{bucket}/{name}")
    listed = aws.run("s3", "ls", f"s3://{bucket}/", "--recursive")
    assert [line.split(None, 3)[3] for line in listed.splitlines()] == sorted(bodies)
    assert "PRE dir/" in aws.run("s3", "ls", f"s3://{bucket}/")
    for name, body in bodies.items():
        aws.run("s3", "cp", f"s3://{bucket}/{name}", str(tmp_path / "down"))
        assert (tmp_path / "down").read_bytes() == body
    assert "BucketNotEmpty" in aws.run("s3", "rb", f"s3://{bucket}", fails=True)
    for name in bodies:
        aws.run("s3", "rm", f"s3://{bucket}/{name}")
    aws.run("s3", "rb", f"s3://{bucket}")
    assert bucket not in aws.run("s3", "ls")


def test_s3api_answers_what_the_documentation_says(aws, tmp_path):
    bucket = f"cli-{uuid.uuid4().hex[:12]}"
    aws.api("create-bucket", "--bucket", bucket)
    aws.api("head-bucket", "--bucket", bucket)
    (tmp_path / "body").write_bytes(b"0123456789")
    put = aws.api("put-object", "--bucket", bucket, "--key", "a/b", "--body", "body", "--metadata", "colour=green")
    head = aws.api("head-object", "--bucket", bucket, "--key", "a/b")
    assert (head["ContentLength"], head["ETag"], head["Metadata"]) == (10, put["ETag"], {"colour": "green"})
    aws.api("get-object", "--bucket", bucket, "--key", "a/b", "--range", "bytes=2-4", "part")
    assert (tmp_path / "part").read_bytes() == b"234"
    listed = aws.api("list-objects-v2", "--bucket", bucket, "--delimiter", "/")
    assert listed["CommonPrefixes"] == [{"Prefix": "a/"}]
    assert aws.api("list-objects", "--bucket", bucket)["Contents"][0]["Key"] == "a/b"
    aws.api("get-bucket-location", "--bucket", bucket)
    assert "NoSuchKey" in aws.run("s3api", "get-object", "--bucket", bucket, "--key", "nope", "x", fails=True)
    aws.api("delete-object", "--bucket", bucket, "--key", "a/b")
    aws.api("delete-bucket", "--bucket", bucket)


def test_a_presigned_url_of_the_cli_is_taken(aws, s3_server, tmp_path):
    bucket = f"cli-{uuid.uuid4().hex[:12]}"
    aws.run("s3", "mb", f"s3://{bucket}")
    (tmp_path / "body").write_bytes(b"presigned")
    aws.run("s3", "cp", "body", f"s3://{bucket}/k")
    url = aws.run("s3", "presign", f"s3://{bucket}/k").strip()
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url
    command = ["curl", "-sS", "--fail", "--noproxy", "*", url]
    if s3_server.tls:
        command += ["--cacert", str(s3_server.tls.ca)]
    got = subprocess.run(command, capture_output=True, timeout=30)
    assert (got.returncode, got.stdout) == (0, b"presigned"), got.stderr
