"""Measures Craton side by side with llama-server, in one run on one machine, and prints a table of figures and ratios.

    bench.py BUILD LLAMA_SERVER MODEL.gguf [calls] [tokens] [memory] [embeddings] [batch]

calls   signed calls per second on the scripted model, differently signed requests in turn
tokens  generated tokens per second: 512 shared and 64 own prompt tokens, 128 generated, 1 and 16 clients; llama-server has the same
        GGUF, the same library files and as many threads
memory  resident memory five seconds after a second start, and the time until the server is ready
embeddings  texts of 200 words through Elasticsearch's inference API: one by one, a thousand in one request, and a thousand whose
        vectors cost nothing (scripted), which is what the way there and back takes
batch   records per second of a batch job: 490 shared and 60 own words, 64 tokens generated; beside llama-server and our own runtime, each fed by
        16 clients; the time to a live call's first token while a job runs; a job of 100,000 records on the scripted model, and its memory

Nothing here asserts: the reader judges. Compare ratios; single figures vary with the machine.
"""
import concurrent.futures
import contextlib
import json
import os
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
os.environ["CRATON_BUILD"] = str(Path(sys.argv[1]).resolve())
from harness import Server, wait_until  # noqa: E402  (it reads CRATON_BUILD)

BUILD, LLAMA_SERVER, GGUF = (Path(argument).resolve() for argument in sys.argv[1:4])
WANTED = set(sys.argv[4:]) or {"calls", "tokens", "memory", "embeddings", "batch"}
DISTINCT_REQUESTS = 10_000
CALL_SECONDS = 8
THREADS = os.cpu_count()
CLIENTS = 16
GENERATED = 128

rows = []


def row(what, figure, unit, against=""):
    rows.append((what, figure, unit, against))
    print(f"  {what:<58} {figure:>12} {unit:<10} {against}", flush=True)


# ---- signed calls ----

