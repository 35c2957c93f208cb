"""What runs a declarative case of tests/cases: sends the request, compares the reply. tests/cases/README.md has the format."""
import base64
import datetime
import json
import re
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import httpcore
import yaml
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer

PROTOCOLS = ("http1", "h2")
REQUEST_KEYS = {"method", "path", "headers", "json", "body", "body_base64", "repeat"}
SIGN_KEYS = {"with", "service", "region", "access_key", "secret_key", "skew", "tamper"}
EXPECT_KEYS = {"status", "headers", "no_headers", "json", "no_members", "body", "body_matches", "events"}


def load(path):
    """The cases of one file. Unknown keys are an error: a case that is misspelt must not pass."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for case in document["cases"]:
        for key, allowed in (("request", REQUEST_KEYS), ("sign", SIGN_KEYS), ("expect", EXPECT_KEYS)):
            value = case.get(key, {})
            unknown = set(value) - allowed if isinstance(value, dict) else set()
            assert not unknown, f"{path.name}: {case['name']}: {key} has no key {sorted(unknown)}"
        unknown = set(case) - {"name", "request", "sign", "expect", "over"}
        assert not unknown, f"{path.name}: {case['name']}: a case has no key {sorted(unknown)}"
    return document


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in response.headers]
        self.body = response.content

    def header(self, name):
        return next((value for key, value in self.headers if key == name.lower()), None)


# ---- the request --------------------------------------------------------------------------------------------------

def body_of(request):
    if "json" in request:
        body = json.dumps(request["json"], ensure_ascii=False).encode()
    elif "body_base64" in request:
        body = base64.b64decode(request["body_base64"])
    else:
        body = request.get("body", "").encode()
    return body * request.get("repeat", 1)


def signed_headers(url, method, headers, body, sign, environment):
    """The path and headers to send, signed as the case asks: with `sigv4` (default), `query`, `bearer` or `none`."""
    way = sign.get("with", "sigv4")
    target = url
    if way == "bearer":
        headers = {**headers, "Authorization": "Bearer " + environment["bearer"]}
    elif way in ("sigv4", "query"):
        credentials = Credentials(sign.get("access_key", environment["AWS_ACCESS_KEY_ID"]),
                                  sign.get("secret_key", environment["AWS_SECRET_ACCESS_KEY"]))
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        signer_class = SigV4QueryAuth if way == "query" else SigV4Auth
        signer = signer_class(credentials, sign.get("service", "bedrock"), sign.get("region", environment["AWS_REGION"]))
        sign_at(signer, request, sign.get("skew", 0))
        headers, target = dict(request.headers.items()), request.url
    elif way != "none":
        raise AssertionError(f"no such way to sign: {way}")
    for name, value in sign.get("tamper", {}).items():
        headers[name] = value
    parts = urlsplit(target)
    return parts.path + ("?" + parts.query if parts.query else ""), headers


def sign_at(signer, request, skew):
    """Signs as at a time that many seconds from now."""
    now = botocore.auth.get_current_datetime
    with mock.patch("botocore.auth.get_current_datetime", lambda *args: now(*args) + datetime.timedelta(seconds=skew)):
        signer.add_auth(request)


def send(case, protocol, environment):
    """Sends the request of a case over http1 or h2 (prior knowledge) and reads the whole reply."""
    request = case["request"]
    sign = case.get("sign", {})
    sign = {"with": sign} if isinstance(sign, str) else sign
    method, body = request.get("method", "POST"), body_of(request)
    base = environment["AWS_ENDPOINT_URL"]
    headers = {name: str(value) for name, value in request.get("headers", {}).items()}
    if "json" in request:
        headers.setdefault("Content-Type", "application/json")
    target, headers = signed_headers(base + request["path"], method, headers, body, sign, environment)
    parts = urlsplit(base)
    headers["Host"] = parts.netloc
    if body or method in ("POST", "PUT"):
        headers.setdefault("Content-Length", str(len(body)))
    url = httpcore.URL(scheme=parts.scheme.encode(), host=parts.hostname.encode(), port=parts.port, target=target.encode())
    with httpcore.ConnectionPool(http1=protocol == "http1", http2=protocol == "h2") as pool:
        return Reply(pool.request(method, url, headers=[(n.encode(), v.encode()) for n, v in headers.items()], content=body,
                                  extensions={"timeout": {"connect": 10, "read": 120, "write": 30, "pool": 10}}))


# ---- the reply ----------------------------------------------------------------------------------------------------

def mismatch(expected, actual, where="$"):
    """None when actual has all that is expected, else a sentence. Objects may have more members; "~RE" is a pattern."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{where}: expected an object, got {actual!r}"
        for key, value in expected.items():
            if key not in actual:
                return f"{where}.{key} is missing; members: {sorted(actual)}"
            problem = mismatch(value, actual[key], f"{where}.{key}")
            if problem:
                return problem
        return None
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"{where}: expected {len(expected)} elements, got {actual!r}"
        return next(filter(None, (mismatch(e, a, f"{where}[{i}]") for i, (e, a) in enumerate(zip(expected, actual)))), None)
    if isinstance(expected, str) and expected.startswith("~"):
        return None if isinstance(actual, str) and re.search(expected[1:], actual, re.S) else \
            f"{where}: {actual!r} does not match {expected[1:]!r}"
    same = expected == actual and isinstance(expected, bool) == isinstance(actual, bool)
    return None if same else f"{where}: expected {expected!r}, got {actual!r}"


