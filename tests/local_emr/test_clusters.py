"""Clusters that really run what they are given."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.local.emr import InjectedFailures
from infra.local.emr.injected_failures import ClusterFailure
from infra.local.hub import installation
from infra.local.hub.installation import Installation, NotInstalledError
from tests.local_emr.conftest import BUCKET, Cloud, Emr, command_step, serve_emr, shell_step, wait_until

SPARK_JOB = b"""
import sys
from pyspark.sql import SparkSession
from helper import double
spark = SparkSession.builder.getOrCreate()
total = spark.sparkContext.parallelize(range(10), 2).map(double).sum()
print(sys.argv[1:], total, spark.conf.get("spark.fruits"))
"""


def processes_mentioning(word: str) -> list[str]:
    """Command lines, with their environments, of living processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_text() + (process / "environ").read_text()
        except OSError:
            continue
        if word in text:
            found.append(text[:200])
    return found


def test_a_spark_step_runs_for_real_with_its_files_defaults_and_logs(cloud: Cloud, emr: Emr) -> None:
    emr.s3.put_object(Bucket=BUCKET, Key="code/step.py", Body=SPARK_JOB)
    emr.s3.put_object(Bucket=BUCKET, Key="code/helper.py", Body=b"def double(x): return 2 * x\n")
    submit = ["spark-submit", "--deploy-mode", "client", "--py-files", f"s3://{BUCKET}/code/helper.py"]
    defaults = {"spark.fruits": "ripe ones", "spark.pyspark.python": "/only/on/emr"}

    cluster_id = emr.launch(
        command_step(*submit, f"s3://{BUCKET}/code/step.py", "featurize", "--plan", "p"),
        Configurations=[{"Classification": "spark-defaults", "Properties": defaults}],
    )

    assert emr.wait_until_ended(cluster_id) == "TERMINATED"
    assert emr.reason(cluster_id) == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"}
    assert emr.step_states(cluster_id) == ["COMPLETED"]
    step = f"steps/{emr.steps(cluster_id)[0]['Id']}"
    assert emr.log(cluster_id, f"{step}/stdout") == "['featurize', '--plan', 'p'] 90 ripe ones\n"
    assert "SparkContext" in emr.log(cluster_id, f"{step}/stderr")
    assert "exit code 0" in emr.log(cluster_id, f"{step}/controller")
    live = cloud.folder / "emr" / cluster_id / step
    assert sorted(path.name for path in live.iterdir()) == ["controller", "stderr", "stdout"]


def test_terminating_a_cluster_in_mid_step_leaves_no_process(emr: Emr, cloud: Cloud) -> None:
    cluster_id = emr.launch(shell_step("echo ready; sleep 600 & sleep 600"), shell_step("never"))
    stdout = cloud.folder / "emr" / cluster_id / "steps" / emr.steps(cluster_id)[0]["Id"] / "stdout"
    wait_until(lambda: stdout.exists() and "ready" in stdout.read_text(), seconds=40)
    assert processes_mentioning(cluster_id)

    emr.api.terminate_job_flows(JobFlowIds=[cluster_id])

    assert emr.wait_until_ended(cluster_id, seconds=5) == "TERMINATED"
    assert emr.reason(cluster_id) == {"Code": "USER_REQUEST", "Message": "Terminated by user request"}
    assert emr.step_states(cluster_id) == ["INTERRUPTED", "CANCELLED"]
    wait_until(lambda: not processes_mentioning(cluster_id), seconds=5)


def test_a_failed_step_ends_the_cluster_and_points_to_its_log(emr: Emr) -> None:
    failing = shell_step("echo 'ValueError: no such plan' >&2; exit 1")

    cluster_id = emr.launch(failing, shell_step("true"))

    assert emr.wait_until_ended(cluster_id) == "TERMINATED_WITH_ERRORS"
    assert emr.reason(cluster_id) == {"Code": "STEP_FAILURE", "Message": "Shut down as step failed"}
    assert emr.step_states(cluster_id) == ["FAILED", "CANCELLED"]
    step = emr.steps(cluster_id)[0]
    log = f"logs/{cluster_id}/steps/{step['Id']}/stderr.gz"
    assert step["Status"]["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "Message": "ValueError: no such plan",
        "LogFile": f"s3://{BUCKET}/{log}",
    }
    assert emr.s3.head_object(Bucket=BUCKET, Key=log)


