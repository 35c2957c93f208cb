#!/usr/bin/env python3
"""Prints sigv4_vectors.json: requests that botocore signed, at a fixed time and with fixed keys.

    pip install botocore; tests/unit/aws/make_sigv4_vectors.py >tests/unit/aws/sigv4_vectors.json

Run it again when a newer botocore signs differently. Needs nothing but botocore; sends nothing.
"""
import datetime
import json
import sys
from unittest import mock
from urllib.parse import urlsplit

import botocore
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2025, 1, 2, 3, 4, 5)
KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjE+/=="
BASE = "http://127.0.0.1:4747"
BODY = '{"messages":[{"role":"user","content":[{"text":"Grüße"}]}]}'

REQUESTS = [
    ("converse", "bedrock", "POST", "/model/amazon.titan-text-express-v1%3A0/converse", BODY, {"Content-Type": "application/json"}, None),
    ("session token", "bedrock", "POST", "/model/m/invoke", BODY, {}, TOKEN),
    ("arn in the path", "bedrock", "POST",
     "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fabcdefghijkl/invoke", "{}", {}, None),
    ("query", "bedrock", "GET", "/foundation-models?byProvider=Amazon&byOutputModality=TEXT&x=a%20b%2Fc~&empty=", "", {}, None),
    ("dot segments", "bedrock", "GET", "/a/./b/../c//d/", "", {}, None),
    ("trailing slash", "bedrock", "PUT", "/agents/", "{}", {"Content-Type": "application/json"}, None),
    ("folded header", "bedrock", "POST", "/model/m/invoke", "{}", {"X-Amzn-Bedrock-Trace": "  ENABLED   FULL "}, None),
    ("s3 put", "s3", "PUT", "/bucket/a//b/../c%20d", "hello", {"Content-Type": "text/plain"}, None),
    ("s3 presigned", "s3?", "GET", "/bucket/key%20name?response-content-type=text%2Fplain", "", {}, None),
    ("presigned", "bedrock?", "GET", "/foundation-models?byProvider=Amazon", "", {}, TOKEN),
]


def signer(service, token):
    credentials = Credentials(KEY, SECRET, token)
    if service == "s3?":
        return S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=600)
    if service.endswith("?"):
        return SigV4QueryAuth(credentials, service[:-1], "us-east-1", expires=600)
    return (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, "us-east-1")


def vector(name, service, method, path, body, headers, token):
    request = AWSRequest(method=method, url=BASE + path, data=body.encode(), headers=dict(headers))
    request.context["payload_signing_enabled"] = True
    signer(service, token).add_auth(request)
    sent = request.prepare()
    url = urlsplit(sent.url)
    fields = [[key.lower(), value if isinstance(value, str) else value.decode()] for key, value in sent.headers.items()]
    return {"name": name, "by": f"botocore {botocore.__version__}", "service": service.rstrip("?"), "method": method,
            "path": url.path, "query": url.query, "authority": url.netloc, "headers": fields, "body": body,
            "key": KEY, "secret": SECRET, "now": "20250102T030405Z"}


def main():
    with mock.patch("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: NOW), \
         mock.patch("botocore.compat.get_current_datetime", lambda remove_tzinfo=True: NOW):
        vectors = [vector(*request) for request in REQUESTS]
    sys.stdout.write("[\n" + ",\n".join("  " + json.dumps(v, ensure_ascii=False) for v in vectors) + "\n]\n")


if __name__ == "__main__":
    main()
