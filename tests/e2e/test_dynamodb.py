"""A pipeline's table through unmodified DynamoDB clients, and the services that say who asks, or that they are not there."""
import json
import subprocess
import sys
from pathlib import Path

import boto3
import httpx
import pytest
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from harness import Server, wait_until

SCRIPTED = "anthropic.claude-3-sonnet-20240229-v1:0"
BUCKET = "br-batch-inference-123456789012-us-east-1"
CONFIG = """
models:
  map:
    - {ids: anthropic.claude-3-sonnet-20240229-v1:0, model: craton.scripted-v1}
scripted:
  rules:
    - match: {text: capital of France}
      text: The capital of France is Paris.
"""
GOOD, BAD = 7, 3


def aws(server, *arguments):
    done = subprocess.run([Path(sys.executable).with_name("aws"), *arguments, "--output", "json"], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=server.shell())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lines(count):
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": [{"role": "user", "content": "The capital of France?"}]}
    return "".join(json.dumps({"recordId": f"record{i:05d}", "modelInput": body}) + "\n" for i in range(count))


@pytest.fixture(scope="module")
def piped(tmp_path_factory):
    """A server whose pipeline has seen seven good files and three that are no JSON."""
    with Server(tmp_path_factory.mktemp("piped") / "data", CONFIG) as server:
        server.craton("pipeline", "create", "nightly", "--model-id", SCRIPTED)
        s3 = server.client("s3")
        for i in range(GOOD):
            s3.put_object(Bucket=BUCKET, Key=f"to-process/good-{i}.jsonl", Body=lines(i + 1))
        for i in range(BAD):
            s3.put_object(Bucket=BUCKET, Key=f"to-process/bad-{i}.jsonl", Body="no JSON at all\n")
        dynamodb = server.client("dynamodb")
        table = dynamodb.list_tables()["TableNames"][0]

        def ended():
            items = dynamodb.scan(TableName=table)["Items"]
            return len(items) == GOOD + BAD and all("FinishedAt" in item for item in items)
        wait_until(ended, 120, "all files to be processed")
        yield server


@pytest.fixture(scope="module")
def dynamodb(piped):
    return piped.client("dynamodb")


@pytest.fixture(scope="module")
def table(piped):
    env = piped.environment()
    resource = boto3.resource("dynamodb", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"],
                              aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])
    return next(iter(resource.tables.all()))


