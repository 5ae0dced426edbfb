"""The real binary: found, started, waited for, stopped by its pid, and its log kept for the report of a failure."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

from .waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
ADMIN_TOKEN = "e2e-admin-token-0123456789abcdef"
ACCESS_KEY = "E2EACCESSKEY00000001"
SECRET_KEY = "e2e/secret+key/0123456789abcdefghijklmnop"
REGION = "us-east-1"
START_SECONDS = 30.0
STOP_SECONDS = 30.0


def binary():
    """Returns the path of the binary under test: `$BUCKETBELL_BIN`, else the debug build."""
    given = os.environ.get("BUCKETBELL_BIN")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    path = Path(given).resolve() if given else target / "debug" / "bucketbell"
    assert path.is_file(), f"{path} is not there: run `cargo build -p bucketbell`, or set BUCKETBELL_BIN"
    return str(path)


def clean_environment(extra=None):
    """Returns this environment without what would steer the binary or the AWS tools from outside."""
    env = {k: v for k, v in os.environ.items() if not k.upper().startswith(("BUCKETBELL_", "AWS_", "RUST_LOG"))}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        env.pop(name, None)
        env.pop(name.upper(), None)
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    env["AWS_PAGER"] = ""
    env.update(extra or {})
    return env


class Process:
    """One run of the binary, with standard output and standard error kept in files."""

    def __init__(self, args, folder, name, env=None, prefix=(), stdin=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.popen = subprocess.Popen(
                [*prefix, binary(), *args],
                stdout=out,
                stderr=err,
                stdin=stdin or subprocess.DEVNULL,
                env=clean_environment(env),
                cwd=folder,
            )

    @property
    def pid(self):
        return self.popen.pid

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def log(self):
        return self.out() + self.err()

    def running(self):
        return self.popen.poll() is None

    def wait_exit(self, deadline=STOP_SECONDS):
        try:
            return self.popen.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not exit within {deadline} s:\n{self.log()[-4000:]}") from None

    def stop(self, deadline=STOP_SECONDS):
        """Asks the process to stop (SIGTERM) and returns its exit code."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
        return self.wait_exit(deadline)

    def kill(self):
        """Ends the process at once (SIGKILL)."""
        if self.running():
            self.popen.kill()
        self.popen.wait(STOP_SECONDS)

    def wait_output(self, pattern, deadline=START_SECONDS):
        """Returns the match of `pattern` in standard output, once it is there."""
        compiled = re.compile(pattern, re.M)

        def look():
            found = compiled.search(self.out())
            if not found and not self.running():
                raise AssertionError(
                    f"{self.name} exited with {self.popen.returncode} before printing {pattern!r}:\n{self.log()[-4000:]}"
                )
            return found

        return eventually(look, lambda: f"{self.name} prints {pattern!r}; it printed:\n{self.log()[-4000:]}", deadline)


