"""The cluster that a workbench asks for."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from lambdas.contract.plan import WorkbenchPlan
from lambdas.contract.workbench import SETUP_STEP
from lambdas.runs.job_flow import run_job_flow
from spark.steps.session import QUIET_TENSORFLOW

from .test_job_flow import WHEELHOUSE, properties, spec
from .test_planning import planned
from .world import SETTINGS

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"


def workbench_request(**changes: Any) -> dict[str, Any]:
    plan = WorkbenchPlan.from_json((GOLDEN / "workbench-1.json").read_text())
    asked = dataclasses.replace(plan.workbench, **changes)
    return run_job_flow(dataclasses.replace(plan, workbench=asked), spec(), WHEELHOUSE)


def test_a_workbench_is_a_cluster_with_jupyterhub_that_stays_in_the_private_subnets() -> None:
    request = workbench_request()
    model = botocore.session.get_session().get_service_model("emr").operation_model("RunJobFlow")
    assert ParamValidator().validate(request, model.input_shape).generate_report() == ""
    of_run = run_job_flow(planned(), spec(), WHEELHOUSE)
    assert [one["Name"] for one in request["Applications"]] == ["Spark", "Livy", "JupyterHub"]
    assert request["Instances"] == of_run["Instances"] | {"KeepJobFlowAliveWhenNoSteps": True}
    assert not of_run["Instances"]["KeepJobFlowAliveWhenNoSteps"]
    (bootstrap,) = request["BootstrapActions"]
    assert bootstrap["ScriptBootstrapAction"]["Args"][-1].endswith("/artifacts/wheelhouse-2/")
    same = ("ServiceRole", "JobFlowRole", "SecurityConfiguration", "LogEncryptionKmsKeyId")
    assert all(request[name] == of_run[name] for name in same)


def test_tensorflow_computes_in_a_workbench_as_in_the_steps() -> None:
    told = {f"spark.executorEnv.{name}": value for name, value in QUIET_TENSORFLOW.items()}
    assert told.items() <= properties(workbench_request(), "spark-defaults").items()


def test_a_workbenchs_only_step_sets_it_up_or_ends_the_cluster() -> None:
    (step,) = workbench_request()["Steps"]
    assert (step["Name"], step["ActionOnFailure"]) == (SETUP_STEP, "TERMINATE_CLUSTER")
    bash, option, script, *arguments = step["HadoopJarStep"]["Args"]
    assert (bash, option) == ("bash", "-c")
    assert arguments == [
        "s3://bkt/artifacts/workbench-1/",
        "eu-west-1",
        "s3://bkt/runs/workbench.explore-1/login.json",
        "s3://bkt/runs/workbench.explore-1/activity.json",
        "s3://bkt/notebooks/explore/",
    ]
    assert "setup.sh" in script


def test_the_set_up_is_fetched_and_gets_its_arguments(tmp_path: Path) -> None:
    (step,) = workbench_request()["Steps"]
    copied = 'for folder; do :; done; echo \'echo "$#" "$1" "${@: -1}"; exit 3\' >"$folder/setup.sh"'
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/bash\necho "$*" >{tmp_path}/asked\n{copied}\n')
    aws.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        step["HadoopJarStep"]["Args"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "4 eu-west-1 s3://bkt/notebooks/explore/\n")
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(
        "s3 cp --region eu-west-1 --recursive --only-show-errors s3://bkt/artifacts/workbench-1/"
    )


def test_sessions_of_a_workbench_share_the_machines_and_end_with_it() -> None:
    configurations = workbench_request(idle_minutes=45)["Configurations"]
    of = {one["Classification"]: one["Properties"] for one in configurations}
    assert of["livy-conf"] == {"livy.server.session.timeout": "45m"}
    assert of["spark-defaults"]["spark.dynamicAllocation.enabled"] == "true"
    assert "spark.executor.instances" not in of["spark-defaults"]
    assert of["spark-defaults"]["spark.pyspark.python"] == SETTINGS.node_python


def test_notebooks_which_outlive_a_workbench_are_told_what_is_this_ones_own() -> None:
    told = {
        "spark.workbench.root": "s3://bkt",
        "spark.workbench.dataset": "pears",
        "spark.workbench.run": "pears-1",
        "spark.workbench.kept": "s3://bkt/runs/workbench.explore-1/run-all",
        "spark.workbench.code": "s3://bkt/artifacts/job-1.zip",
    }
    request = workbench_request(opens_dataset="pears", opens_run="pears-1")
    assert told.items() <= properties(request, "spark-defaults").items()
    # Spark's file of properties has no empty values.
    nothing = properties(workbench_request(opens_dataset=None, opens_run=None), "spark-defaults")
    assert {"spark.workbench.dataset", "spark.workbench.run"}.isdisjoint(nothing)