def signed_requests(server, path):
    """Ten thousand Converse requests for the scripted model, each with another text and so another signature."""
    env = server.environment()
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    host = server.url.removeprefix("http://")
    url = f"{server.url}/model/craton.scripted-v1/converse"
    with path.open("wb") as out:
        for i in range(DISTINCT_REQUESTS):
            body = json.dumps({"messages": [{"role": "user", "content": [{"text": f"Say something about number {i}, please."}]}],
                               "inferenceConfig": {"maxTokens": 64}}).encode()
            request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json"})
            SigV4Auth(credentials, "bedrock", env["AWS_REGION"]).add_auth(request)
            lines = [f"POST /model/craton.scripted-v1/converse HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "content-length"]
            raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
            out.write(struct.pack("<I", len(raw)) + raw)


def bench_calls(tmp):
    load = tmp / "load"
    subprocess.run(["cc", "-O2", "-std=gnu11", "-D_GNU_SOURCE", "-o", load, Path(__file__).with_name("load.c")], check=True)
    with Server(tmp / "calls", config={"log": {"level": "warn"}}) as server:
        requests = tmp / "requests"
        signed_requests(server, requests)
        host, port = server.url.removeprefix("http://").split(":")
        for connections, others in ((1, (1600, 8000)), (16, (2200, 25000))):
            done = subprocess.run([load, host, port, str(connections), str(CALL_SECONDS), requests], check=True, capture_output=True,
                                  text=True)
            result = json.loads(done.stdout)
            row(f"signed Converse calls, scripted, {connections} connection(s)", f"{result['per_second']:,}", "calls/s",
                f"p50 {result['p50_ms']:.3f} ms, p99 {result['p99_ms']:.3f} ms; {result['per_second'] / others[0]:.1f} x MiniStack's recorded "
                f"{others[0]:,}, {result['per_second'] / others[1]:.1f} x fakecloud's {others[1]:,} (both unverified there)")


# ---- tokens ----

WORDS = ("time year people way day man thing woman life child world school state family student group country problem hand part place case "
         "week company system program question work government number night point home water room mother area money story fact month lot "
         "right study book eye job word business issue side kind head house service friend father power hour game line end member law car "
         "city community name president team minute idea body information back parent face others level office door health person art "
         "war history party result change morning reason research girl guy moment air teacher force education").split()


def text(seed, words):
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def run_clients(clients, ask, instruction, inputs):
    """Runs ask() for each client at once, with one instruction and an input of its own; returns generated tokens a second over everything."""
    def one(client):
        return ask(text(instruction, 490), text(1000 * inputs + client, 60) + ". Write a long story.")
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        tokens = sum(pool.map(one, range(clients)))
    return tokens / (time.monotonic() - begun)


def measure(ask):
    """Tokens a second by (clients, what is known): an instruction that the server has not seen, and the same again with other inputs.
    The median of three rounds; the model has been loaded before."""
    run_clients(1, ask, 1, 1)
    figures = {}
    for clients in (1, CLIENTS):
        new, known = [], []
        for round_ in range(3):
            instruction = 10 * clients + round_
            new.append(run_clients(clients, ask, instruction, 2 * instruction))
            known.append(run_clients(clients, ask, instruction, 2 * instruction + 1))
        figures[clients, "new instruction"] = statistics.median(new)
        figures[clients, "known instruction"] = statistics.median(known)
    return figures


@contextlib.contextmanager
def llama_server(tmp):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp / "llama-server.log").open("wb")
    process = subprocess.Popen([LLAMA_SERVER, "-m", GGUF, "-np", str(CLIENTS), "-c", str(CLIENTS * 1024), "-t", str(THREADS), "-tb",
                                str(THREADS), "--host", "127.0.0.1", "--port", str(port), "--no-ui"], stdout=log, stderr=log,
                               stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def ready():
        if process.poll() is not None:
            raise AssertionError(f"llama-server ended: {(tmp / 'llama-server.log').read_text()[-2000:]}")
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url + "/health").status_code == 200
    try:
        wait_until(ready, 120, "llama-server")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def ask_llama(url):
    client = httpx.Client(timeout=600, limits=httpx.Limits(max_connections=CLIENTS))

    def ask(instruction, own):
        reply = client.post(url + "/v1/chat/completions", json={
            "messages": [{"role": "system", "content": instruction}, {"role": "user", "content": own}],
            "max_tokens": GENERATED, "temperature": 0, "cache_prompt": True})
        reply.raise_for_status()
        return reply.json()["usage"]["completion_tokens"]
    return ask


def ask_craton(server, model):
    client = server.client(max_pool_connections=CLIENTS, read_timeout=600)

    def ask(instruction, own):
        reply = client.converse(modelId=model, system=[{"text": instruction}], messages=[{"role": "user", "content": [{"text": own}]}],
                                inferenceConfig={"maxTokens": GENERATED, "temperature": 0})
        return reply["usage"]["outputTokens"]
    return ask


def bench_tokens(tmp):
    with llama_server(tmp) as url:
        peer = measure(ask_llama(url))
    for (clients, known), figure in peer.items():
        row(f"llama-server -np {CLIENTS}, {clients} client(s), {known}", f"{figure:.1f}", "tokens/s")
    with Server(tmp / "tokens", config={"log": {"level": "warn"}}) as server:
        for layout, name in (("keep", "the same file"), ("auto", "--layout auto")):
            server.craton("models", "add", f"bench-{layout}", GGUF, "--layout", layout, timeout=900)
            for case, figure in measure(ask_craton(server, f"bench-{layout}")).items():
                row(f"craton, {name}, {case[0]} client(s), {case[1]}", f"{figure:.1f}", "tokens/s", f"{figure / peer[case]:.2f} x llama-server")
            server.craton("models", "remove", f"bench-{layout}")


# ---- memory and start ----

def bench_memory(tmp):
    ready = []
    server = Server(tmp / "memory")
    server.start()
    server.stop()
    for _ in range(5):
        begun = time.monotonic()
        server.start()
        ready.append((time.monotonic() - begun) * 1000)
        if len(ready) == 5:
            time.sleep(5)
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
            row("resident memory 5 s after the start, workers apart", f"{resident / 1024:.1f}", "MiB", "at most 15 wanted")
        server.stop()
    row("start until health answers (with the client's polling)", f"{statistics.median(ready):.0f}", "ms", "at most 50 wanted")


