"""The S3 door with boto3: objects, lists, parts, copies, conditions, presigned URLs, and what is asked of every bucket."""
import base64
import hashlib
import io
import os
import zlib

import boto3
import botocore
import botocore.exceptions
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from models import ECHO, user

AWKWARD_KEYS = ["plain", "with space", "a+b", "100%", "%2F", "ü/对不起/😀", "//double//", "dots/../and/./more", "trailing/", "q?x=1&y#z",
                "<xml>&\"quotes'", "tilde~star*(paren)!", "model/invoke", "_craton/health", "~", "=", "a" * 1024]


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


@pytest.fixture
def bucket(s3, request):
    """A bucket for one test."""
    name = "t-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:24]
    s3.create_bucket(Bucket=name)
    return name


def refused(call, **arguments):
    """(status, code) of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def keys(page):
    return [entry["Key"] for entry in page.get("Contents", [])]


# ---- buckets ----

def test_a_bucket_is_made_found_listed_and_removed(s3):
    s3.create_bucket(Bucket="made-and-removed")
    assert "made-and-removed" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="made-and-removed")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="made-and-removed")["LocationConstraint"] is None
    s3.put_object(Bucket="made-and-removed", Key="k", Body=b"")
    assert refused(s3.delete_bucket, Bucket="made-and-removed") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="made-and-removed", Key="k")
    s3.delete_bucket(Bucket="made-and-removed")
    assert refused(s3.head_bucket, Bucket="made-and-removed") == (404, "404")
    assert refused(s3.list_objects_v2, Bucket="made-and-removed") == (404, "NoSuchBucket")


def test_making_a_bucket_again_is_fine_in_us_east_1_alone(server, s3):
    s3.create_bucket(Bucket="again-us")
    s3.create_bucket(Bucket="again-us")
    env = server.environment()
    elsewhere = boto3.session.Session().client(
        "s3", endpoint_url=env["AWS_ENDPOINT_URL"], region_name="eu-west-1", aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"], config=Config(retries={"total_max_attempts": 1}))
    here = {"LocationConstraint": "eu-west-1"}
    elsewhere.create_bucket(Bucket="again-eu", CreateBucketConfiguration=here)
    assert refused(elsewhere.create_bucket, Bucket="again-eu", CreateBucketConfiguration=here) == (409, "BucketAlreadyOwnedByYou")
    assert elsewhere.get_bucket_location(Bucket="again-eu")["LocationConstraint"] == "eu-west-1"
    assert refused(elsewhere.create_bucket, Bucket="no-place") == (400, "IllegalLocationConstraintException")
    assert refused(elsewhere.create_bucket, Bucket="no-place", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"}) == \
        (400, "IllegalLocationConstraintException")


@pytest.mark.parametrize("name", ["ab", "Upper-Case", "under_score", "-begins", "192.168.0.1", ".craton"])
def test_names_that_are_none_are_refused(s3, name):
    assert refused(s3.create_bucket, Bucket=name)[0] in (400, 403)


def test_a_bucket_may_be_named_like_a_path_of_another_door(server, s3):
    s3.create_bucket(Bucket="model")
    s3.put_object(Bucket="model", Key=f"{ECHO}/converse", Body=b"an object")
    assert s3.get_object(Bucket="model", Key=f"{ECHO}/converse")["Body"].read() == b"an object"
    reply = server.client("bedrock-runtime").converse(modelId=ECHO, messages=user("Hello"))
    assert reply["output"]["message"]["content"]


# ---- objects ----

def test_keys_come_back_as_they_were_put(s3, bucket):
    for i, key in enumerate(AWKWARD_KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=str(i).encode())
    assert sorted(keys(s3.list_objects_v2(Bucket=bucket))) == sorted(AWKWARD_KEYS)
    assert sorted(keys(s3.list_objects(Bucket=bucket))) == sorted(AWKWARD_KEYS)
    for i, key in enumerate(AWKWARD_KEYS):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == str(i).encode(), key
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in AWKWARD_KEYS]})
    assert sorted(entry["Key"] for entry in done["Deleted"]) == sorted(AWKWARD_KEYS)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert refused(s3.put_object, Bucket=bucket, Key="a" * 1025, Body=b"") == (400, "KeyTooLongError")


def test_what_is_said_of_an_object_is_kept(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentType="text/x-test", CacheControl="max-age=5", Metadata={"Colour": "blue"},
                        ContentDisposition="attachment", ContentEncoding="identity", ContentLanguage="de", Tagging="a=1&b%20c=d%26e")
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    for found in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert (found["ContentType"], found["CacheControl"], found["ContentDisposition"]) == ("text/x-test", "max-age=5", "attachment")
        assert (found["ContentEncoding"], found["ContentLanguage"], found["Metadata"]) == ("identity", "de", {"colour": "blue"})
        assert found["ContentLength"] == 5 and found["ETag"] == put["ETag"]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": "d&e"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "<x>", "Value": ""}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "<x>", "Value": ""}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    overridden = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="text/plain", ResponseCacheControl="no-store")
    assert (overridden["ContentType"], overridden["CacheControl"]) == ("text/plain", "no-store")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"x": "y" * 2100}) == (400, "MetadataTooLarge")


def test_promises_that_cannot_be_kept_are_refused(s3, bucket):
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms") == (501, "NotImplemented")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read") == (400, "AccessControlListNotSupported")
    assert refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}) == (501, "NotImplemented")
    assert refused(s3.get_object, Bucket=bucket, Key="k", VersionId="abc")[0] == 404
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("wanted, status, content", [
    ("bytes=0-3", 206, b"0123"), ("bytes=5-", 206, b"56789"), ("bytes=-3", 206, b"789"), ("bytes=8-100", 206, b"89"), ("bytes=-100", 206, b"0123456789"),
    ("bytes=9-9", 206, b"9"), ("bytes=3-1", 200, b"0123456789"), ("items=0-1", 200, b"0123456789"), ("bytes=0-1,4-5", 200, b"0123456789")])
def test_ranges(s3, bucket, wanted, status, content):
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    found = s3.get_object(Bucket=bucket, Key="digits", Range=wanted)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == status
    assert found["Body"].read() == content
    assert s3.head_object(Bucket=bucket, Key="digits", Range=wanted)["ContentLength"] == len(content)
    if status == 206:
        assert found["ContentRange"].endswith("/10")


def test_a_range_beyond_the_end_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")
    assert refused(s3.get_object, Bucket=bucket, Key="digits", Range="bytes=10-") == (416, "InvalidRange")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert refused(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-0") == (416, "InvalidRange")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def test_conditions_on_reading(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=when)["Body"].read() == b"x"
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)[0] == 304
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=when)[0] == 304
    assert refused(s3.head_object, Bucket=bucket, Key="k", IfMatch='"other"')[0] == 412
    assert s3.get_object(Bucket=bucket, Key="k", IfNoneMatch='"other"')["Body"].read() == b"x"


def test_conditions_on_writing(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"') == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"


# ---- checksums ----

@pytest.mark.parametrize("algorithm, value", [
    ("CRC32", base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()),
    ("SHA1", base64.b64encode(hashlib.sha1(b"hello").digest()).decode()),
    ("SHA256", base64.b64encode(hashlib.sha256(b"hello").digest()).decode())])
def test_checksums_are_verified_kept_and_returned(s3, bucket, algorithm, value):
    member = f"Checksum{algorithm}"
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"hello", **{member: value})[member] == value
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[member] == value
    assert s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize"])["Checksum"][member] == value
    assert refused(s3.put_object, Bucket=bucket, Key="other", Body=b"hullo", **{member: value}) == (400, "BadDigest")
    assert refused(s3.head_object, Bucket=bucket, Key="other")[0] == 404


def test_content_md5_is_verified(s3, bucket):
    good, bad = (base64.b64encode(hashlib.md5(text).digest()).decode() for text in (b"hello", b"hullo"))
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentMD5=good)
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ContentMD5=bad) == (400, "BadDigest")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ContentMD5="nonsense") == (400, "InvalidDigest")


# ---- lists ----

def test_pages_and_common_prefixes(s3, bucket):
    wanted = [f"a/{i:03}" for i in range(25)] + ["b", "c/d/e", "c/f"]
    for key in wanted:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 7}))
        assert [key for page in pages for key in keys(page)] == wanted
        assert len(pages) == 4
        shallow = list(s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}))
        assert [p["Prefix"] for page in shallow for p in page.get("CommonPrefixes", [])] == ["a/", "c/"]
        assert [key for page in shallow for key in keys(page)] == ["b"]
    assert keys(s3.list_objects_v2(Bucket=bucket, Prefix="c/", Delimiter="/")) == ["c/f"]
    assert keys(s3.list_objects_v2(Bucket=bucket, StartAfter="b")) == ["c/d/e", "c/f"]
    assert "Owner" in s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert refused(s3.list_objects_v2, Bucket=bucket, ContinuationToken="!!") == (400, "InvalidArgument")
    versions = s3.list_object_versions(Bucket=bucket, Prefix="c/")["Versions"]
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in versions] == [("c/d/e", "null", True), ("c/f", "null", True)]


def test_deleting_is_effective_at_once_and_may_be_repeated(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for _ in range(2):
        s3.delete_object(Bucket=bucket, Key="k")
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "nobody"}], "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")


# ---- parts ----

def test_upload_and_download_in_parts(s3, bucket, tmp_path):
    content = os.urandom(17 * 1024 * 1024 + 5)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(str(source), bucket, "big file", ExtraArgs={"Metadata": {"m": "1"}, "ContentType": "x/y"}, Config=transfer)
    head = s3.head_object(Bucket=bucket, Key="big file", ChecksumMode="ENABLED")
    assert head["ContentLength"] == len(content) and head["ETag"].endswith('-4"') and head["Metadata"] == {"m": "1"}
    s3.download_file(bucket, "big file", str(target), Config=transfer)
    assert target.read_bytes() == content
    parts = s3.get_object_attributes(Bucket=bucket, Key="big file", ObjectAttributes=["ObjectParts"])
    assert parts["ObjectParts"]["TotalPartsCount"] == 4
    s3.copy({"Bucket": bucket, "Key": "big file"}, bucket, "copied in parts", Config=transfer)
    again = io.BytesIO()
    s3.download_fileobj(bucket, "copied in parts", again)
    assert again.getvalue() == content


def test_an_upload_by_hand(s3, bucket):
    upload = {"Bucket": bucket, "Key": "k/ü", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k/ü")["UploadId"]}
    first = s3.upload_part(**upload, PartNumber=1, Body=b"a" * (5 << 20))
    third = s3.upload_part(**upload, PartNumber=3, Body=b"tail")
    listed = s3.list_parts(**upload, MaxParts=1)
    assert (listed["Parts"][0]["ETag"], listed["IsTruncated"], listed["NextPartNumberMarker"]) == (first["ETag"], True, 1)
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k/ü"]
    parts = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 3, "ETag": third["ETag"]}]
    finish = s3.complete_multipart_upload
    assert refused(finish, **upload, MultipartUpload={"Parts": parts[::-1]}) == (400, "InvalidPartOrder")
    assert refused(finish, **upload, MultipartUpload={"Parts": [{"PartNumber": 2, "ETag": '"0"'}]}) == (400, "InvalidPart")
    finish(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k/ü", Range="bytes=-6")["Body"].read() == b"aatail"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_uploads_that_cannot_end_well(s3, bucket):
    upload = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    small = [s3.upload_part(**upload, PartNumber=n, Body=b"small") for n in (1, 2)]
    parts = [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate(small, 1)]
    assert refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}) == (400, "EntityTooSmall")
    assert refused(s3.upload_part, **upload, PartNumber=10001, Body=b"") == (400, "InvalidArgument")
    s3.abort_multipart_upload(**upload)
    assert refused(s3.list_parts, **upload) == (404, "NoSuchUpload")
    assert refused(s3.upload_part, **upload, PartNumber=1, Body=b"") == (404, "NoSuchUpload")
    assert refused(s3.head_object, Bucket=bucket, Key="k")[0] == 404


# ---- copies ----

def test_copies_keep_or_replace_what_is_said(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from/ü +%", Body=b"content", ContentType="x/y", Metadata={"a": "1"}, Tagging="t=1")
    source = {"Bucket": bucket, "Key": "from/ü +%"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    kept = s3.get_object(Bucket=bucket, Key="kept")
    assert (kept["Body"].read(), kept["ContentType"], kept["Metadata"], kept["TagCount"]) == (b"content", "x/y", {"a": "1"}, 1)
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="z/z",
                   TaggingDirective="REPLACE", Tagging="")
    replaced = s3.head_object(Bucket=bucket, Key="replaced")
    assert (replaced["ContentType"], replaced["Metadata"]) == ("z/z", {"b": "2"})
    assert s3.get_object_tagging(Bucket=bucket, Key="replaced")["TagSet"] == []
    assert refused(s3.copy_object, Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "kept"}) == (400, "InvalidRequest")
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "nobody"}) == (404, "NoSuchKey")
    assert refused(s3.copy_object, Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"0"') == (412, "PreconditionFailed")


# ---- presigned URLs ----

@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(server, bucket, version):
    client = server.client("s3", signature_version=version)
    where = {"Bucket": bucket, "Key": "a key/ü+"}
    assert httpx.put(client.generate_presigned_url("put_object", Params=where), content=b"by url").status_code == 200
    url = client.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "text/x"})
    reply = httpx.get(url)
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (200, b"by url", "text/x")
    assert httpx.get(url.replace("a%20key", "a%20kay")).status_code == 403
    assert "SignatureDoesNotMatch" in httpx.get(url + "&uploads").text or "SignatureDoesNotMatch" in httpx.get(url + "&acl").text
    assert httpx.head(url).status_code == 403


def test_a_presigned_url_of_an_unmodified_client(s3, bucket):
    """boto3 signs these in the old way in us-east-1."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "ContentType": "text/plain"})
    assert httpx.put(url, content=b"x", headers={"content-type": "text/plain"}).status_code == 200
    assert httpx.put(url, content=b"x", headers={"content-type": "text/html"}).status_code == 403
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


