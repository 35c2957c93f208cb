"""What an operator sees: one log line a call, and metrics that Prometheus can read."""
import json
import re
import uuid

import httpx
import pytest
from botocore.exceptions import ClientError

from harness import wait_until
from models import ECHO, TEXT, user

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$")


@pytest.fixture(scope="module")
def bearer(server):
    return server.craton("keys", "create", "--bearer").stdout.strip()


def line_of(server, request_id):
    """The log line of one call; lines are written a moment after the answer."""
    def find():
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if request_id in line]
        return lines if lines else None
    line, = wait_until(find, 10, "the log line of the call")
    return line


def test_a_call_leaves_one_line_that_tells_all(server, runtime):
    reply = runtime.converse(modelId=TEXT, messages=user("Say hello."), inferenceConfig={"maxTokens": 8})
    line = line_of(server, reply["ResponseMetadata"]["RequestId"])
    usage = reply["usage"]
    assert (line["level"], line["message"], line["operation"], line["status"]) == ("info", "call", "Converse", 200)
    assert re.match(r"arn:aws:(iam|sts)::123456789012:", line["principal"])
    assert line["model"] == TEXT and re.fullmatch(r"smollm2-135m-instruct(; layout=\w+)?", line["servedBy"])
    counted = usage["inputTokens"] + usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    assert (line["inputTokens"], line["outputTokens"]) == (counted, usage["outputTokens"])
    assert 0 <= line["firstTokenMs"] <= line["durationMs"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", line["time"])


def test_a_stream_leaves_its_line_when_it_has_ended(server, runtime):
    reply = runtime.converse_stream(modelId=ECHO, messages=user("Hello"))
    list(reply["stream"])
    line = line_of(server, reply["ResponseMetadata"]["RequestId"])
    assert (line["operation"], line["servedBy"], line["status"]) == ("ConverseStream", ECHO, 200)
    assert line["outputTokens"] > 0


def test_a_refused_call_leaves_its_line_too(server, runtime):
    with pytest.raises(ClientError) as error:
        runtime.converse(modelId="nobody.no-such-model", messages=user("Hello"))
    line = line_of(server, error.value.response["ResponseMetadata"]["RequestId"])
    assert (line["status"], line["error"]) == (400, "ValidationException")
    assert "servedBy" not in line and "inputTokens" not in line


def test_the_layout_of_the_model_is_told(server, runtime):
    reply = runtime.converse(modelId=TEXT, messages=user("Hi"), inferenceConfig={"maxTokens": 1})
    line = line_of(server, reply["ResponseMetadata"]["RequestId"])
    assert line["servedBy"] == reply["ResponseMetadata"]["HTTPHeaders"]["x-craton-served-by"]


def test_neither_texts_nor_secrets_are_logged(server, runtime, bearer):
    word = uuid.uuid4().hex
    reply = runtime.converse(modelId=ECHO, messages=user(f"My word is {word}."))
    line_of(server, reply["ResponseMetadata"]["RequestId"])
    log = server.log.read_text()
    assert word not in log and bearer not in log and server.environment()["AWS_SECRET_ACCESS_KEY"] not in log


def parse(text):
    """{family: type} and {(sample, labels): value}, refusing what Prometheus would refuse."""
    types, samples = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name not in types and kind in ("counter", "gauge", "histogram", "summary", "untyped"), line
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            assert types.get(name) or types.get(family) == "histogram", f"{line} has no type"
            assert (name, labels) not in samples, f"{line} comes twice"
            samples[name, labels] = float(value)
    return types, samples


def test_metrics_are_valid_and_count_calls(server, runtime, bearer):
    def read():
        reply = httpx.get(server.url + "/_craton/metrics", headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
        assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        return parse(reply.text)

    def calls(samples):
        return sum(value for (name, labels), value in samples.items()
                   if types.get(name) == "counter" and 'operation="Converse"' in (labels or "") and '200' in labels)

    runtime.converse(modelId=ECHO, messages=user("Hello"))
    types, before = read()
    for _ in range(3):
        runtime.converse(modelId=ECHO, messages=user("Hello"))
    assert wait_until(lambda: calls(read()[1]) == calls(before) + 3, 10, "the calls to be counted")
    check_histograms(types, read()[1])


def check_histograms(types, samples):
    """Buckets grow, and the last one, +Inf, is the count."""
    series = {}
    for (name, labels), value in samples.items():
        if name.endswith("_bucket"):
            rest = re.sub(r',?le="[^"]*"', "", labels).strip(",")
            series.setdefault((name[:-len("_bucket")], rest), []).append((re.search(r'le="([^"]*)"', labels).group(1), value))
    assert series
    for (name, labels), buckets in series.items():
        assert types[name] == "histogram"
        values = [value for _, value in buckets]
        assert values == sorted(values) and buckets[-1][0] == "+Inf"
        assert samples[name + "_count", labels or None] == values[-1] and (name + "_sum", labels or None) in samples


def test_metrics_are_for_administrators(server):
    assert httpx.get(server.url + "/_craton/metrics", timeout=30).status_code in (401, 403)


def test_a_page_names_the_methods_that_it_takes(server, bearer):
    headers = {"Authorization": f"Bearer {bearer}"}
    for method, page, allowed in (("POST", "health", "GET, HEAD"), ("DELETE", "metrics", "GET, HEAD"), ("GET", "reload", "POST"),
                                  ("HEAD", "reload", "POST")):
        reply = httpx.request(method, f"{server.url}/_craton/{page}", headers=headers, timeout=30)
        assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert httpx.head(server.url + "/_craton/health", timeout=30).status_code == 200