# ---- embeddings ----

TEXTS, ALONE = 1000, 60


def make_endpoint(server, client, name, model):
    env = server.environment()
    reply = client.put(f"/_inference/text_embedding/{name}", json={"service": "amazonbedrock", "service_settings": {
        "access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"], "region": "us-east-1",
        "provider": "amazontitan", "model": model, "rate_limit": {"requests_per_minute": 600000}}})
    reply.raise_for_status()


def embed_rate(client, name, requests):
    """Texts a second over requests, each a list of texts."""
    begun = time.monotonic()
    for texts in requests:
        reply = client.post(f"/_inference/text_embedding/{name}", json={"input": texts})
        reply.raise_for_status()
        assert len(reply.json()["text_embedding"]) == len(texts)
    return sum(map(len, requests)) / (time.monotonic() - begun)


def bench_embeddings(tmp):
    settings = {"log": {"level": "warn"}, "models": {"map": [{"ids": "amazon.titan-embed-text-v1", "model": "craton.scripted-v1"}]}}
    texts = [text(seed, 200) for seed in range(TEXTS)]
    with Server(tmp / "embeddings", config=settings) as server:
        env = server.environment()
        with httpx.Client(base_url=server.url, auth=(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]), timeout=900) as client:
            make_endpoint(server, client, "real", "amazon.titan-embed-text-v2:0")
            make_endpoint(server, client, "free", "amazon.titan-embed-text-v1")
            embed_rate(client, "real", [texts[:8]])
            alone = embed_rate(client, "real", [[one] for one in texts[:ALONE]])
            row("texts of 200 words embedded, one a request", f"{alone:.1f}", "texts/s")
            together = embed_rate(client, "real", [texts])
            row(f"the same, {TEXTS:,} in one request", f"{together:.1f}", "texts/s", f"{together / alone:.2f} x one by one, at least 3 wanted")
            free = embed_rate(client, "free", [texts])
            row(f"{TEXTS:,} in one request, scripted: the way alone", f"{free:,.0f}", "texts/s", f"{100 * together / free:.1f} % of the time")


# ---- batch ----

RECORDS, ANSWER, SCRIPTED_RECORDS, LIVE_CALLS = 96, 64, 100_000, 8
BUCKET = "bench"


def record_texts(instruction, count):
    """(instruction, own text) of each record: a new instruction, so that nobody has it computed already."""
    shared = text(instruction, 490)
    return [(shared, text(100_000 * instruction + i, 60) + ". Write a long story.") for i in range(count)]


