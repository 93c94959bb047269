"""What of a step needs no cluster: command lines, configurations, logs, requests."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

from infra.local.emr import process
from infra.local.emr.logs import ProgramLogs, S3Uri
from infra.local.emr.node import NodeError, SparkSubmit, spark_defaults
from infra.local.emr.protocol import EmrError, answer, parse_request
from infra.local.process import ProcessGroup


def test_a_spark_submit_line_is_taken_apart_at_the_application() -> None:
    line = ["--deploy-mode", "client", "--verbose", "--conf", "a=b", "s3://b/step.py", "pca", "--plan", "p"]

    submit = SparkSubmit.parse(line)

    assert submit.options == (("--deploy-mode", "client"), ("--verbose",), ("--conf", "a=b"))
    assert submit.application == "s3://b/step.py"
    assert submit.arguments == ("pca", "--plan", "p")


def test_a_spark_submit_line_without_application_is_refused() -> None:
    with pytest.raises(NodeError, match="missing application"):
        SparkSubmit.parse(["--deploy-mode", "client"])


def test_the_clusters_spark_defaults_hold_except_for_the_nodes_interpreter() -> None:
    properties = {"spark.pyspark.python": "/opt/fruits/bin/python", "spark.sql.shuffle.partitions": "8"}
    configurations = [
        {"Classification": "spark-defaults", "Properties": properties},
        {"Classification": "yarn-site", "Properties": {"yarn.x": "y"}},
    ]

    assert spark_defaults(configurations) == {"spark.sql.shuffle.partitions": "8"}


@pytest.mark.parametrize("uri", ["s3://bucket/logs/", "s3n://bucket/logs", "s3a://bucket/logs/"])
def test_log_uris_come_in_three_spellings(uri: str) -> None:
    assert str(S3Uri.parse(uri) / "stderr.gz") == "s3://bucket/logs/stderr.gz"


def test_a_failure_is_explained_by_the_last_exception_of_stderr(tmp_path: Path) -> None:
    logs = ProgramLogs(tmp_path, uri=None)
    logs.stderr.write_text("INFO start\nTraceback (most recent call last):\n  File x\nValueError: no\nbye\n")

    assert logs.last_error() == "ValueError: no"


def test_a_request_that_does_not_fit_its_model_is_refused_by_name() -> None:
    with pytest.raises(EmrError, match='Unknown parameter in input: "Nme"'):
        parse_request("ElasticMapReduce.RunJobFlow", b'{"Nme": "x", "Name": "x", "Instances": {}}')


def test_a_value_outside_its_enum_is_refused_with_the_values_there_are() -> None:
    with pytest.raises(EmrError, match=r"'ASLEEP' at 'ClusterStates.1.member'.*STARTING, BOOTSTRAPPING"):
        parse_request("ElasticMapReduce.ListClusters", b'{"ClusterStates": ["ASLEEP"]}')


def test_an_answer_cannot_hold_what_the_model_does_not_know() -> None:
    with pytest.raises(KeyError, match="JobFlowIdd"):
        answer("RunJobFlow", {"JobFlowIdd": "j-1"})


def run(command: list[str], folder: Path, stop: threading.Event | None = None) -> int:
    return process.run(
        command,
        environment={"PATH": "/usr/bin:/bin"},
        folder=folder,
        stdout=folder / "stdout",
        stderr=folder / "stderr",
        stop=stop or threading.Event(),
    )


def test_a_program_runs_to_its_end(tmp_path: Path) -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path) == 3
    assert (tmp_path / "stdout").read_text() == "out\n"
    assert (tmp_path / "stderr").read_text() == "err\n"


def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert run(["no-such-program"], tmp_path) == 127
    assert "no-such-program" in (tmp_path / "stderr").read_text()


def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path) -> None:
    assert run(["sh", "-c", "(sleep 1; touch survived) & exit 0"], tmp_path) == 0
    time.sleep(1.3)
    assert not (tmp_path / "survived").exists()


def test_stopping_a_program_ends_its_children_too(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert run(["sh", "-c", "sh -c 'sleep 1; touch survived' & wait"], tmp_path, stop) < 0
    time.sleep(1.3)
    assert not (tmp_path / "survived").exists()


def test_killing_a_program_again_closes_nothing_that_others_have_opened_since(tmp_path: Path) -> None:
    group = ProcessGroup(["sleep", "600"], environment={}, folder=tmp_path, log=tmp_path / "log")
    group.kill()
    with contextlib.ExitStack() as others:
        opened = [others.enter_context((tmp_path / "log").open()) for _ in range(8)]
        group.kill()
        assert [file.read() for file in opened] == [""] * 8