def test_a_failed_step_that_says_continue_does_not_keep_the_next_from_running(emr: Emr) -> None:
    cluster_id = emr.launch(shell_step("exit 1", on_failure="CONTINUE"), shell_step("true"))

    assert emr.wait_until_ended(cluster_id) == "TERMINATED"
    assert emr.step_states(cluster_id) == ["FAILED", "COMPLETED"]
    assert emr.reason(cluster_id)["Message"] == "Steps completed with errors"


def test_a_step_has_the_instance_roles_credentials_and_no_others(cloud: Cloud, emr: Emr) -> None:
    emr.s3.put_object(Bucket=BUCKET, Key="code/data", Body=b"")
    emr.s3.put_object(Bucket=BUCKET, Key="manifests/secret.json", Body=b"")
    script = (
        "import boto3\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        f"get = lambda key: boto3.client('s3').get_object(Bucket='{BUCKET}', Key=key)\n"
        "get('code/data')\n"
        "get('manifests/secret.json')\n"
    )

    cluster_id = emr.launch(command_step("python", "-c", script))
    emr.wait_until_ended(cluster_id)

    step = emr.steps(cluster_id)[0]
    assert "AccessDenied" in step["Status"]["FailureDetails"]["Message"]
    assert "assumed-role/node/" in emr.log(cluster_id, f"steps/{step['Id']}/stdout")


def test_code_that_the_role_may_not_read_fails_the_step(emr: Emr) -> None:
    cluster_id = emr.launch(command_step("spark-submit", f"s3://{BUCKET}/elsewhere/step.py"))
    emr.wait_until_ended(cluster_id)

    log = emr.log(cluster_id, f"steps/{emr.steps(cluster_id)[0]['Id']}/stderr")
    assert log.startswith(f"cannot read s3://{BUCKET}/elsewhere/step.py: ")
    assert "AccessDenied" in log


def test_a_cluster_without_log_uri_keeps_no_logs(emr: Emr) -> None:
    cluster_id = emr.launch(shell_step("echo lost"), LogUri=None)
    emr.wait_until_ended(cluster_id)

    assert emr.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"logs/{cluster_id}/")["KeyCount"] == 0


def bootstrap_action(script: str) -> dict[str, object]:
    return {
        "Name": "install",
        "ScriptBootstrapAction": {"Path": f"s3://{BUCKET}/code/{script}", "Args": ["x"]},
    }