def clients_rate(ask, records):
    """Records a second when so many clients put them one after the other."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda record: ask(*record), records))
    return len(records) / (time.monotonic() - begun)


def converse_body(instruction, own):
    return {"system": [{"text": instruction}], "messages": [{"role": "user", "content": [{"text": own}]}],
            "inferenceConfig": {"maxTokens": ANSWER, "temperature": 0}}


def start_job(server, model, bodies):
    """Puts a Converse job's records into the bucket, submits it and returns its ARN."""
    s3, bedrock = server.client("s3"), server.client("bedrock")
    s3.create_bucket(Bucket=BUCKET)
    lines = "".join(json.dumps({"modelInput": body}) + "\n" for body in bodies)
    s3.put_object(Bucket=BUCKET, Key="in.jsonl", Body=lines.encode())
    return bedrock.create_model_invocation_job(
        jobName="bench", roleArn="arn:aws:iam::123456789012:role/bench", modelId=model, modelInvocationType="Converse",
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"}})["jobArn"]


def job_rate(server, arn):
    """Waits for the end and returns records a second, from the submission on."""
    bedrock = server.client("bedrock")

    def ended():
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        return job if "endTime" in job else None
    job = wait_until(ended, 1800, "the job")
    assert job["status"] == "Completed" and job["errorRecordCount"] == 0, job
    return job["totalRecordCount"] / (job["endTime"] - job["submitTime"]).total_seconds()


def first_text_ms(server, model, instruction):
    """The median time to the first text of live calls, each with a text of its own."""
    client, times = server.client(), []
    for i in range(LIVE_CALLS):
        begun = time.monotonic()
        body = converse_body(text(instruction + i, 60), "Say something.")
        for event in client.converse_stream(modelId=model, **body)["stream"]:
            if "contentBlockDelta" in event:
                times.append((time.monotonic() - begun) * 1000)
                break
    return statistics.median(times)


def converse_short(runtime, model):
    def ask(instruction, own):
        return runtime.converse(modelId=model, **converse_body(instruction, own))
    return ask


def llama_short(url):
    client = httpx.Client(timeout=600, limits=httpx.Limits(max_connections=CLIENTS))

    def ask(instruction, own):
        reply = client.post(url + "/v1/chat/completions", json={
            "messages": [{"role": "system", "content": instruction}, {"role": "user", "content": own}],
            "max_tokens": ANSWER, "temperature": 0, "cache_prompt": True})
        reply.raise_for_status()
    return ask


def bench_batch_text(tmp):
    with llama_server(tmp) as url:
        ask = llama_short(url)
        ask(*record_texts(1, 1)[0])
        peer = clients_rate(ask, record_texts(2, RECORDS))
    row(f"llama-server -np {CLIENTS}, {CLIENTS} clients", f"{peer:.2f}", "records/s")
    with Server(tmp / "batch", config={"log": {"level": "warn"}}) as server:
        runtime = server.client(max_pool_connections=CLIENTS, read_timeout=600)
        for layout, name in (("keep", "the same file"), ("auto", "--layout auto")):
            model = f"bench-{layout}"
            server.craton("models", "add", model, GGUF, "--layout", layout, timeout=900)
            ask = converse_short(runtime, model)
            ask(*record_texts(1, 1)[0])
            live = clients_rate(ask, record_texts(3, RECORDS))
            row(f"craton, {name}, {CLIENTS} clients", f"{live:.2f}", "records/s", f"{live / peer:.2f} x llama-server")
            rate = job_rate(server, start_job(server, model, [converse_body(*record) for record in record_texts(4, RECORDS)]))
            row(f"craton, {name}, batch job", f"{rate:.2f}", "records/s", f"{rate / peer:.2f} x llama-server, at least 1.5 wanted with the same file")
        idle = first_text_ms(server, "bench-keep", 9000)
        arn = start_job(server, "bench-keep", [converse_body(*record) for record in record_texts(5, 4 * RECORDS)])
        wait_until(lambda: server.client("bedrock").get_model_invocation_job(jobIdentifier=arn)["processedRecordCount"], 300, "records")
        busy = first_text_ms(server, "bench-keep", 9500)
        server.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
        row("a live call's first text, server idle", f"{idle:.0f}", "ms")
        row("a live call's first text, under a batch job", f"{busy:.0f}", "ms", f"{busy / idle:.2f} x idle, at most 2 wanted")


def bench_batch_scripted(tmp):
    with Server(tmp / "scripted", config={"log": {"level": "warn"}}) as server:
        bodies = [converse_body("Answer.", f"Question {i}.") for i in range(SCRIPTED_RECORDS)]
        rate = job_rate(server, start_job(server, "craton.scripted-v1", bodies))
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        row(f"a job of {SCRIPTED_RECORDS:,} records, scripted", f"{rate:,.0f}", "records/s", f"peak memory of the server {peak / 1024:.0f} MiB")


def bench_batch(tmp):
    bench_batch_scripted(tmp)
    bench_batch_text(tmp)


def main():
    print(f"{os.cpu_count()} cores, {GGUF.name}, {time.strftime('%Y-%m-%d')}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, bench in (("calls", bench_calls), ("memory", bench_memory), ("embeddings", bench_embeddings), ("batch", bench_batch),
                            ("tokens", bench_tokens)):
            if name in WANTED:
                bench(Path(folder))


if __name__ == "__main__":
    main()
