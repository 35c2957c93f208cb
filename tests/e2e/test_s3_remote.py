"""A bucket of another S3 behind the S3 door: a second Craton is that S3."""
import os

import pytest
from boto3.s3.transfer import TransferConfig

from harness import Server
from test_s3 import AWKWARD_KEYS, keys, refused


@pytest.fixture(scope="module")
def near(server, tmp_path_factory):
    """A server whose bucket `near` is the bucket `far` of the other."""
    env = server.environment()
    server.client("s3").create_bucket(Bucket="far")
    remote = {"bucket": "near", "endpoint": server.url, "access_key": env["AWS_ACCESS_KEY_ID"], "secret_key": env["AWS_SECRET_ACCESS_KEY"],
              "remote_bucket": "far"}
    with Server(tmp_path_factory.mktemp("near") / "data", {"objects": {"remotes": [remote]}}) as running:
        yield running


def test_objects_go_there_and_come_back(server, near):
    here, there = near.client("s3"), server.client("s3")
    assert "near" in [b["Name"] for b in here.list_buckets()["Buckets"]]
    for i, key in enumerate(AWKWARD_KEYS):
        here.put_object(Bucket="near", Key=key, Body=str(i).encode(), Metadata={"n": str(i)})
    assert sorted(keys(there.list_objects_v2(Bucket="far"))) == sorted(AWKWARD_KEYS)
    assert sorted(keys(here.list_objects_v2(Bucket="near"))) == sorted(AWKWARD_KEYS)
    for i, key in enumerate(AWKWARD_KEYS):
        found = here.get_object(Bucket="near", Key=key)
        assert (found["Body"].read(), found["Metadata"]) == (str(i).encode(), {"n": str(i)}), key
        here.delete_object(Bucket="near", Key=key)
    assert refused(here.get_object, Bucket="near", Key="plain") == (404, "NoSuchKey")


def test_large_objects_are_streamed(server, near, tmp_path):
    content = os.urandom(12 * 1024 * 1024 + 3)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    here = near.client("s3")
    here.upload_file(str(source), "near", "parts", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    here.put_object(Bucket="near", Key="whole", Body=content)
    for key in ("parts", "whole"):
        here.download_file("near", key, str(target))
        assert target.read_bytes() == content
        found = here.get_object(Bucket="near", Key=key)
        assert found["ContentLength"] == len(content) and found["Body"].read() == content
        part = here.get_object(Bucket="near", Key=key, Range="bytes=1000000-3999999")
        assert (part["ResponseMetadata"]["HTTPStatusCode"], part["Body"].read()) == (206, content[1000000:4000000])
        assert server.client("s3").head_object(Bucket="far", Key=key)["ContentLength"] == len(content)


def test_a_reader_that_goes_away_harms_nobody(near):
    here = near.client("s3")
    here.put_object(Bucket="near", Key="k", Body=bytes(8 << 20))
    for _ in range(5):
        body = here.get_object(Bucket="near", Key="k")["Body"]
        body.read(1000)
        body.close()
    assert here.head_object(Bucket="near", Key="k")["ContentLength"] == 8 << 20
