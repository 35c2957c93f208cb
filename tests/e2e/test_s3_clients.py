"""The S3 door with the AWS CLI and the AWS SDK for JavaScript, unmodified, and with large bodies in flat memory."""
import base64
import hashlib
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from harness import SANITIZED, run_js

AWS = Path(sys.executable).with_name("aws")


def aws(server, *arguments, check=True, environment=None):
    done = subprocess.run([AWS, *map(str, arguments)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**server.shell(), **(environment or {})})
    assert not check or done.returncode == 0, done.stderr
    return done


def listed(server, where):
    return [line.split(maxsplit=3)[3] for line in aws(server, "s3", "ls", where, "--recursive").stdout.splitlines()]


def test_the_command_line_copies_lists_and_removes(server, tmp_path):
    small, big = tmp_path / "small file.txt", tmp_path / "big.bin"
    small.write_text("content")
    big.write_bytes(b"0123456789abcdef" * (1 << 20))
    aws(server, "s3", "mb", "s3://cli-copies")
    assert "cli-copies" in aws(server, "s3", "ls").stdout
    aws(server, "s3", "cp", small, "s3://cli-copies/dir/small file+ü.txt")
    aws(server, "s3", "cp", big, "s3://cli-copies/big.bin")
    assert listed(server, "s3://cli-copies/") == ["big.bin", "dir/small file+ü.txt"]
    assert "PRE dir/" in aws(server, "s3", "ls", "s3://cli-copies/").stdout
    aws(server, "s3", "cp", "s3://cli-copies/big.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == big.read_bytes()
    aws(server, "s3", "cp", "s3://cli-copies/big.bin", "s3://cli-copies/copied.bin")
    assert aws(server, "s3", "cp", "s3://cli-copies/dir/small file+ü.txt", "-").stdout == "content"
    aws(server, "s3", "mv", "s3://cli-copies/copied.bin", "s3://cli-copies/moved.bin")
    assert aws(server, "s3", "rb", "s3://cli-copies", check=False).returncode != 0
    aws(server, "s3", "rm", "s3://cli-copies/dir/", "--recursive")
    assert listed(server, "s3://cli-copies/") == ["big.bin", "moved.bin"]
    aws(server, "s3", "rb", "s3://cli-copies", "--force")
    assert "cli-copies" not in aws(server, "s3", "ls").stdout


def test_the_command_line_synchronises(server, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for name in ("a.txt", "deep/er/b.txt", "ü c.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    aws(server, "s3", "mb", "s3://cli-sync")
    aws(server, "s3", "sync", source, "s3://cli-sync/here")
    assert aws(server, "s3", "sync", source, "s3://cli-sync/here").stdout == ""
    (source / "a.txt").unlink()
    aws(server, "s3", "sync", source, "s3://cli-sync/here", "--delete")
    assert listed(server, "s3://cli-sync/") == ["here/deep/er/b.txt", "here/ü c.txt"]
    aws(server, "s3", "sync", "s3://cli-sync/here", target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*.txt")) == ["deep/er/b.txt", "ü c.txt"]


def test_the_command_line_speaks_the_api(server, tmp_path):
    body = tmp_path / "body"
    body.write_text("hello")
    aws(server, "s3api", "create-bucket", "--bucket", "cli-api")
    put = json.loads(aws(server, "s3api", "put-object", "--bucket", "cli-api", "--key", "k", "--body", body, "--metadata", "a=b").stdout)
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    head = json.loads(aws(server, "s3api", "head-object", "--bucket", "cli-api", "--key", "k").stdout)
    assert (head["ContentLength"], head["Metadata"]) == (5, {"a": "b"})
    page = json.loads(aws(server, "s3api", "list-objects-v2", "--bucket", "cli-api").stdout)
    assert [entry["Key"] for entry in page["Contents"]] == ["k"]
    missing = aws(server, "s3api", "get-object", "--bucket", "cli-api", "--key", "nobody", tmp_path / "out", check=False)
    assert "NoSuchKey" in missing.stderr
    url = aws(server, "s3", "presign", "s3://cli-api/k").stdout.strip()
    fetched = subprocess.run(["curl", "-sS", url], capture_output=True, text=True, timeout=60, check=True)
    assert fetched.stdout == "hello"
    wrong = aws(server, "s3", "ls", check=False, environment={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert "SignatureDoesNotMatch" in wrong.stderr
    unknown = aws(server, "s3", "ls", check=False, environment={"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"})
    assert "InvalidAccessKeyId" in unknown.stderr


def test_the_javascript_sdk(server, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 3_000_000)
    result = run_js(server, "s3.js", "js-bucket", str(file))
    sha = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()
    assert result == {"etag": '"5d41402abc4b2a76b9719d911017c592"', "text": "hello", "stream": "one two three", "fileBytes": 3_000_000,
                      "url": 200, "byUrl": "from fetch", "missing": "NoSuchKey", "sha": sha,
                      "keys": ["by url", "file", "sha", "stream", "text/ü +"]}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_boto3_over_tls_sends_trailing_checksums(new_server):
    server = new_server(arguments=["--tls", "self-signed"])
    env, seen = server.environment(), []
    s3 = boto3.session.Session().client(
        "s3", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"], aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"], config=Config(retries={"total_max_attempts": 1}), verify=False)
    s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.headers))
    s3.create_bucket(Bucket="over-tls")
    s3.put_object(Bucket="over-tls", Key="k", Body=io.BytesIO(b"stream" * 300_000))
    assert seen[-1]["X-Amz-Content-SHA256"] == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    found = s3.get_object(Bucket="over-tls", Key="k", ChecksumMode="ENABLED")
    assert found["Body"].read() == b"stream" * 300_000 and found["ChecksumCRC32"]
    assert "ContentEncoding" not in found


class Zeros(io.RawIOBase):
    """A stream of so many zeros that needs no memory."""

    def __init__(self, size):
        self.size, self.at = size, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def readinto(self, buffer):
        count = min(len(buffer), self.size - self.at)
        buffer[:count] = bytes(count)
        self.at += count
        return count


def peak_kib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes memory of its own")
def test_a_large_object_needs_no_more_memory_than_a_small_one(new_server):
    """200 MB in, in one body, and out again, with the peak of the server's memory watched."""
    server = new_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="large")
    s3.put_object(Bucket="large", Key="small", Body=b"x" * 2_000_000)
    s3.get_object(Bucket="large", Key="small")["Body"].read()
    before = peak_kib(server)
    s3.put_object(Bucket="large", Key="k", Body=Zeros(200_000_000))
    body = s3.get_object(Bucket="large", Key="k")["Body"]
    assert sum(len(chunk) for chunk in body.iter_chunks(1 << 20)) == 200_000_000
    assert peak_kib(server) - before < 16 * 1024


def test_many_downloads_at_once(server):
    content = bytes(range(256)) * 8192
    s3 = server.client("s3", max_pool_connections=32)
    s3.create_bucket(Bucket="many-readers")
    s3.put_object(Bucket="many-readers", Key="k", Body=content)
    with ThreadPoolExecutor(32) as pool:
        bodies = pool.map(lambda _: s3.get_object(Bucket="many-readers", Key="k")["Body"].read(), range(96))
        assert all(body == content for body in bodies)
