"""Rules from the configuration file, as the seed writes them (B7, B8)."""

import pytest

from harness.program import event_id
from harness.webhook import verified

SECRET = "the secret of the hook"

SEED = """\
notifications:
  endpoints:
    - url: "{url}"
      events:
        - "s3:ObjectCreated:*"
        - "s3:ObjectRemoved:*"
      prefix: "uploads/"          # only deliver data events under this prefix
      secret: "${{HOOK_SECRET}}"
      timeout: 5s
      max_retries: 5
"""


def test_the_example_of_the_seed_works_as_it_stands(make_server, sink):
    server = make_server(config=SEED.format(url=sink.url), env={"HOOK_SECRET": SECRET}, secrets=[SECRET]).start()
    client = server.client()
    for bucket in ("first-bucket", "second-bucket"):
        client.create_bucket(Bucket=bucket)
    wanted = [
        event_id(client.put_object(Bucket="first-bucket", Key="uploads/a", Body=b"x")),
        event_id(client.put_object(Bucket="second-bucket", Key="uploads/b", Body=b"x" * 50_000)),
        event_id(client.delete_object(Bucket="first-bucket", Key="uploads/a")),
    ]
    assert event_id(client.put_object(Bucket="first-bucket", Key="elsewhere/a", Body=b"x")) is None
    sink.wait(3)
    server.wait_drained()
    assert {d.id for d in sink.all()} == set(wanted)
    kinds = sorted(verified(delivery, SECRET).get_type() for delivery in sink.all())
    assert kinds == ["s3:ObjectCreated:Put", "s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"]


@pytest.mark.parametrize("env", [{}, {"HOOK_SECRET_": "x"}])
def test_an_unset_variable_refuses_the_start_by_name(make_server, sink, env):
    process = make_server(config=SEED.format(url=sink.url), env=env).spawn()
    assert process.wait_exit() != 0
    assert "HOOK_SECRET" in process.err()
    assert "ready" not in process.out()


def test_an_endpoint_that_is_taken_out_of_the_file_gets_nothing_more(make_server, make_sink):
    one, two = make_sink(), make_sink()
    both = f'notifications:\n  endpoints:\n    - {{url: "{one.url}", events: ["*"]}}\n    - {{url: "{two.url}", events: ["*"]}}\n'
    only = f'notifications:\n  endpoints:\n    - {{url: "{one.url}", events: ["*"]}}\n'
    server = make_server(config=both).start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    first = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    one.wait_id(first), two.wait_id(first)
    server.config = only
    server.restart()
    second = event_id(server.client().put_object(Bucket="bell", Key="k", Body=b"x"))
    one.wait_id(second)
    server.wait_drained()
    assert [d.sequence for d in one.of(second)] == [d.sequence + 1 for d in one.of(first)], "it is the same endpoint still"
    assert two.of(second) == []
    server.config = ""
    server.restart()
    assert event_id(server.client().put_object(Bucket="bell", Key="k", Body=b"x")) is None


def test_patterns_of_operational_events_take_no_data_events(make_server, make_sink):
    """B7: `backend.*` is known; `prefix` never filters operational events."""
    data, operation = make_sink(), make_sink()
    config = (
        "notifications:\n  endpoints:\n"
        f'    - {{url: "{operation.url}", events: ["backend.*", "integrity.corruption_detected"], prefix: "x/"}}\n'
        f'    - {{url: "{data.url}", events: ["s3:ObjectCreated:Put"]}}\n'
    )
    server = make_server(config=config).start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    put = event_id(client.put_object(Bucket="bell", Key="x/k", Body=b"x"))
    assert event_id(client.delete_object(Bucket="bell", Key="x/k")) is None
    data.wait_id(put)
    server.wait_drained()
    assert operation.all() == []


def test_two_endpoints_of_one_url_need_names(make_server, sink):
    endpoint = f'{{url: "{sink.url}", events: ["*"]}}'
    process = make_server(config=f"notifications:\n  endpoints:\n    - {endpoint}\n    - {endpoint}\n").spawn()
    assert process.wait_exit() != 0
    assert "name" in process.err()


