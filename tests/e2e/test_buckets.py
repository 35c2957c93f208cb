"""Buckets that lie elsewhere: on another Craton, reached as any S3 is, and in linked directories."""
import os

import pytest
from botocore.exceptions import ClientError

LARGE = 70 << 20                                            # more than goes in one request


def far_and_near(new_server):
    """Two servers: the bucket `reports` of the second is the bucket `far-reports` of the first."""
    far = new_server(name="far")
    there = far.client("s3")
    there.create_bucket(Bucket="far-reports")
    keys = far.environment()
    near = new_server(name="near", config={"objects": {"remotes": [{
        "bucket": "reports", "endpoint": keys["AWS_ENDPOINT_URL"], "region": keys["AWS_REGION"], "access_key": keys["AWS_ACCESS_KEY_ID"],
        "secret_key": keys["AWS_SECRET_ACCESS_KEY"], "remote_bucket": "far-reports"}]}})
    return far, there, near, near.client("s3")


def test_a_bucket_on_another_craton_is_used_as_if_it_were_here(new_server):
    far, there, near, here = far_and_near(new_server)
    here.put_object(Bucket="reports", Key="a b/ü+%.txt", Body=b"the text", ContentType="text/plain", Metadata={"colour": "red"},
                    CacheControl="no-store")
    seen = there.get_object(Bucket="far-reports", Key="a b/ü+%.txt")
    assert (seen["Body"].read(), seen["ContentType"], seen["Metadata"]) == (b"the text", "text/plain", {"colour": "red"})
    assert seen["CacheControl"] == "no-store"

    there.put_object(Bucket="far-reports", Key="a b/other", Body=b"0123456789")
    assert here.get_object(Bucket="reports", Key="a b/other", Range="bytes=3-5")["Body"].read() == b"345"
    assert here.head_object(Bucket="reports", Key="a b/ü+%.txt")["Metadata"] == {"colour": "red"}
    assert [o["Key"] for o in here.list_objects_v2(Bucket="reports")["Contents"]] == ["a b/other", "a b/ü+%.txt"]
    assert here.list_objects_v2(Bucket="reports", Delimiter="/")["CommonPrefixes"] == [{"Prefix": "a b/"}]

    here.delete_object(Bucket="reports", Key="a b/other")
    with pytest.raises(ClientError) as error:
        there.head_object(Bucket="far-reports", Key="a b/other")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as error:
        here.get_object(Bucket="reports", Key="nothing")
    assert error.value.response["Error"]["Code"] == "NoSuchKey"
    assert "remote" in near.craton("bucket", "list", *near.arguments).stdout


def test_pages_of_a_remote_bucket_give_everything_once(new_server):
    far, there, near, here = far_and_near(new_server)
    keys = sorted([f"d{d}/{f}" for d in range(4) for f in range(5)] + ["a", "z"])
    for key in keys:
        there.put_object(Bucket="far-reports", Key=key, Body=b"x")
    pages = here.get_paginator("list_objects_v2")
    found = [o["Key"] for page in pages.paginate(Bucket="reports", PaginationConfig={"PageSize": 3}) for o in page.get("Contents", [])]
    assert found == keys
    folded = [p["Prefix"] for page in pages.paginate(Bucket="reports", Delimiter="/", PaginationConfig={"PageSize": 2})
              for p in page.get("CommonPrefixes", [])]
    assert folded == ["d0/", "d1/", "d2/", "d3/"]


def test_large_objects_go_to_another_craton_in_parts(new_server):
    far, there, near, here = far_and_near(new_server)
    body = os.urandom(1 << 20) * (LARGE >> 20)
    here.put_object(Bucket="reports", Key="large", Body=body, Metadata={"a": "b"})
    seen = there.get_object(Bucket="far-reports", Key="large")
    assert seen["ETag"].strip('"').endswith("-2") and seen["Body"].read() == body
    assert here.get_object(Bucket="reports", Key="large")["Body"].read() == body


def test_uploads_in_parts_pass_through(new_server):
    far, there, near, here = far_and_near(new_server)
    upload = here.create_multipart_upload(Bucket="reports", Key="parts", ContentType="text/csv")["UploadId"]
    parts = []
    for number, size in ((1, 5 << 20), (2, 10)):
        etag = here.upload_part(Bucket="reports", Key="parts", UploadId=upload, PartNumber=number, Body=b"x" * size)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    assert [p["PartNumber"] for p in here.list_parts(Bucket="reports", Key="parts", UploadId=upload)["Parts"]] == [1, 2]
    here.complete_multipart_upload(Bucket="reports", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    seen = there.head_object(Bucket="far-reports", Key="parts")
    assert (seen["ContentLength"], seen["ContentType"]) == ((5 << 20) + 10, "text/csv")


def test_a_copy_goes_from_here_to_there_and_back(new_server):
    far, there, near, here = far_and_near(new_server)
    here.create_bucket(Bucket="local-one")
    here.put_object(Bucket="local-one", Key="k", Body=b"copied", Metadata={"a": "b"})
    here.copy_object(Bucket="reports", Key="k", CopySource={"Bucket": "local-one", "Key": "k"})
    assert there.get_object(Bucket="far-reports", Key="k")["Metadata"] == {"a": "b"}
    here.copy_object(Bucket="local-one", Key="back", CopySource={"Bucket": "reports", "Key": "k"})
    assert here.get_object(Bucket="local-one", Key="back")["Body"].read() == b"copied"


def test_a_remote_that_is_gone_or_refuses_us_is_told_apart(new_server):
    far, there, near, here = far_and_near(new_server)
    far.stop()
    with pytest.raises(ClientError) as error:
        here.get_object(Bucket="reports", Key="k")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert near.healthy()


def test_a_linked_directory_is_a_read_only_bucket(new_server, tmp_path):
    server = new_server()
    folder = tmp_path / "documents"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("the text")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to("../secret")
    server.craton("bucket", "link", "documents", folder)
    s3 = server.client("s3")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="documents")["Contents"]] == ["sub/a.txt"]
    assert s3.get_object(Bucket="documents", Key="sub/a.txt")["Body"].read() == b"the text"
    for key in ("link", "../secret", "sub/../../secret"):
        with pytest.raises(ClientError) as error:
            s3.get_object(Bucket="documents", Key=key)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
    with pytest.raises(ClientError):
        s3.put_object(Bucket="documents", Key="new", Body=b"x")
    again = server.craton("bucket", "link", "documents", folder, check=False)
    assert again.returncode == 1 and "already" in again.stderr
    server.craton("bucket", "unlink", "documents")
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket="documents")
    assert error.value.response["Error"]["Code"] == "NoSuchBucket"
    assert (folder / "sub" / "a.txt").exists()
