"""The S3 door against requests that no client sends on purpose: every form of payload signed by hand, then bent."""
import base64
import datetime
import hashlib
import hmac
import zlib
from urllib.parse import quote, urlsplit

import httpx
import pytest

from raw import Connection

BUCKET = "hostile"
EMPTY = hashlib.sha256(b"").hexdigest()


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Signer:
    """Signature Version 4 for s3, with its chunks and trailers."""

    def __init__(self, server, now=None, region="us-east-1", service="s3", secret=None, key_id=None):
        env = server.environment()
        self.url = env["AWS_ENDPOINT_URL"]
        self.key_id = key_id or env["AWS_ACCESS_KEY_ID"]
        now = now or datetime.datetime.now(datetime.timezone.utc)
        self.stamp = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{region}/{service}/aws4_request"
        key = ("AWS4" + (secret or env["AWS_SECRET_ACCESS_KEY"])).encode()
        for part in self.scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.key = key
        self.previous = None

    def sign(self, *lines):
        return hmac.new(self.key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()

    def headers(self, method, path, payload, extra=None, query=""):
        headers = {"host": urlsplit(self.url).netloc, "x-amz-date": self.stamp, "x-amz-content-sha256": payload, **(extra or {})}
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, query, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, payload])
        self.previous = self.sign("AWS4-HMAC-SHA256", self.stamp, self.scope, sha(canonical.encode()))
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key_id}/{self.scope}, SignedHeaders={names}, Signature={self.previous}"
        return headers

    def chunk(self, data):
        self.previous = self.sign("AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, self.previous, EMPTY, sha(data))
        return f"{len(data):x};chunk-signature={self.previous}\r\n".encode() + (data + b"\r\n" if data else b"")

    def trailer(self, *lines):
        text = "".join(line + "\n" for line in lines)
        signature = self.sign("AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, self.previous, sha(text.encode()))
        return "".join(line + "\r\n" for line in lines).encode() + f"x-amz-trailer-signature:{signature}\r\n\r\n".encode()


@pytest.fixture(scope="module")
def s3(server):
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def code_of(reply):
    return reply.text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in reply.text else ""


def put(signer, payload, body, key="k", extra=None, sent=None):
    """The reply to PUT of this body, which may come in pieces (a generator: in HTTP chunks). sent: headers that are not signed."""
    path = f"/{BUCKET}/{quote(key)}"
    return httpx.put(signer.url + path, content=body, headers={**signer.headers("PUT", path, payload, extra), **(sent or {})}, timeout=30)


def assert_refused(reply, status, code):
    assert (reply.status_code, code_of(reply)) == (status, code), reply.text


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def absent(s3, key):
    return key not in [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


# ---- each form, as it should be ----

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def signed_body(signer, pieces, trailers=None):
    body = b"".join(signer.chunk(piece) for piece in pieces) + signer.chunk(b"")
    return body + (b"\r\n" if trailers is None else signer.trailer(*trailers))


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_signed_chunks(server, s3, size):
    content = bytes(i * 7 & 255 for i in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    pieces = [content[i:i + 65536] for i in range(0, size, 65536)]
    signer = Signer(server)
    headers = {"x-amz-decoded-content-length": str(size), "content-encoding": "aws-chunked,gzip"}
    path = f"/{BUCKET}/signed-{size}"
    head = signer.headers("PUT", path, SIGNED, headers)
    reply = httpx.put(signer.url + path, content=signed_body(signer, pieces), headers=head)
    assert reply.status_code == 200, reply.text
    found = s3.get_object(Bucket=BUCKET, Key=f"signed-{size}")
    assert found["Body"].read() == content and found["ContentEncoding"] == "gzip"


@pytest.mark.parametrize("http_chunks", [False, True])
def test_signed_chunks_with_a_signed_trailer(server, s3, http_chunks):
    content = b"content " * 20_000
    signer = Signer(server)
    extra = {"x-amz-decoded-content-length": str(len(content)), "x-amz-trailer": "x-amz-checksum-crc32"}
    path = f"/{BUCKET}/trailer"
    head = signer.headers("PUT", path, SIGNED_TRAILER, extra)
    body = signed_body(signer, [content[:100_000], content[100_000:]], [f"x-amz-checksum-crc32:{crc32(content)}"])
    reply = httpx.put(signer.url + path, content=(body[i:i + 1000] for i in range(0, len(body), 1000)) if http_chunks else body, headers=head)
    assert (reply.status_code, reply.headers["x-amz-checksum-crc32"]) == (200, crc32(content))
    assert s3.get_object(Bucket=BUCKET, Key="trailer")["Body"].read() == content


# ---- and bent ----

def bend_data(body):
    return body.replace(b"content", b"Content", 1)


def bend_signature(body):
    at = body.index(b"chunk-signature=") + 16
    return body[:at] + (b"0" if body[at:at + 1] != b"0" else b"1") + body[at + 1:]


def bend_order(body):
    first, second, rest = body.split(b"\r\n", 4)[:2], body.split(b"\r\n", 4)[2:4], body.split(b"\r\n", 4)[4]
    return b"\r\n".join([*second, *first, rest])


BENT = [
    (bend_data, 403, "SignatureDoesNotMatch"),
    (bend_signature, 403, "SignatureDoesNotMatch"),
    (bend_order, 403, "SignatureDoesNotMatch"),
    (lambda body: body.replace(b"chunk-signature=", b"chunk_signature=", 1), 400, "InvalidChunkSizeError"),
    (lambda body: b"zz" + body, 400, "InvalidChunkSizeError"),
    (lambda body: b"FFFFFFFFFFFFFFFFF" + body, 400, "InvalidChunkSizeError"),
    (lambda body: body[:-30], 400, "IncompleteBody"),
    (lambda body: body[:20], 400, "IncompleteBody"),
    (lambda body: b"", 400, "IncompleteBody"),
    (lambda body: body + b"more", 400, "InvalidChunkSizeError"),
    (lambda body: b"A" * 5000, 400, "InvalidChunkSizeError"),
]


@pytest.mark.parametrize("bend, status, code", BENT, ids=range(len(BENT)))
def test_bent_chunks_leave_nothing_behind(server, s3, bend, status, code):
    signer = Signer(server)
    pieces = [b"content one", b"content two"]
    extra = {"x-amz-decoded-content-length": str(sum(map(len, pieces)))}
    path = f"/{BUCKET}/bent"
    head = signer.headers("PUT", path, SIGNED, extra)
    assert_refused(httpx.put(signer.url + path, content=bend(signed_body(signer, pieces)), headers=head), status, code)
    assert absent(s3, "bent")


def test_chunks_without_signatures_do_not_pass_for_signed_ones(server, s3):
    reply = put(Signer(server), SIGNED, b"5\r\nhello\r\n0\r\n\r\n", "unsigned", {"x-amz-decoded-content-length": "5"})
    assert_refused(reply, 403, "SignatureDoesNotMatch")
    assert absent(s3, "unsigned")


@pytest.mark.parametrize("length", ["4", "6", "99999999999999", "-1", "x", ""])
def test_the_decoded_length_must_be_right(server, s3, length):
    body = f"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{crc32(b'hello')}\r\n\r\n".encode()
    extra = {"x-amz-decoded-content-length": length, "x-amz-trailer": "x-amz-checksum-crc32"}
    assert put(Signer(server), UNSIGNED_TRAILER, body, "length", extra).status_code == 400
    assert absent(s3, "length")
    assert put(Signer(server), UNSIGNED_TRAILER, body, "length", {**extra, "x-amz-decoded-content-length": "5"}).status_code == 200
    s3.delete_object(Bucket=BUCKET, Key="length")


@pytest.mark.parametrize("trailer, code", [
    (f"x-amz-checksum-crc32:{crc32(b'other')}\r\n", "BadDigest"), ("x-amz-checksum-crc32:\r\n", "MalformedTrailerError"),
    ("", "MalformedTrailerError"), ("x-amz-checksum-sha1:AAAA\r\n", "MalformedTrailerError"), ("nonsense\r\n", "InvalidChunkSizeError"),
    (f"x-amz-checksum-crc32:{crc32(b'hello')}\r\n" * 2, "MalformedTrailerError")])
def test_trailers_must_be_those_announced(server, s3, trailer, code):
    extra = {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"}
    body = f"5\r\nhello\r\n0\r\n{trailer}\r\n".encode()
    assert_refused(put(Signer(server), UNSIGNED_TRAILER, body, "t", extra), 400, code)
    assert absent(s3, "t")


def test_a_trailer_signature_that_is_wrong_or_left_out(server, s3):
    for bend in (lambda body: body[:-8] + b"0000\r\n\r\n", lambda body: body[:body.index(b"x-amz-trailer-signature")] + b"\r\n"):
        signer = Signer(server)
        head = signer.headers("PUT", f"/{BUCKET}/t", SIGNED_TRAILER, {"x-amz-decoded-content-length": "5", "x-amz-trailer": "x-amz-checksum-crc32"})
        body = signed_body(signer, [b"hello"], [f"x-amz-checksum-crc32:{crc32(b'hello')}"])
        assert_refused(httpx.put(f"{signer.url}/{BUCKET}/t", content=bend(body), headers=head), 403, "SignatureDoesNotMatch")
    assert absent(s3, "t")


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_the_body_must_have_the_hash_that_was_signed(server, s3, size):
    assert_refused(put(Signer(server), sha(b"other"), b"x" * size, "hash"), 400, "XAmzContentSHA256Mismatch")
    assert absent(s3, "hash")
    assert put(Signer(server), sha(b"x" * size), b"x" * size, "hash").status_code == 200
    assert put(Signer(server), "UNSIGNED-PAYLOAD", b"x" * size, "hash").status_code == 200
    s3.delete_object(Bucket=BUCKET, Key="hash")


@pytest.mark.parametrize("payload", ["", "NONSENSE", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "0" * 63, "g" * 64])
def test_forms_of_payload_that_are_none(server, s3, payload):
    assert put(Signer(server), payload, b"x", "form").status_code == 400
    assert absent(s3, "form")


# ---- who asks ----

def test_strangers_are_refused_before_their_body(server, s3):
    minutes = datetime.timedelta(minutes=20)
    now = datetime.datetime.now(datetime.timezone.utc)
    for signer, status, code in [
            (Signer(server, secret="wrong"), 403, "SignatureDoesNotMatch"), (Signer(server, key_id="AKIANOBODY"), 403, "InvalidAccessKeyId"),
            (Signer(server, now=now - minutes), 403, "RequestTimeTooSkewed"), (Signer(server, now=now + minutes), 403, "RequestTimeTooSkewed")]:
        assert_refused(put(signer, "UNSIGNED-PAYLOAD", b"x" * 100), status, code)
        assert_refused(put(signer, "UNSIGNED-PAYLOAD", b"", sent={"expect": "100-continue"}), status, code)
    env = server.environment()
    bent = Signer(server)
    headers = bent.headers("GET", "/", EMPTY)
    reply = httpx.get(env["AWS_ENDPOINT_URL"] + "/", headers={**headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert_refused(reply, 403, "SignatureDoesNotMatch")
    unsigned = httpx.get(env["AWS_ENDPOINT_URL"] + "/k", headers={"host": f"{BUCKET}.localhost"})
    assert_refused(unsigned, 403, "AccessDenied")
    assert "x-amz-request-id" in unsigned.headers


@pytest.mark.parametrize("authorization", ["AWS x", "AWS AKID:sig", "AWS AKID:ygXDQw2FIvMSLqqh0eM/J8tMuoE=",
                                           "AWS4-HMAC-SHA256 Credential=a/b/c/s3/d", "AWS4-HMAC-SHA256 Credential=a/20250102/us-east-1/s3/aws4_request"])
def test_malformed_authorizations(server, authorization):
    reply = httpx.get(server.url + "/", headers={"authorization": authorization})
    assert reply.status_code in (400, 403) and code_of(reply)


# ---- what is asked ----

BAD_XML = [b"", b"<Delete>", b"<Delete></Delete>", b"<Other/>", b"\xff", b"<a>" * 100, b"<Delete><Object><Key></Key></Object></Delete>",
           b"<!DOCTYPE a [<!ENTITY x 'y'>]><Delete><Object><Key>&x;</Key></Object></Delete>",
           b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>"]


@pytest.mark.parametrize("body", BAD_XML, ids=range(len(BAD_XML)))
def test_bad_xml_is_refused(s3, server, body):
    signer = Signer(server)
    for path, query in ((f"/{BUCKET}", "delete="), (f"/{BUCKET}/k", "uploadId=x"), (f"/{BUCKET}/k", "tagging=")):
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"")
        method = "PUT" if query == "tagging=" else "POST"
        reply = httpx.request(method, f"{server.url}{path}?{query}", content=body, headers=signer.headers(method, path, sha(body), query=query))
        assert_refused(reply, 400, "MalformedXML")


def test_odd_requests_get_an_answer(server, s3):
    signer = Signer(server)
    for method, path in [("POST", f"/{BUCKET}"), ("PATCH", f"/{BUCKET}/k"), ("DELETE", "/"), ("PUT", "/"), ("OPTIONS", f"/{BUCKET}/k")]:
        reply = httpx.request(method, server.url + path, headers=signer.headers(method, path, EMPTY))
        assert_refused(reply, 405, "MethodNotAllowed")
    for path in (f"/{BUCKET}/%zz", f"/{BUCKET}/%"):
        assert_refused(httpx.get(server.url + path, headers=signer.headers("GET", path, EMPTY)), 400, "InvalidURI")
    path = f"/{BUCKET}/k%00l"
    assert httpx.put(server.url + path, headers=signer.headers("PUT", path, EMPTY)).status_code in (200, 400)
    big = {f"x-amz-meta-{i}": "v" * 4000 for i in range(20)}
    reply = httpx.put(f"{server.url}/{BUCKET}/k", headers={**signer.headers("PUT", f"/{BUCKET}/k", EMPTY), **big})
    assert reply.status_code in (400, 431)


def test_a_body_that_is_too_large_is_refused_before_it_comes(server, s3):
    headers = {**Signer(server).headers("PUT", f"/{BUCKET}/k", "UNSIGNED-PAYLOAD"), "content-length": str(6 << 30), "expect": "100-continue"}
    with Connection(server.url) as connection:
        connection.send(f"PUT /{BUCKET}/k HTTP/1.1\r\n".encode() + b"".join(f"{n}: {v}\r\n".encode() for n, v in headers.items()) + b"\r\n")
        reply = connection.reply()
    assert reply.status == 400 and b"<Code>EntityTooLarge</Code>" in reply.body


def test_an_http2_client_is_served_as_well(server, s3):
    s3.put_object(Bucket=BUCKET, Key="h2", Body=b"h2" * 100_000, Metadata={"a": "b"})
    with httpx.Client(http1=False, http2=True) as client:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "h2"})
        reply = client.get(url)
    assert (reply.http_version, reply.status_code, reply.content, reply.headers["x-amz-meta-a"]) == ("HTTP/2", 200, b"h2" * 100_000, "b")
