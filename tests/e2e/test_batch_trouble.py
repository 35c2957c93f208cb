"""What goes wrong under a running batch job: it waits or fails with a clear reason, and the server lives."""
import os
import subprocess
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import batch
from harness import ROOT, wait_until

KEY = "records.jsonl"


def start_job(server, count=200, target="s3://trouble-out/", model=batch.SCRIPTED):
    records = batch.lines(count)
    source = batch.put_input(server, "trouble-in", KEY, records)
    s3 = server.client("s3")
    if target.startswith("s3://trouble-out/") and "trouble-out" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket="trouble-out")
    return batch.submit(server, source, target, model=model), records


def wait_for_progress(server, arn):
    wait_until(lambda: batch.state(server, arn).get("processedRecordCount", 0) > 0, 30, "some records")


def slow_server(new_server, **more):
    return new_server(config=batch.scripted_config(latency_ms=250, in_flight=16), **more)


def answers(server):
    """The server still does its work."""
    assert server.healthy()
    reply = server.client().converse(modelId=batch.SCRIPTED, messages=[{"role": "user", "content": [{"text": "question 1"}]}])
    return reply["output"]["message"]["content"] == [{"text": "This is an answer."}]


def test_an_output_bucket_that_goes_meanwhile_fails_the_job(new_server):
    server = slow_server(new_server)
    arn, _ = start_job(server)
    wait_for_progress(server, arn)
    server.client("s3").delete_bucket(Bucket="trouble-out")
    job = batch.wait_for_end(server, arn)
    assert job["status"] == "Failed"
    assert "trouble-out" in job["message"] and "does not exist" in job["message"], job["message"]
    assert answers(server)


def test_an_input_that_goes_meanwhile_does_no_harm_or_fails_the_job(new_server):
    server = slow_server(new_server)
    arn, records = start_job(server)
    wait_for_progress(server, arn)
    server.client("s3").delete_object(Bucket="trouble-in", Key=KEY)
    server.client("s3").delete_bucket(Bucket="trouble-in")
    job = batch.wait_for_end(server, arn)
    if job["status"] == "Completed":                        # it was open, and an open object stays readable
        batch.check_output(server, arn, "s3://trouble-out/", KEY, records)
    else:
        assert job["status"] == "Failed" and KEY in job["message"], job
    assert answers(server)


def test_an_output_that_cannot_be_written_fails_the_job(new_server, tmp_path):
    server = new_server(config=batch.scripted_config())
    (tmp_path / "linked").mkdir()
    server.craton("bucket", "link", "read-only", tmp_path / "linked")
    try:
        arn, _ = start_job(server, 10, "s3://read-only/out/")
    except ClientError as refused:                          # as good: said at once
        assert "read-only" in refused.response["Error"]["Message"]
    else:
        job = batch.wait_for_end(server, arn)
        assert job["status"] == "Failed" and "read-only" in job["message"], job
    assert answers(server)


def test_a_model_that_is_removed_meanwhile_fails_the_job_and_not_the_server(new_server, server):
    shared = server.craton("models", "list").stdout
    assert "smollm2" in shared
    name = next(each.split()[0] for each in shared.splitlines() if "smollm2" in each)
    place = subprocess.run([ROOT / "tools/setup", "where", "cache"], capture_output=True, text=True, check=True).stdout.strip()
    weights = next(path for path in Path(place).rglob("model.gguf") if name in str(path))
    own = new_server(config={"models": {"map": [{"ids": batch.SCRIPTED, "model": "mine"}]}, "batch": {"in_flight": 4}})
    own.craton("models", "add", "mine", weights, "--layout", "keep")
    arn, records = start_job(own, 60)
    wait_for_progress(own, arn)
    own.craton("models", "remove", "mine")
    job = batch.wait_for_end(own, arn, 300)
    assert job["status"] == "Failed" and "mine" in job["message"], job
    assert 0 < job["processedRecordCount"] < len(records)
    assert own.healthy()


# ---- the disk is full ----

@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk):
    """Takes all the space that is left."""
    with open(disk / "ballast", "wb", buffering=0) as ballast:
        while True:
            try:
                ballast.write(b"\0" * (64 << 10))
            except OSError:
                return


def test_a_job_outlives_a_full_disk(new_server, small_disk, tmp_path):
    os.symlink(small_disk, tmp_path / "data0")              # where new_server() puts the data directory
    server = slow_server(new_server)
    arn, records = start_job(server, 160)
    wait_for_progress(server, arn)
    fill(small_disk)
    time.sleep(4)
    assert server.healthy() and answers(server)
    with pytest.raises(ClientError) as refused:
        server.client("s3").put_object(Bucket="trouble-in", Key="large", Body=b"x" * (1 << 20))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    (small_disk / "ballast").unlink()
    job = batch.wait_for_end(server, arn)
    if job["status"] == "Completed":
        batch.check_output(server, arn, "s3://trouble-out/", KEY, records)
    else:
        assert job["status"] == "Failed" and "space" in job["message"], job
    again, records = start_job(server, 50)
    assert batch.wait_for_end(server, again)["status"] == "Completed"
    batch.check_output(server, again, "s3://trouble-out/", KEY, records)


def test_a_disk_that_stays_full_does_not_end_the_server(new_server, small_disk, tmp_path):
    os.symlink(small_disk, tmp_path / "data0")
    server = slow_server(new_server)
    arn, _ = start_job(server, 160)
    wait_for_progress(server, arn)
    fill(small_disk)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        assert server.healthy() and answers(server)
        time.sleep(0.5)
    assert batch.state(server, arn)["status"] in ("InProgress", "Failed")
    batch.kill_all(server)                                  # also a crash on a full disk leaves a directory that can be used
    (small_disk / "ballast").unlink()
    server.start()
    job = batch.wait_for_end(server, arn)
    assert job["status"] in ("Completed", "Failed"), job
