"""`craton jobs`: what people see of batch jobs, on a terminal and elsewhere."""
import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

import batch
from harness import CRATON, Server, clean_environment

KEY = "records.jsonl"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("jobs") / "data", batch.scripted_config(latency_ms=300, in_flight=16)) as running:
        running.client("s3").create_bucket(Bucket="jobs-out")
        yield running


def submit(server, name, count=60, **more):
    source = batch.put_input(server, "jobs-in", KEY, batch.lines(count))
    return batch.submit(server, source, "s3://jobs-out/", name=name, **more)


def on_a_terminal(server, *arguments, seconds=60):
    """Runs a command on a terminal of 120 columns; returns its exit status and all that it has written there."""
    main, other = pty.openpty()
    os.set_blocking(main, False)
    subprocess.run(["stty", "cols", "120"], stdin=other, check=True)
    process = subprocess.Popen([CRATON, *arguments, "--data", server.data], stdin=subprocess.DEVNULL, stdout=other, stderr=other,
                               env=clean_environment())
    os.close(other)
    written, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(main, 65536)
        except OSError:                                     # the other side is closed: the command has ended
            break
        written += piece
    os.close(main)
    return process.wait(10), written.decode()


def test_watch_draws_one_line_until_the_job_has_ended(server):
    arn = submit(server, "watched", 100)
    status, text = on_a_terminal(server, "jobs", "watch", "watched")
    assert status == 0, text
    frames = [frame for frame in re.split(r"\r|\x1b\[K|\n", text) if frame]
    assert len(frames) > 3 and all(len(frame) < 120 for frame in frames)
    assert any(re.match(r"InProgress  [#.]{24} \d+/100  [\d.]+/(s|min)", frame) for frame in frames), frames
    assert re.match(r"Completed  #{24} 100/100 .*1 failed .* tokens  took \d+ s$", frames[-1]), frames[-1]
    assert text.count("\n") == 1                            # all the others have been drawn over
    assert batch.state(server, arn)["status"] == "Completed"


def test_watch_prints_lines_where_there_is_no_terminal(server):
    submit(server, "plain", 100)
    done = server.craton("jobs", "watch", "plain")
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("Completed  ") and "100/100" in lines[-1]
    assert "\r" not in done.stdout and "\x1b" not in done.stdout
    assert len(lines) < 12


def test_the_exit_status_of_watch_says_how_the_job_ended(server):
    submit(server, "stopped", 200)
    stopped = server.craton("jobs", "stop", "stopped")
    assert "is being stopped" in stopped.stderr
    assert server.craton("jobs", "watch", "stopped", check=False).returncode == 4
    failing = batch.submit(server, "s3://jobs-in/absent.jsonl", "s3://jobs-out/", name="failing")
    done = server.craton("jobs", "watch", failing, check=False)
    assert done.returncode == 1 and "absent.jsonl" in done.stdout
    again = server.craton("jobs", "stop", failing, check=False)
    assert again.returncode == 1 and "State was: Failed" in again.stderr


def test_jobs_are_found_by_id_arn_and_name(server):
    older, arn = submit(server, "twice", 20), submit(server, "twice", 20)
    identifier = arn.rsplit("/", 1)[1]
    for word in (arn, identifier, "twice"):
        shown = server.craton("jobs", "show", word).stdout
        assert arn in shown and older not in shown and f"s3://jobs-in/{KEY}" in shown
    assert json.loads(server.craton("jobs", "show", identifier, "--json").stdout)["jobArn"] == arn
    for word in ("nobody", "abcdefghijkl", "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl"):
        done = server.craton("jobs", "show", word, check=False)
        assert done.returncode == 1 and word in done.stderr
    assert server.craton("jobs", "watch").returncode == 0    # the newest


def test_lists_show_every_job_or_those_of_a_status(server):
    arn = submit(server, "listed", 20)
    server.craton("jobs", "watch", "listed")
    lines = server.craton("jobs", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "NAME", "STATUS", "RECORDS", "SUBMITTED", "MODEL"]
    assert lines[1].split()[:4] == [arn.rsplit("/", 1)[1], "listed", "Completed", "20/20"]
    assert len(lines) == 1 + len(server.client("bedrock").list_model_invocation_jobs(maxResults=1000)["invocationJobSummaries"])
    completed = server.craton("jobs", "list", "--status", "Completed").stdout
    assert "listed" in completed and "Failed" not in completed
    wrong = server.craton("jobs", "list", "--status", "Sleeping", check=False)
    assert wrong.returncode == 1 and "Sleeping" in wrong.stderr


@pytest.mark.parametrize("arguments,complaint", [
    ([], "say list, show, watch or stop"),
    (["sing"], "say list, show, watch or stop"),
    (["list", "more"], "list takes no words"),
    (["show"], "say which job to show"),
    (["stop", "a", "b"], "say which job to stop"),
    (["show", "a", "--status", "Failed"], "--status belongs to list"),
    (["watch", "--json"], "--json belongs to list and show"),
    (["list", "--loud"], "unknown option --loud"),
])
def test_words_that_do_not_fit_are_complained_of(server, arguments, complaint):
    done = server.craton("jobs", *arguments, check=False)
    assert done.returncode == 2 and complaint in done.stderr and "craton jobs --help" in done.stderr


def test_without_a_server_there_is_nothing_to_watch(new_server):
    server = new_server(start=False)
    server.data.mkdir()
    done = server.craton("jobs", "list", check=False)
    assert done.returncode == 1 and "no server runs" in done.stderr