def test_a_presigned_url_ends(server, bucket):
    client = server.client("s3", signature_version="s3")
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=-10)
    reply = httpx.get(url)
    assert (reply.status_code, "Request has expired" in reply.text) == (403, True)


# ---- addressing ----

def test_a_bucket_in_the_host_name(server, bucket):
    client = server.client("s3", s3={"addressing_style": "virtual"})
    port = server.url.rsplit(":", 1)[1]
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "_craton/dir/a b"})
    assert f"{bucket}." not in url                          # an address has no subdomains: signed for a name below
    session = boto3.session.Session()
    env = server.environment()
    named = session.client("s3", endpoint_url=f"http://localhost:{port}", region_name=env["AWS_REGION"],
                           aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                           config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4"))
    for method, content in (("put_object", b"virtual"), ("get_object", None)):
        url = named.generate_presigned_url(method, Params={"Bucket": bucket, "Key": "_craton/dir/a b"})
        host = f"{bucket}.localhost:{port}"
        assert url.startswith(f"http://{host}/")
        reply = httpx.request("PUT" if content else "GET", url.replace(host, f"127.0.0.1:{port}"), content=content, headers={"host": host})
        assert reply.status_code == 200
    assert reply.content == b"virtual"


# ---- what is asked of every bucket ----

def test_reads_about_a_bucket_answer_as_for_a_private_one(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert refused(s3.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")
    assert refused(s3.get_bucket_cors, Bucket=bucket) == (404, "NoSuchCORSConfiguration")
    assert refused(s3.get_bucket_tagging, Bucket=bucket) == (404, "NoSuchTagSet")
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == (404, "NoSuchLifecycleConfiguration")
    assert refused(s3.get_bucket_policy, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == (501, "NotImplemented")
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")


def test_an_error_has_what_clients_look_for(s3, bucket):
    with pytest.raises(s3.exceptions.NoSuchKey) as caught:
        s3.get_object(Bucket=bucket, Key="no/ü")
    error = caught.value.response
    assert error["Error"]["Key"] == "no/ü" and error["ResponseMetadata"]["RequestId"] and error["ResponseMetadata"]["HostId"]
    assert refused(s3.head_object, Bucket=bucket, Key="nobody") == (404, "404")


def test_buckets_and_objects_outlive_the_server(new_server):
    server = new_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="k", Body=b"content", Metadata={"a": "b"})
    server.stop()
    server.start()
    found = server.client("s3").get_object(Bucket="kept", Key="k")
    assert (found["Body"].read(), found["Metadata"]) == (b"content", {"a": "b"})


def test_without_authentication_nothing_needs_to_be_signed(new_server):
    server = new_server(arguments=["--auth", "off"])
    anybody = boto3.session.Session().client("s3", endpoint_url=server.url, region_name="us-east-1",
                                             config=Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1}))
    anybody.create_bucket(Bucket="open")
    anybody.put_object(Bucket="open", Key="a b", Body=b"x")
    assert keys(anybody.list_objects_v2(Bucket="open")) == ["a b"]
    assert httpx.get(server.url + "/open/a%20b").content == b"x"
    anybody.delete_objects(Bucket="open", Delete={"Objects": [{"Key": "a b"}]})
    anybody.delete_bucket(Bucket="open")
    assert httpx.get(server.url + "/_craton/health").json() == {"status": "ok"}
    assert "modelSummaries" in httpx.get(server.url + "/foundation-models").json()
    assert httpx.get(server.url + "/").json()["tagline"]
