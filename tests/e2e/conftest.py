"""Fixtures: servers and receivers that are gone when the test is, and whose logs are shown when it fails."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from harness.program import Server
from harness.sink import Sink

_LOG_CHARS_SHOWN = 8000


@dataclass
class Tls:
    """The files of a test authority and of the certificate that it gave to the server."""

    ca: Path
    cert: Path
    key: Path


@pytest.fixture(scope="session", autouse=True)
def no_ambient_aws():
    """Keeps the developer's own AWS settings and proxies out of the tests."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    files = Tls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(files.ca)
    files.key.write_bytes(leaf.private_key_pem.bytes())
    files.cert.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    return files


def _factory(folder, opened):
    def make(**settings):
        number = len(opened) + 1
        opened.append(Server(settings.pop("folder", folder / f"server-{number}"), **settings))
        return opened[-1]

    return make


def _close(opened):
    problems = [problem for server in opened for problem in server.close()]
    assert not problems, problems


@pytest.fixture
def make_server(tmp_path, request):
    """Makes servers that are not started yet. Each is ended with the test."""
    request.node.bucketbell_servers = opened = []
    yield _factory(tmp_path, opened)
    _close(opened)


@pytest.fixture
def server(make_server):
    """A started server with credentials from the environment and an empty data folder."""
    return make_server().start()


@pytest.fixture(scope="module", params=["http", "https"])
def s3_server(request, tmp_path_factory, tls):
    """One server for all tests of a file, over http and over https."""
    opened = []
    make = _factory(tmp_path_factory.mktemp("s3"), opened)
    yield make(tls=tls if request.param == "https" else None).start()
    _close(opened)


@pytest.fixture
def s3(s3_server, request):
    """A boto3 client with default checksums, over http and over https."""
    request.node.bucketbell_servers = [s3_server]
    return s3_server.client()


@pytest.fixture
def bucket(s3):
    """A fresh bucket of the shared server."""
    name = f"e2e-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def make_sink():
    """Makes scripted receivers. Each is closed with the test."""
    opened = []

    def make(*args, **kwargs):
        opened.append(Sink(*args, **kwargs))
        return opened[-1]

    yield make
    for sink in opened:
        sink.close()


@pytest.fixture
def sink(make_sink):
    return make_sink()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in getattr(item, "bucketbell_servers", []):
            text = server.log()
            report.sections.append((f"log of {server.folder.name}", text[-_LOG_CHARS_SHOWN:]))
