"""kill -9 of server and workers at random instants of a batch job: no record is lost, none comes twice."""
import json

import pytest

import batch
from harness import wait_until
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
def test_a_folder_of_files_over_several_windows_survives_30_kills(new_server):
    server = new_server(config=batch.scripted_config())
    files = {f"part-{number}.jsonl": batch.lines(3000, first=3000 * number) for number in range(3)}
    for name, records in files.items():
        batch.put_input(server, "crash-in", f"folder/{name}", records)
    server.client("s3").create_bucket(Bucket="crash-out")
    jobs = []
    for _ in batch.kill_at_random(server, 30, seed=4, longest=0.7):
        if not jobs or batch.state(server, jobs[-1])["status"] in batch.ENDED:
            jobs.append(batch.submit(server, "s3://crash-in/folder/", "s3://crash-out/", name=f"job-{len(jobs)}"))
    for arn in jobs:
        assert batch.wait_for_end(server, arn, 300)["status"] == "Completed"
        folder = batch.folder_of(arn, "s3://crash-out/")
        output = [each for name, records in files.items() for each in batch.check_file(server, f"{folder}/{name}.out", records)]
        batch.check_counts(server, arn, folder, output, 9000)


def test_a_job_that_is_killed_while_it_stops_keeps_what_it_has_done(new_server):
    server = new_server(config=batch.scripted_config(latency_ms=200, in_flight=32))
    records = batch.lines(2000)
    source = batch.put_input(server, "crash-in", "records.jsonl", records)
    server.client("s3").create_bucket(Bucket="crash-out")
    arn = batch.submit(server, source, "s3://crash-out/")
    wait_until(lambda: batch.state(server, arn).get("processedRecordCount", 0) > 100, 30, "some records")
    server.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    for _ in batch.kill_at_random(server, 3, seed=5, longest=0.05):
        assert batch.state(server, arn)["status"] in ("Stopping", "Stopped")
    assert batch.wait_for_end(server, arn)["status"] == "Stopped"
    folder = batch.folder_of(arn, "s3://crash-out/")
    ids = [json.loads(each)["recordId"] for each in batch.read(server, f"{folder}/records.jsonl.out").splitlines()]
    done = [each for each in records if json.loads(each)["recordId"] in set(ids)]
    assert 100 < len(done) < len(records)
    batch.check_counts(server, arn, folder, batch.check_file(server, f"{folder}/records.jsonl.out", done), len(records))


@pytest.mark.slow
def test_a_job_on_a_real_model_survives_10_kills(new_server):
    server = new_server()
    records = batch.lines(300, text="Count on from", max_tokens=8)
    run_and_kill(server, records, kills=10, longest=8, seed=3, model=TEXT)
