"""kill -9 of server and workers at random instants of a batch job: no record is lost, none comes twice."""
import json

import pytest

import batch
from models import TEXT


def run_and_kill(server, records, kills, longest, seed, model=batch.SCRIPTED):
    """Jobs one after the other until the server has been killed so often; all of them must be whole. Returns how many there were."""
    source = batch.put_input(server, "crash-in", "records.jsonl", records)
    server.client("s3").create_bucket(Bucket="crash-out")
    jobs = [batch.submit(server, source, "s3://crash-out/", model=model, name="first")]
    for _ in batch.kill_at_random(server, kills, seed, longest):
        if batch.state(server, jobs[-1])["status"] in batch.ENDED:
            jobs.append(batch.submit(server, source, "s3://crash-out/", model=model, name=f"job-{len(jobs)}"))
    for arn in jobs:
        job = batch.wait_for_end(server, arn, 600)
        assert job["status"] == "Completed", job.get("message")
        output = batch.check_output(server, arn, "s3://crash-out/", "records.jsonl", records)
        failed = {each["recordId"] for each in output if "error" in each}
        assert failed == {json.loads(each)["recordId"] for each in records if model == batch.SCRIPTED and batch.BAD + '"}' in each}
    keys = [each["Key"] for each in server.client("s3").list_objects_v2(Bucket="crash-out").get("Contents", [])]
    assert sorted(keys) == sorted(f"{arn.rsplit('/', 1)[1]}/{name}" for arn in jobs for name in ("manifest.json.out", "records.jsonl.out"))
    return len(jobs)


def test_a_job_survives_kills_of_the_server(new_server):
    server = new_server(config=batch.scripted_config(latency_ms=100))
    run_and_kill(server, batch.lines(2000), kills=6, longest=0.8, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_job_of_2000_records_survives_50_kills(new_server, seed):
    server = new_server(config=batch.scripted_config(latency_ms=200))
    assert run_and_kill(server, batch.lines(2000), kills=50, longest=1.2, seed=seed) >= 1


@pytest.mark.slow
def test_a_job_on_a_real_model_survives_10_kills(new_server):
    server = new_server()
    records = batch.lines(300, text="Count on from", max_tokens=8)
    run_and_kill(server, records, kills=10, longest=8, seed=3, model=TEXT)