def test_two_named_endpoints_of_one_url_are_two(make_server, sink):
    named = "".join(f'    - {{name: {name}, url: "{sink.url}", events: ["*"]}}\n' for name in ("one", "two"))
    server = make_server(config="notifications:\n  endpoints:\n" + named).start()
    client = server.client()
    client.create_bucket(Bucket="bell")
    put = event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    sink.wait_id(put, 2)
    server.wait_drained()
    assert len(sink.all()) == 2


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("notifications: [", "bucketbell.yaml"),
        ("notification: {}", "notification"),
        ("notifications:\n  endpoints:\n    - {url: 'http://h/', events: ['*'], scret: x}", "scret"),
        ("notifications:\n  endpoints:\n    - {url: 'http://h/', events: ['s3:ObjectCreated:Putt']}", "s3:ObjectCreated:Putt"),
        ("notifications:\n  endpoints:\n    - {url: 'http://h/', events: []}", "events"),
        ("notifications:\n  endpoints:\n    - {url: 'ftp://h/', events: ['*']}", "url"),
        ("notifications:\n  endpoints:\n    - {url: 'http://h/', events: ['*'], timeout: soon}", "timeout"),
        ("notifications:\n  endpoints:\n    - {url: 'http://h/', events: ['*'], max_retries: -1}", "bucketbell.yaml:3:"),
        (b"\xff\xfe\x00", "bucketbell.yaml"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", ""),
        ("[" * 100_000, ""),
    ],
)
def test_a_file_with_a_mistake_refuses_the_start_and_names_it(make_server, config, named):
    server = make_server(config=config)
    process = server.spawn()
    assert process.wait_exit() not in (0, -6, -11)
    assert named in process.err() and "panicked" not in process.err(), process.err()[-2000:]
    assert "ready" not in process.out()


def test_a_file_that_is_not_there_refuses_the_start_and_names_it(make_server):
    process = make_server(args=["--config", "/nonexistent/bucketbell.yaml"]).spawn()
    assert process.wait_exit() != 0
    assert "/nonexistent/bucketbell.yaml" in process.err()


def test_settings_come_from_the_environment_too(make_server, tmp_path):
    server = make_server(env={"BUCKETBELL_DATA_DIR": str(tmp_path / "ignored")}).start()
    assert not (tmp_path / "ignored").exists(), "the flag wins over the environment"
    assert server.data_dir.is_dir()


def test_credentials_of_the_first_start_are_kept_in_a_file_of_mode_0600(make_server):
    """They are printed once; the same ones work after a restart."""
    import re
    import stat

    from harness.program import Process

    server = make_server()
    server.folder.mkdir(parents=True)
    runs = []
    for number in (1, 2):
        args = ["serve", "--data-dir", str(server.data_dir), "--s3-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
        process = Process(args, server.folder, f"plain-{number}")
        server.processes.append(process)
        found = process.wait_output(r"^ready s3=(\S+) api=(\S+)$")
        server.s3, server.api = found.groups()
        private = [p for p in server.data_dir.rglob("*") if p.is_file() and "credential" in p.name.lower()]
        assert private, f"a file of credentials in {sorted(p.name for p in server.data_dir.iterdir())}"
        for path in private:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        text = private[0].read_text()
        runs.append((text, process.log()))
        pairs = dict(re.findall(r"^BUCKETBELL_ADMIN_(\w+)='(.*)'$", text, re.M))
        client = server.client(pairs["ACCESS_KEY"], pairs["SECRET_KEY"])
        assert client.list_buckets()["Buckets"] == []
        assert server.rest("GET", "/api/v1/buckets/absent-bucket/notifications", token=pairs["TOKEN"])[0] == 404
        assert (pairs["SECRET_KEY"] in process.log()) == (number == 1), "printed once, at the first start"
        assert process.stop() == 0
    assert runs[0][0] == runs[1][0]