class Server:
    """`bucketbell serve` on one data folder. It can be stopped, killed and started again."""

    def __init__(self, folder, data_dir=None, config=None, args=(), env=None, tls=None, prefix=(), secrets=()):
        self.folder = Path(folder)
        self.data_dir = Path(data_dir) if data_dir else self.folder / "data"
        self.args = list(args)
        self.env = dict(env or {})
        self.tls = tls
        self.prefix = list(prefix)
        self.config = config
        self.secrets = {ADMIN_TOKEN, SECRET_KEY, *secrets}
        self.processes = []
        self.s3 = self.api = None

    # ---- running -----------------------------------------------------------------------------------------------

    def spawn(self, s3_listen="127.0.0.1:0", api_listen="127.0.0.1:0"):
        """Starts the process and returns it without waiting until it is ready."""
        args = ["serve", "--data-dir", str(self.data_dir), "--s3-listen", s3_listen, "--api-listen", api_listen]
        if self.config is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / "bucketbell.yaml"
            path.write_bytes(self.config if isinstance(self.config, bytes) else self.config.encode())
            args += ["--config", str(path)]
        if self.tls:
            args += ["--s3-tls-cert", str(self.tls.cert), "--s3-tls-key", str(self.tls.key)]
        env = {
            "BUCKETBELL_ADMIN_TOKEN": ADMIN_TOKEN,
            "BUCKETBELL_ADMIN_ACCESS_KEY": ACCESS_KEY,
            "BUCKETBELL_ADMIN_SECRET_KEY": SECRET_KEY,
            "BUCKETBELL_SHUTDOWN_GRACE": "3s",
            **self.env,
        }
        process = Process([*args, *self.args], self.folder, f"serve-{len(self.processes) + 1}", env, self.prefix)
        self.processes.append(process)
        return process

    def start(self, deadline=START_SECONDS):
        """Starts the process and waits for its line `ready s3=… api=…`."""
        found = self.spawn().wait_output(r"^ready s3=(\S+) api=(\S+)$", deadline)
        self.s3, self.api = found.group(1), found.group(2)
        return self

    @property
    def process(self):
        return self.processes[-1]

    def stop(self, deadline=STOP_SECONDS):
        return self.process.stop(deadline)

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        """Returns everything that every run has printed."""
        return "".join(process.log() for process in self.processes)

    def close(self):
        """Ends the process and returns what must never be in a log and was: panics and secrets (SG-2)."""
        if self.processes and self.process.running():
            self.process.popen.send_signal(signal.SIGTERM)
            try:
                self.process.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        log = self.log()
        problems = [f"the log shows the secret {secret[:6]}…" for secret in self.secrets if secret in log]
        if "panicked at" in log:
            problems.append("a thread panicked: " + log[log.index("panicked at") :][:300])
        return problems

    # ---- talking -----------------------------------------------------------------------------------------------

    def client(self, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **config):
        """Returns a boto3 client with default checksums that does not retry: an error is to be seen."""
        settings = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}, "max_pool_connections": 32}
        settings.update(config)
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.s3,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            verify=str(self.tls.ca) if self.tls else None,
            config=Config(signature_version="s3v4", **settings),
        )

    def rest(self, method, path, body=None, token=ADMIN_TOKEN, headers=None, raw=None, timeout=30):
        """Returns (status, headers, body): the body parsed when it is JSON. `raw` bytes are sent as they are."""
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.api + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                status, got, text = answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            status, got, text = error.code, dict(error.headers), error.read()
        if "json" in got.get("content-type", got.get("Content-Type", "")):
            return status, got, json.loads(text)
        return status, got, text.decode(errors="replace")

    def put_rules(self, bucket, *rules):
        """Saves the rules of a bucket as admin and returns them as the server answers them."""
        self.secrets.update(rule["secret"] for rule in rules if rule.get("secret"))
        status, _, body = self.rest("PUT", f"/api/v1/buckets/{bucket}/notifications", {"rules": list(rules)})
        assert status == 200, (status, body)
        return body["rules"]

    def metrics(self):
        """Returns the metrics page as a list of (name, labels, value)."""
        status, _, text = self.rest("GET", "/metrics", token=None)
        assert status == 200, (status, text)
        rows = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                found = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
                assert found, f"not a line of the Prometheus text format: {line!r}"
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found.group(2) or ""))
                rows.append((found.group(1), labels, float(found.group(3))))
        return rows

    def metric(self, name, **labels):
        """Returns the sum of a metric over every row that has these labels; 0 when there is none."""
        return sum(v for n, have, v in self.metrics() if n == name and labels.items() <= have.items())

    def outbox_depth(self):
        return self.metric("bucketbell_notification_outbox_depth")

    def wait_drained(self, deadline=30.0):
        """Waits until nothing is owed to anybody."""
        eventually(lambda: self.outbox_depth() == 0, lambda: f"the outbox drains; owed: {self.outbox_depth()}", deadline)


def event_id(answer):
    """Returns the event id that a write's answer carries (X11), or None."""
    return answer["ResponseMetadata"]["HTTPHeaders"].get("x-bucketbell-event-id")


def monotonic():
    return time.monotonic()
