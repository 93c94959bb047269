"""Nodes are killed under a run: processes of their own, on a Spark cluster that encrypts as on EMR."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.local.emr.interpreter import make_interpreter
from infra.local.emr.spark_cluster import WorkerNodes
from lambdas.contract.plan import ClusterSpec, Plan, Source
from lambdas.contract.report import STEPS, StepReport
from lambdas.runs.job_flow import run_job_flow
from spark.components.exact_pca import Moments, feature_matrix, fit
from spark.datasets.index import ensure_index
from spark.datasets.object_store import open_store
from spark.datasets.publication import Provenance
from spark.features.litert_engine import MOMENT_GROUPS, featurize_shard
from spark.features.model import fetch_verified
from spark.steps.pca import score_part
from tests.artifacts import built
from tests.bench.steps import make_plan, packaged_model
from tests.infra.test_ministack import has_ended, processes_below
from tests.lambdas.world import SETTINGS
from tests.local_emr.conftest import BUCKET, Cloud, Emr, serve_emr, wait_until
from tests.spark.pictures import write_class_folders

NODES, SHARDS, SHARD_IMAGES = 2, 16, 2
IMAGES = SHARDS * SHARD_IMAGES
TASKS = MOMENT_GROUPS[0]
SECURITY = "encrypted"
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Ended:
    """A cluster that lost nodes in both of its steps, and has ended."""

    emr: Emr
    cluster_id: str
    plan: Plan
    folder: Path
    """Of the cluster, in the endpoint's."""

    def table(self, prefix: str) -> pa.Table:
        return table(self.plan, prefix)


def table(plan: Plan, prefix: str) -> pa.Table:
    parts = sorted((Path(plan.root.removeprefix("file://")) / prefix).glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(part) for part in parts])


@dataclass(frozen=True)
class Nodes:
    """The processes of the nodes that work in ``folder``."""

    folder: Path

    def _commands(self) -> Iterator[tuple[int, Path, list[str]]]:
        for process in processes_below(self.folder):
            try:
                command = (process / "cmdline").read_text().split("\0")
                yield int(process.name), (process / "cwd").readlink(), command
            except OSError:
                continue  # it ended meanwhile

    def workers(self) -> dict[str, int]:
        """Process ids of the nodes' workers, by the name of the node."""
        return {
            cwd.name: pid
            for pid, cwd, command in self._commands()
            if command[0].endswith("java") and "org.apache.spark.deploy.worker.Worker" in command
        }

    def computing(self) -> dict[int, str]:
        """Executors' Python daemons by process id, and their nodes: of each executor that has had a task."""
        return {
            pid: cwd.relative_to(self.folder).parts[0]
            for pid, cwd, command in self._commands()
            if "pyspark.daemon" in command
        }

    def kill(self, *names: str) -> None:
        """As a machine dies: all that the node has started, and without a word."""
        workers = self.workers()
        for name in names:
            os.killpg(workers[name], signal.SIGKILL)


