"""`fruits doctor --run`: a small data set through the whole system, as a person starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from lambdas.contract.run import RunState

from .conftest import User


def test_a_trial_goes_through_the_whole_stack_and_says_what_came_of_it(user: User) -> None:
    cloud = user.cloud
    exported = [line.removeprefix("export ").partition("=") for line in cloud.outputs["shell"].splitlines()]
    shell = {name: value for name, _, value in exported}
    done = subprocess.run(
        [sys.executable, "-m", "infra.doctor", "--json", "--run"],
        env={**cloud.environment, **shell, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    (trial,) = (found for found in json.loads(done.stdout)["findings"] if found["check"] == "run")
    assert trial["status"] == "ok", trial
    assert "120 images featurized, 2 broken ones in quarantine" in trial["text"]
    run_id = trial["text"].split()[1]
    item = cloud.client("dynamodb").get_item(
        TableName=cloud.outputs["ledger_table"], Key={"run_id": {"S": run_id}}
    )["Item"]
    assert item["state"]["S"] == RunState.COMPLETED
    results = user.s3.list_objects_v2(Bucket=cloud.bucket, Prefix=f"Results/doctor/{run_id}/")["Contents"]
    assert any(entry["Key"].endswith("/_SUCCESS") for entry in results)
