"""The main job, through the real event, the real Lambdas and real Spark steps.

Here and not below, because only the whole shows that the planes agree: the keys that one writes and another
reads, the code in the zips, the nodes' permissions, the events between EMR and the Lambdas.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from infra.local import results
from infra.local.watch import Snapshot
from lambdas.cli.submission import Submitted
from lambdas.contract import layout
from lambdas.contract.run import cluster_name

from .conftest import Happened, User
from .paths import s3_event


@pytest.fixture(scope="module")
def finished(happened: Happened) -> tuple[User, Submitted, Snapshot]:
    """A run of 122 images, of which two are broken."""
    return happened.user, happened.flawed, happened.user.looks_at(happened.flawed)


@pytest.fixture(scope="module")
def fetched(
    finished: tuple[User, Submitted, Snapshot], tmp_path_factory: pytest.TempPathFactory
) -> results.Fetched:
    user, _, snapshot = finished
    assert snapshot.status is not None
    return results.fetch(user.s3, user.bucket, tmp_path_factory.mktemp("results"), snapshot.status)


def test_a_manifest_upload_ends_in_a_completed_run_and_a_terminated_cluster(
    finished: tuple[User, Submitted, Snapshot],
) -> None:
    _, run, snapshot = finished
    assert snapshot.status is not None
    assert snapshot.status["state"] == "COMPLETED", snapshot.status
    assert snapshot.status["run_id"] == run.run_id
    assert snapshot.cluster_state == "TERMINATED"


def test_every_image_is_accounted_for(finished: tuple[User, Submitted, Snapshot]) -> None:
    status = finished[2].status
    assert status is not None
    assert (status["images_in"], status["images_featurized"], status["images_quarantined"]) == (122, 120, 2)
    assert status["quarantine_reasons"] == {"corrupt": 1, "unreadable_format": 1}


def test_the_status_says_what_was_expected_and_what_the_cluster_cost(
    finished: tuple[User, Submitted, Snapshot],
) -> None:
    status = finished[2].status
    assert status is not None
    assert status["estimated_eur"] > 0
    # A primary and two workers, billed for a minute at least.
    assert status["instance_hours"] >= 3 / 60 - 0.001
    assert 0 < status["actual_eur"] < status["estimated_eur"]


def test_plain_pyarrow_reads_all_three_results(fetched: results.Fetched) -> None:
    assert fetched.rows == {layout.FEATURES: 120, layout.PCA: 120, layout.CSV: 120, layout.QUARANTINE: 2}
    run_folder = f"flawed/{json.loads((fetched.folder / 'status.json').read_text())['run_id']}/"
    features = results.open_table(fetched.folder, layout.FEATURES, run_folder)
    assert features is not None
    table = features.to_table()
    matrix = np.array(table["features"].to_pylist())
    assert matrix.shape == (120, 1280)
    assert np.isfinite(matrix).all()
    assert set(table["label"].to_pylist()) == {"apple", "banana", "blueberry", "kiwi", "lime", "orange"}
    assert fetched.picture is not None


def test_every_result_prefix_is_sealed_with_a_manifest_and_a_success_marker(fetched: results.Fetched) -> None:
    for prefix in (layout.FEATURES, layout.PCA, layout.CSV):
        names = {path.rsplit("/", 1)[1] for path in fetched.files if path.startswith(prefix)}
        assert {layout.SUCCESS_MARKER, layout.DATASET_MANIFEST} <= names


def test_step_logs_are_kept_where_emr_keeps_them(finished: tuple[User, Submitted, Snapshot]) -> None:
    user, run, _ = finished
    cluster = next(c for c in user.clusters() if c["Name"] == cluster_name(run.run_id))
    listed = user.s3.list_objects_v2(Bucket=user.bucket, Prefix=f"{layout.LOGS}{cluster['Id']}/steps/")
    assert {item["Key"].rsplit("/", 1)[1] for item in listed["Contents"]} >= {"stdout.gz", "stderr.gz"}


def test_five_deliveries_of_one_event_launch_one_cluster(
    finished: tuple[User, Submitted, Snapshot],
) -> None:
    user, run, _ = finished
    event = s3_event(user.bucket, run)
    deliver = user.cloud.client("lambda").invoke

    def deliver_once(_: int) -> Any:
        return deliver(
            FunctionName=user.cloud.outputs["launcher_function"], Payload=json.dumps(event).encode()
        )

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(deliver_once, range(5)))
    assert all("FunctionError" not in answer for answer in answers)
    assert sum(c["Name"] == cluster_name(run.run_id) for c in user.clusters()) == 1
