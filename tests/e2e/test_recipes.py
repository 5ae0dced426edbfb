"""The recipes of docs/receiving.md do what they say: a language is shown only when its recipe runs here (B13)."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime

import pytest

from harness.program import ROOT, clean_environment, event_id
from harness.waiting import eventually
from harness.webhook import base64_secret

SECRETS = [base64_secret(b"the secret of the recipe, 32 by."), "plain text secret"]


def recipe(name):
    """Returns the code under `<!-- recipe: NAME -->`."""
    text = (ROOT / "docs" / "receiving.md").read_text()
    found = re.search(rf"<!-- recipe: {name} -->\n```\w+\n(.*?)```", text, re.S)
    assert found, f"docs/receiving.md has no recipe {name!r}"
    return found.group(1)


def test_every_recipe_is_run_here():
    text = (ROOT / "docs" / "receiving.md").read_text()
    assert re.findall(r"<!-- recipe: ([\w-]+) -->", text) == ["python", "python-plain", "shell"]
    shown = re.findall(r"^## (Python|Shell|Go|Node|Ruby|PHP|Java|Rust|C#)", text, re.M)
    assert shown == ["Python", "Shell"]


def test_the_example_has_the_fields_and_the_forms_of_a_real_event(server, sink):
    text = (ROOT / "docs" / "receiving.md").read_text()
    shown = json.loads(re.search(r"```json\n(.*?)```", text, re.S).group(1))
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": sink.url, "events": ["*"]})
    client.put_object(Bucket="bell", Key="2026/harbour.jpg", Body=b"x", ContentType="image/jpeg")
    [delivery] = sink.wait(1)
    real = json.loads(delivery.body)
    assert shown.keys() == real.keys() and shown["data"].keys() <= real["data"].keys()
    for field, form in {
        "sequencer": r"[0-9A-F]{16}",
        "etag": r"[0-9a-f]{32}",
        "lastModified": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    }.items():
        for event in (shown, real):
            assert re.fullmatch(form, event["data"][field]), (field, event["data"][field])
    for event in (shown, real):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]), event["time"]
        micros = int(event["data"]["sequencer"], 16)
        assert int(event["id"].replace("-", "")[:12], 16) == micros // 1000, "the id holds the sequencer"
        assert datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp() == pytest.approx(micros / 1e6, rel=0, abs=0.0011)


@pytest.mark.parametrize("secret", SECRETS)
def test_the_python_receiver_takes_what_is_genuine_and_refuses_what_is_not(server, tmp_path, secret):
    program, out = tmp_path / "receiver.py", tmp_path / "receiver.out"
    program.write_text(recipe("python"))
    env = clean_environment({"HOOK_SECRET": secret, "PORT": "0"})
    with open(out, "wb") as file:
        process = subprocess.Popen([sys.executable, str(program)], env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        port = eventually(lambda: re.search(r"listening on port (\d+)", out.read_text()), lambda: out.read_text()).group(1)
        client = server.client()
        client.create_bucket(Bucket="bell")
        url = f"http://127.0.0.1:{port}/"
        server.put_rules("bell", {"url": url, "events": ["*"], "secret": secret})
        client.put_object(Bucket="bell", Key="ünï/harbour.jpg", Body=b"x")
        server.wait_drained()
        assert "s3:ObjectCreated:Put bell ünï/harbour.jpg" in out.read_text()
        server.put_rules("bell", {"url": url, "events": ["*"], "secret": "another secret", "max_retries": 0})
        client.put_object(Bucket="bell", Key="forged", Body=b"x")
        eventually(lambda: server.metric("bucketbell_notifications_dropped_total") == 1, "the forged one is refused")
        assert "forged" not in out.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("secret", SECRETS)
def test_the_plain_recipes_tell_genuine_from_forged(server, sink, tmp_path, secret):
    client = server.client()
    client.create_bucket(Bucket="bell")
    server.put_rules("bell", {"url": sink.url, "events": ["*"], "secret": secret})
    event_id(client.put_object(Bucket="bell", Key="k", Body=b"x"))
    [delivery] = sink.wait(1)
    shown = delivery.headers["x-signature-256"]
    scope = {}
    exec(recipe("python-plain"), scope)
    assert scope["is_genuine"](secret, delivery.body, shown)
    assert not scope["is_genuine"](secret, delivery.body + b" ", shown)
    assert not scope["is_genuine"](secret + "x", delivery.body, shown)
    for body, answer in ((delivery.body, "genuine"), (delivery.body + b" ", "forged")):
        (tmp_path / "body.json").write_bytes(body)
        env = {**os.environ, "HOOK_SECRET": secret, "X_SIGNATURE_256": shown}
        done = subprocess.run(["sh", "-c", recipe("shell")], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=20)
        assert done.stdout.strip() == answer, done.stderr