@pytest.fixture(scope="module")
def ended(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    work = tmp_path_factory.mktemp("lost")
    write_class_folders(work / "images", classes=4, images=IMAGES // 4)
    for name in ("job.zip", "step.py"):
        cloud.client("s3").upload_file(str(built() / name), BUCKET, f"code/{name}")
    plan = make_plan(work, packaged_model(built() / "model"), Source(f"file://{work / 'images'}"), IMAGES)
    plan = dataclasses.replace(plan, shard_images=SHARD_IMAGES)
    (work / "plan.json").write_text(plan.to_json())
    with serve_emr(cloud, slots=NODES) as emr:
        emr.api.create_security_configuration(Name=SECURITY, SecurityConfiguration="{}")
        cluster_id = emr.api.run_job_flow(**request(plan, work / "plan.json"))["JobFlowId"]
        folder = cloud.folder / "emr" / cluster_id
        nodes = Nodes(folder / "spark")

        wait_until(lambda: bool(nodes.computing()), seconds=PATIENCE_SECONDS)
        nodes.kill(*nodes.workers())
        done = work / Path(plan.layout.shard_record(0)).parent
        wait_until(lambda: any(done.glob("*.json")), seconds=PATIENCE_SECONDS)
        nodes.kill(next(iter(nodes.computing().values())))
        assert len(list(done.glob("*.json"))) < SHARDS, "all was computed before the node was lost"

        wait_until(lambda: len(list(folder.glob("steps/*/stderr"))) == len(STEPS), seconds=PATIENCE_SECONDS)
        of_featurize = nodes.computing().keys()
        wait_until(lambda: bool(nodes.computing().keys() - of_featurize), seconds=PATIENCE_SECONDS)
        nodes.kill(next(node for pid, node in nodes.computing().items() if pid not in of_featurize))
        emr.wait_until_ended(cluster_id, seconds=PATIENCE_SECONDS)
        yield Ended(emr, cluster_id, plan, folder)


def request(plan: Plan, written: Path) -> dict[str, object]:
    """What the launcher asks EMR for, but that the data lie in a folder, and only the code in the bucket."""
    settings = dataclasses.replace(
        SETTINGS,
        instance_profile_arn="node",
        security_configuration=SECURITY,
        job_key="code/job.zip",
        step_key="code/step.py",
    )
    cluster = ClusterSpec(NODES, ("m5.xlarge",), "on_demand")
    asked = run_job_flow(dataclasses.replace(plan, root=f"s3://{BUCKET}"), cluster, settings)
    for step in asked["Steps"]:
        step["HadoopJarStep"]["Args"][-1] = f"file://{written}"
    return asked


@pytest.fixture(scope="module")
def undisturbed(ended: Ended, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The features of the same images, computed here one shard after the other."""
    plan = dataclasses.replace(ended.plan, root=f"file://{tmp_path_factory.mktemp('undisturbed')}")
    model, provenance = fetch_verified(plan.model.uri, plan.model.sha256), Provenance.of(plan)
    for number in range(ensure_index(open_store(plan.root), plan).shards):
        featurize_shard(plan, provenance, number, model, earlier_run=None)
    return plan


def test_a_run_that_loses_all_nodes_at_once_then_one_and_one_more_in_pca_completes(ended: Ended) -> None:
    assert ended.emr.step_states(ended.cluster_id) == ["COMPLETED", "COMPLETED"]
    assert ended.emr.reason(ended.cluster_id)["Code"] == "ALL_STEPS_COMPLETED"
    for step, losses in zip(ended.emr.steps(ended.cluster_id), (NODES + 1, 1), strict=True):
        told = (ended.folder / "steps" / step["Id"] / "stderr").read_text()
        assert told.count("is now LOST (worker lost") == losses


def test_no_image_is_lost_with_a_node(ended: Ended) -> None:
    root = Path(ended.plan.root.removeprefix("file://"))
    featurize, pca = (
        StepReport.from_json((root / ended.plan.layout.step_report(step)).read_text()) for step in STEPS
    )
    assert (featurize.images_in, featurize.images_featurized) == (IMAGES, IMAGES)
    assert ended.table(ended.plan.layout.pca).num_rows == IMAGES
    assert pca.error is None


def test_rows_are_equal_to_the_byte_whatever_was_lost(ended: Ended, undisturbed: Plan) -> None:
    layout = ended.plan.layout
    assert ended.table(layout.features).equals(table(undisturbed, layout.features))
    parts = sorted((Path(undisturbed.root.removeprefix("file://")) / layout.features).glob("part-*"))
    features = [pq.read_table(part) for part in parts]
    # The sums are formed in eight groups of neighbours, then over the groups.
    cuts = [len(features) * group // TASKS for group in range(TASKS + 1)]
    moments = [Moments.of(feature_matrix(part)) for part in features]
    groups = [reduce(Moments.merge, moments[start:end]) for start, end in pairwise(cuts)]
    model = fit(reduce(Moments.merge, groups), ended.plan.pca)
    assert ended.table(layout.pca).equals(pa.concat_tables([score_part(part, model)[0] for part in features]))


def test_the_nodes_run_the_archive_that_was_shipped_and_nothing_of_the_repository(ended: Ended) -> None:
    python = make_interpreter(Path(ended.plan.root.removeprefix("file://")) / "python")
    for module, code in {"pyspark": 0, "ai_edge_litert": 0, "spark": 1, "lambdas": 1, "tests": 1}.items():
        found = subprocess.run(
            [str(python), "-I", "-c", f"import {module}"], capture_output=True, check=False
        )
        assert found.returncode == code, module


def test_an_ended_cluster_leaves_logs_and_nothing_else(ended: Ended) -> None:
    assert has_ended(ended.folder)
    assert {path.suffix for path in (ended.folder / "spark").iterdir()} == {".log"}
    assert list(ended.folder.glob("containers/app-*/node-*/stderr"))


@pytest.mark.parametrize(
    ("asked", "slots", "here"),
    [
        (WorkerNodes(2, 4, 12288), 2, WorkerNodes(2, 1, 12288)),
        (WorkerNodes(20, 4, 12288), 2, WorkerNodes(2, 1, 12288)),
        (WorkerNodes(2, 4, 12288), 1, WorkerNodes(1, 1, 12288)),
        (WorkerNodes(2, 4, 12288), 64, WorkerNodes(2, 4, 12288)),
        (WorkerNodes(3, 4, 12288), 8, WorkerNodes(3, 2, 12288)),
    ],
)
def test_there_are_as_many_nodes_as_were_asked_for_and_the_machine_has_slots(
    asked: WorkerNodes, slots: int, here: WorkerNodes
) -> None:
    assert asked.within(slots) == here