def refused(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


# ---- reading ----

def test_the_table_is_described(dynamodb, table):
    described = dynamodb.describe_table(TableName=table.name)["Table"]
    assert described["TableName"].startswith("nightly-DynamoDBTable-") and described["TableStatus"] == "ACTIVE"
    assert described["KeySchema"] == [{"AttributeName": "JobId", "KeyType": "HASH"}]
    assert described["ItemCount"] == GOOD + BAD and described["TableSizeBytes"] > 0
    index, = described["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "Status-index" and [key["AttributeName"] for key in index["KeySchema"]] == ["Status", "CreatedAt"]
    assert table.item_count == GOOD + BAD and table.key_schema[0]["AttributeName"] == "JobId"
    dynamodb.get_waiter("table_exists").wait(TableName=table.name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


def test_numbers_are_numbers_and_what_is_absent_is_absent(dynamodb, table):
    items = dynamodb.scan(TableName=table.name)["Items"]
    good = [item for item in items if item["Status"]["S"] == "Completed"]
    bad = [item for item in items if item["Status"]["S"] == "Failed"]
    assert (len(good), len(bad)) == (GOOD, BAD)
    assert sorted(int(item["TotalRecordCount"]["N"]) for item in good) == list(range(1, GOOD + 1))
    assert all("ErrorMessage" not in item and item["InputUri"]["S"].startswith(f"s3://{BUCKET}/to-process/") for item in good)
    assert all(item["ErrorMessage"]["S"] and int(item["Attempts"]["N"]) >= 1 for item in bad)


def test_the_resource_takes_conditions(table):
    found = table.scan(FilterExpression=Attr("Status").eq("Completed") & Attr("TotalRecordCount").between(3, 5))
    assert sorted(item["TotalRecordCount"] for item in found["Items"]) == [3, 4, 5]
    assert (found["Count"], found["ScannedCount"]) == (3, GOOD + BAD)
    found = table.scan(FilterExpression=~Attr("ErrorMessage").exists() & Attr("InputUri").contains("good-0"), ProjectionExpression="JobId, #s",
                       ExpressionAttributeNames={"#s": "Status"})
    assert [set(item) for item in found["Items"]] == [{"JobId", "Status"}]
    found = table.scan(FilterExpression=Attr("Status").is_in(["Failed", "Stopped"]) | Attr("TotalRecordCount").eq(1), Select="COUNT")
    assert found["Count"] == BAD + 1 and "Items" not in found


def test_the_index_is_queried_by_time(table):
    found = table.query(IndexName="Status-index", KeyConditionExpression=Key("Status").eq("Completed"))["Items"]
    times = [item["CreatedAt"] for item in found]
    assert len(times) == GOOD and times == sorted(times)
    back = table.query(IndexName="Status-index", KeyConditionExpression=Key("Status").eq("Completed"), ScanIndexForward=False)["Items"]
    assert [item["CreatedAt"] for item in back] == times[::-1]
    since = table.query(IndexName="Status-index", KeyConditionExpression=Key("Status").eq("Completed") & Key("CreatedAt").gte(times[4]))
    assert since["Count"] == sum(time >= times[4] for time in times)
    within = table.query(IndexName="Status-index",
                         KeyConditionExpression=Key("Status").eq("Completed") & Key("CreatedAt").between(times[1], times[3]))
    assert within["Count"] == sum(times[1] <= time <= times[3] for time in times)


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_pages_hold_every_item_once(dynamodb, table, limit):
    pages = list(dynamodb.get_paginator("scan").paginate(TableName=table.name, PaginationConfig={"PageSize": limit}))
    ids = [item["JobId"]["S"] for page in pages for item in page["Items"]]
    assert len(ids) == len(set(ids)) == GOOD + BAD
    assert all(page["ScannedCount"] <= limit for page in pages)
    query = {"TableName": table.name, "IndexName": "Status-index", "KeyConditionExpression": "#s = :s",
             "ExpressionAttributeNames": {"#s": "Status"}, "ExpressionAttributeValues": {":s": {"S": "Completed"}}}
    for forward in (True, False):
        pages = dynamodb.get_paginator("query").paginate(**query, ScanIndexForward=forward, PaginationConfig={"PageSize": limit})
        ids = [item["JobId"]["S"] for page in pages for item in page["Items"]]
        assert len(ids) == len(set(ids)) == GOOD


def test_items_are_got_by_key(dynamodb, table):
    items = table.scan()["Items"]
    assert table.get_item(Key={"JobId": items[0]["JobId"]})["Item"] == items[0]
    assert "Item" not in table.get_item(Key={"JobId": "nobody"})
    batch = dynamodb.batch_get_item(RequestItems={table.name: {"Keys": [{"JobId": {"S": item["JobId"]}} for item in items]}})
    assert len(batch["Responses"][table.name]) == GOOD + BAD and batch["UnprocessedKeys"] == {}


def test_the_command_line_of_aws_reads_the_table(piped, table):
    assert aws(piped, "dynamodb", "list-tables")["TableNames"] == [table.name]
    assert aws(piped, "dynamodb", "describe-table", "--table-name", table.name)["Table"]["TableStatus"] == "ACTIVE"
    found = aws(piped, "dynamodb", "scan", "--table-name", table.name, "--filter-expression", "#s = :s", "--expression-attribute-names",
                '{"#s":"Status"}', "--expression-attribute-values", '{":s":{"S":"Failed"}}')
    assert found["Count"] == BAD
    found = aws(piped, "dynamodb", "query", "--table-name", table.name, "--index-name", "Status-index", "--key-condition-expression", "#s = :s",
                "--expression-attribute-names", '{"#s":"Status"}', "--expression-attribute-values", '{":s":{"S":"Completed"}}')
    assert found["Count"] == GOOD
    item = aws(piped, "dynamodb", "get-item", "--table-name", table.name, "--key", json.dumps({"JobId": found["Items"][0]["JobId"]}))
    assert item["Item"] == found["Items"][0]


# ---- refusing ----

def test_what_is_wrong_is_told_in_the_words_of_dynamodb(piped, table):
    dynamodb = piped.client("dynamodb", parameter_validation=False)
    assert refused(dynamodb.scan, TableName="nothing") == ("ResourceNotFoundException", "Requested resource not found")
    assert refused(dynamodb.scan, TableName=table.name, FilterExpression="a = ") == (
        "ValidationException", 'Invalid FilterExpression: Syntax error; token: "<EOF>", near: "= "')
    assert refused(dynamodb.query, TableName=table.name, KeyConditionExpression="A = :a", ExpressionAttributeValues={":a": {"S": "x"}}) == (
        "ValidationException", "Query condition missed key schema element: JobId")
    code, message = refused(dynamodb.scan, TableName=table.name, Limit=0)
    assert code == "ValidationException" and "greater than or equal to 1" in message


def test_the_table_is_read_only(dynamodb, table):
    code, message = refused(dynamodb.put_item, TableName=table.name, Item={"JobId": {"S": "x"}})
    assert code == "AccessDeniedException" and "read-only" in message
    code, _ = refused(dynamodb.create_table, TableName="mine", KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
                      AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
    assert code == "AccessDeniedException"


def test_an_error_has_the_form_of_the_json_protocol(server):
    reply = httpx.post(server.url, headers={"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0"}, content="{}")
    assert reply.status_code == 400 and reply.headers["content-type"] == "application/x-amz-json-1.0"
    assert reply.json()["__type"] == "MissingAuthenticationTokenException" and len(reply.headers["x-amzn-requestid"]) == 36


# ---- who asks ----

def test_the_caller_is_named(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012" and identity["Arn"] == "arn:aws:iam::123456789012:user/root" and len(identity["UserId"]) == 21
    assert aws(server, "sts", "get-caller-identity")["Account"] == identity["Account"]
    url = server.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    reply = httpx.get(url)
    assert reply.status_code == 200 and "<Account>123456789012</Account>" in reply.text
    assert httpx.get(url.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601")).status_code == 403


def test_a_wrong_secret_is_refused_in_every_protocol(server):
    wrong = {**server.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert refused(server.client("sts", wrong).get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert refused(server.client("dynamodb", wrong).list_tables)[0] == "InvalidSignatureException"


@pytest.mark.parametrize("service, call, arguments, code", [
    ("ssm", "get_parameter", {"Name": "x"}, "UnknownOperationException"),
    ("logs", "describe_log_groups", {}, "UnknownOperationException"),
    ("opensearchserverless", "list_collections", {}, "UnknownOperationException"),
    ("iam", "get_role", {"RoleName": "x"}, "InvalidAction"),
    ("ec2", "describe_instances", {}, "InvalidAction"),
])
def test_services_that_are_not_there_say_so(server, service, call, arguments, code):
    client = server.client(service)
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**arguments)
    response = caught.value.response
    operation = client.meta.method_to_api_mapping[call]
    assert response["Error"]["Code"] == code and operation in response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400 and response["ResponseMetadata"]["RequestId"]
