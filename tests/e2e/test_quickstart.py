"""The first minute of a newcomer."""

import re
import subprocess

from harness.program import Process, binary, clean_environment


def test_quickstart_shows_the_whole_way_within_ten_seconds(tmp_path):
    process = Process(["quickstart", "--once"], tmp_path, "quickstart")
    assert process.wait_exit(10) == 0, process.log()
    shown = process.log()
    assert len(re.findall(r"https?://127\.0\.0\.1:\d+", shown)) >= 2, shown
    for word in ("put", "verified", "s3:ObjectCreated:Put", "aws ", "curl "):
        assert word.lower() in shown.lower(), f"{word!r} is not in:\n{shown}"
    for word in ("access", "secret", "token"):
        assert word in shown.lower(), f"credentials: {word!r} is not in:\n{shown}"
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", shown), "the event's id"
    assert "panicked" not in shown


def test_quickstart_can_be_done_again(tmp_path):
    for number in (1, 2):
        process = Process(["quickstart", "--once"], tmp_path, f"quickstart-{number}")
        assert process.wait_exit(10) == 0, process.log()


def run(*args):
    return subprocess.run([binary(), *args], capture_output=True, text=True, timeout=20, env=clean_environment())


def test_help_teaches_and_version_tells():
    for args in (["--help"], ["help"], ["-h"]):
        done = run(*args)
        assert done.returncode == 0
        for command in ("serve", "receive", "quickstart", "version"):
            assert command in done.stdout
    for command, flags in {
        "serve": ["--config", "--data-dir", "--s3-listen", "--api-listen", "--s3-tls-cert", "--s3-tls-key", "--master-key-file"],
        "receive": ["--listen", "--state", "--secret", "--exec", "--insecure-unsigned"],
        "quickstart": ["--once"],
    }.items():
        shown = run(command, "--help").stdout
        for flag in flags:
            assert flag in shown, f"{command} --help names {flag}"
    version = run("version")
    assert version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout)


def test_an_unknown_command_or_flag_is_named():
    for args in (["sreve"], ["serve", "--nonsense"], ["serve", "--s3-listen", "not an address"]):
        done = run(*args)
        assert done.returncode != 0 and done.returncode > 0
        assert args[-1] in done.stderr, done.stderr