def test_a_workbench_without_jupyterhub_on_this_machine_ends_with_the_remedy(
    emr: Emr, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> Installation:
        raise NotInstalledError("JupyterHub is not installed here: `make hub` installs it")

    monkeypatch.setattr(installation, "find", nothing)
    cluster_id = emr.launch(shell_step("true"), Applications=[{"Name": "Spark"}, {"Name": "JupyterHub"}])
    assert emr.wait_until_ended(cluster_id) == "TERMINATED_WITH_ERRORS"
    assert "`make hub` installs it" in emr.reason(cluster_id)["Message"]


def test_a_failing_bootstrap_action_ends_the_cluster_before_any_step(emr: Emr) -> None:
    emr.s3.put_object(Bucket=BUCKET, Key="code/bad.sh", Body=b'echo "got $1"; exit 7')

    cluster_id = emr.launch(shell_step("true"), BootstrapActions=[bootstrap_action("bad.sh")])

    assert emr.wait_until_ended(cluster_id) == "TERMINATED_WITH_ERRORS"
    reason = emr.reason(cluster_id)
    assert reason["Code"] == "BOOTSTRAP_FAILURE"
    assert "bootstrap action 1 returned a non-zero return code" in reason["Message"]
    instance = f"i-{cluster_id.removeprefix('j-').lower()}"
    assert emr.log(cluster_id, f"node/{instance}/bootstrap-actions/1/stdout") == "got x\n"
    assert emr.step_states(cluster_id) == ["CANCELLED"]
    actions = emr.api.list_bootstrap_actions(ClusterId=cluster_id)["BootstrapActions"]
    assert actions == [{"Name": "install", "ScriptPath": f"s3://{BUCKET}/code/bad.sh", "Args": ["x"]}]


def test_failures_of_the_cluster_show_as_emr_shows_them(connect: Callable[..., Emr]) -> None:
    expected = {
        ClusterFailure.SPOT_TIMEOUT: "INSTANCE_FLEET_TIMEOUT",
        ClusterFailure.BOOTSTRAP_FAILURE: "BOOTSTRAP_FAILURE",
        ClusterFailure.STEP_FAILURE: "STEP_FAILURE",
    }
    emr = connect(InjectedFailures(clusters=tuple(expected), instant_steps=True))

    clusters = [emr.launch(shell_step("true")) for _ in expected]

    assert {emr.wait_until_ended(cluster_id) for cluster_id in clusters} == {"TERMINATED_WITH_ERRORS"}
    assert [emr.reason(cluster_id)["Code"] for cluster_id in clusters] == list(expected.values())
    assert emr.recorder.failures == Counter(expected.keys())


def test_a_failure_that_took_no_effect_is_not_counted_and_befalls_the_next_cluster(
    connect: Callable[..., Emr],
) -> None:
    emr = connect(InjectedFailures(clusters=(ClusterFailure.STEP_FAILURE,), instant_steps=True))
    cluster_id = emr.launch(shell_step("true"))
    emr.api.terminate_job_flows(JobFlowIds=[cluster_id])
    assert emr.wait_until_ended(cluster_id) == "TERMINATED"
    assert not emr.recorder.failures

    following, last = (emr.launch(shell_step("true")) for _ in range(2))
    assert emr.wait_until_ended(following) == "TERMINATED_WITH_ERRORS"
    assert emr.wait_until_ended(last) == "TERMINATED"
    assert emr.recorder.failures == {ClusterFailure.STEP_FAILURE: 1}


def test_a_cluster_with_a_hung_step_looks_old_and_runs_until_it_is_terminated(
    connect: Callable[..., Emr],
) -> None:
    emr = connect(
        InjectedFailures(clusters=(ClusterFailure.HUNG_STEP,), instant_steps=True, hung_seconds=7200)
    )
    launched = time.time()
    cluster_id = emr.launch(shell_step("true"))
    wait_until(lambda: emr.step_states(cluster_id) == ["RUNNING"])
    wait_until(lambda: bool(emr.recorder.failures))

    created = emr.cluster(cluster_id)["Status"]["Timeline"]["CreationDateTime"].timestamp()
    (lifetime,) = emr.recorder.lifetimes
    assert created == pytest.approx(launched - 7200, abs=5)
    assert lifetime.began_at == pytest.approx(launched, abs=5)
    assert lifetime.ended_at is None

    emr.api.terminate_job_flows(JobFlowIds=[cluster_id])
    assert emr.wait_until_ended(cluster_id) == "TERMINATED"
    (lifetime,) = emr.recorder.lifetimes
    assert lifetime.ended_at == pytest.approx(time.time(), abs=5)


def test_a_slow_start_can_be_watched_and_cut_short(connect: Callable[..., Emr]) -> None:
    emr = connect(InjectedFailures(clusters=(ClusterFailure.SLOW_START,), slow_starting_seconds=60))
    cluster_id = emr.launch(shell_step("true"))
    assert emr.state(cluster_id) == "STARTING"

    emr.api.terminate_job_flows(JobFlowIds=[cluster_id])

    assert emr.wait_until_ended(cluster_id, seconds=5) == "TERMINATED"
    assert emr.step_states(cluster_id) == ["CANCELLED"]


def test_clusters_run_side_by_side(emr: Emr) -> None:
    clusters = [emr.launch(shell_step("sleep 1")) for _ in range(3)]

    wait_until(lambda: [emr.state(cluster_id) for cluster_id in clusters] == ["RUNNING"] * 3)
    for cluster_id in clusters:
        assert emr.wait_until_ended(cluster_id) == "TERMINATED"


def test_stopping_the_endpoint_leaves_no_process_and_no_port(cloud: Cloud, tmp_path: Path) -> None:
    with serve_emr(cloud) as emr:
        cluster_id = emr.launch(shell_step(f"touch {tmp_path}/began; sleep 600"))
        wait_until((tmp_path / "began").exists)

    wait_until(lambda: not processes_mentioning(cluster_id), seconds=2)
    with pytest.raises(EndpointConnectionError):
        emr.state(cluster_id)


def test_steps_die_with_a_killed_endpoint(cloud: Cloud, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from infra.local.emr import process\n"
        "folder = Path(sys.argv[1])\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "process.run(['sh', '-c', 'sleep 1.5; touch survived'], environment={'PATH': os.defpath},\n"
        "            folder=folder, stdout=folder / 'o', stderr=folder / 'e', stop=threading.Event())\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    wait_until(lambda: not processes_mentioning(str(tmp_path)), seconds=1)