def events_of(body):
    """The frames of an event-stream body as {type, json}; botocore checks lengths and checksums."""
    stream = EventStreamBuffer()
    stream.add_data(body)
    events = []
    for event in stream:
        kind = event.headers.get(":event-type") or event.headers.get(":exception-type")
        payload = json.loads(event.payload) if event.payload else {}
        if "bytes" in payload:
            payload["bytes"] = json.loads(base64.b64decode(payload["bytes"]))
        events.append({"type": kind, "json": payload})
    return events


def events_mismatch(expected, body):
    """Expected events in order. {type: T, many: true} stands for one or more of T in a row."""
    actual = events_of(body)
    position = 0
    for number, want in enumerate(expected):
        pattern = {key: value for key, value in want.items() if key != "many"}
        problem = mismatch(pattern, actual[position], f"event {number}") if position < len(actual) else f"event {number} is missing"
        if problem:
            return f"{problem}; events: {[event['type'] for event in actual]}"
        position += 1
        while want.get("many") and position < len(actual) and mismatch(pattern, actual[position]) is None:
            position += 1
    return None if position == len(actual) else f"more events than expected: {actual[position:]}"


def problems(expect, reply):
    """Every way in which the reply is not what the case expects."""
    found = []
    if reply.status != expect["status"]:
        found.append(f"status {reply.status}, expected {expect['status']}")
    for name, value in expect.get("headers", {}).items():
        problem = mismatch(str(value), reply.header(name), f"header {name}")
        found += [problem] if problem else []
    found += [f"header {name} is there" for name in expect.get("no_headers", ()) if reply.header(name) is not None]
    if "json" in expect or "no_members" in expect:
        document = json.loads(reply.body)
        problem = mismatch(expect.get("json", {}), document)
        found += [problem] if problem else []
        found += [f"member {name} is there" for name in expect.get("no_members", ()) if name in document]
    if "body" in expect and reply.body != expect["body"].encode():
        found.append(f"body {reply.body[:500]!r}")
    if "body_matches" in expect and not re.search(expect["body_matches"], reply.body.decode("utf-8", "replace"), re.S):
        found.append(f"body {reply.body[:500]!r} does not match {expect['body_matches']!r}")
    if "events" in expect:
        problem = events_mismatch(expect["events"], reply.body)
        found += [problem] if problem else []
    return found + ([f"body: {reply.body[:1000]!r}"] if found else [])
