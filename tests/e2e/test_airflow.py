"""Apache Airflow with the Amazon provider, unmodified: its batch operator and sensor against a server, by dag.test().

The tests talk to Airflow in a process of its own, since its packages live in an environment apart.
"""
import json
import subprocess
from pathlib import Path

import pytest

from harness import ROOT, clean_environment
from models import TEXT

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "airflow"
SCRIPTED = "anthropic.claude-3-sonnet-20240229-v1:0"
SCRIPT = {
    "models": {"map": [{"ids": SCRIPTED, "model": "craton.scripted-v1"}]},
    "scripted": {"rules": [{"match": {}, "text": "A number."}]},
}
DAG_SECONDS = 300


class Airflow:
    """A home with a database of its own, and the one connection that its DAGs use."""

    def __init__(self, home, server):
        place = subprocess.run([ROOT / "tools/setup", "where", "venv-airflow"], check=True, capture_output=True, text=True)
        self.bin = Path(place.stdout.strip()) / "bin"
        keys = server.environment()
        connection = {"conn_type": "aws", "login": keys["AWS_ACCESS_KEY_ID"], "password": keys["AWS_SECRET_ACCESS_KEY"],
                      "extra": {"endpoint_url": keys["AWS_ENDPOINT_URL"], "region_name": keys["AWS_REGION"]}}
        self.environment = {**clean_environment(), "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
                            "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW_CONN_CRATON": json.dumps(connection),
                            "PYTHONDONTWRITEBYTECODE": "1"}
        self._run("airflow", "db", "migrate")

    def _run(self, program, *arguments, **environment):
        done = subprocess.run([self.bin / program, *arguments], env={**self.environment, **environment}, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=DAG_SECONDS)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def run(self, dag, model, records):
        out = self._run("python", HERE / "run_dag.py", dag, BATCH_MODEL=model, BATCH_RECORDS=str(records))
        return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def scripted_server(tmp_path_factory):
    from harness import Server
    with Server(tmp_path_factory.mktemp("airflow") / "data", SCRIPT) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, scripted_server):
    return Airflow(tmp_path_factory.mktemp("airflow-home"), scripted_server)


def check_answers(end, records):
    assert end["state"] == "success" and set(end["tasks"].values()) == {"success"}
    found = end["results"]["read_results"]
    assert found["manifest"]["totalRecordCount"] == found["manifest"]["successRecordCount"] == records
    assert found["manifest"]["errorRecordCount"] == 0
    assert [asked["messages"][0]["content"] for asked in found["asked"]] == [f"Say the number {n}." for n in range(records)]
    return [answer["content"][0]["text"] for answer in found["answers"]]


@pytest.mark.parametrize("dag", ["operator_waits", "operator_defers", "sensor_waits", "sensor_defers"])
def test_a_batch_job_is_awaited_and_its_results_are_read(airflow, dag):
    end = airflow.run(dag, SCRIPTED, 100)
    assert set(check_answers(end, 100)) == {"A number."}
    assert "State was: Completed" in end["results"]["stop"]


def test_a_parameter_store_that_is_not_there_fails_in_the_words_of_aws(airflow):
    end = airflow.run("operator_waits", SCRIPTED, 1)
    assert end["results"]["ask_for_a_parameter"]["status"] == 400


def test_bodies_that_the_model_refuses_do_not_keep_a_job_from_being_scheduled(airflow, scripted_server):
    end = airflow.run("invalid_bodies", SCRIPTED, 100)
    assert end["state"] == "success" and set(end["tasks"].values()) == {"success"}
    job = scripted_server.client("bedrock").get_model_invocation_job(jobIdentifier=end["results"]["infer"])
    assert job["status"] in ("Stopping", "Stopped", "Completed")


def test_the_real_model_answers_a_deferred_job(server, tmp_path):
    answers = check_answers(Airflow(tmp_path, server).run("operator_defers", TEXT, 4), 4)
    assert all(answers)
