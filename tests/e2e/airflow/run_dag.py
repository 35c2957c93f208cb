"""run_dag.py DAG: runs one DAG of the DAGS folder by dag.test(), without a scheduler, and prints how its tasks ended.

The last line is {"state": of the run, "tasks": {id: state}, "results": {id: what the task returned}}.
"""
import json
import os
import sys

from airflow.dag_processing.dagbag import DagBag


def main(dag_id):
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    assert not bag.import_errors, bag.import_errors
    run = bag.dags[dag_id].test()
    instances = run.get_task_instances()
    print(json.dumps({
        "state": str(run.state),
        "tasks": {each.task_id: str(each.state) for each in instances},
        "results": {each.task_id: each.xcom_pull(task_ids=each.task_id) for each in instances},
    }, default=str))


if __name__ == "__main__":
    main(sys.argv[1])
