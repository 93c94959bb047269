"""The README's commands, run as a newcomer runs them, in folders of their own.

As processes, because what they print, their exit codes and what ctrl-C leaves are those of a process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from infra.local import demo
from infra.program import REPOSITORY
from tests.artifacts import weights
from tests.browser import offline_page
from tests.infra.test_ministack import has_ended
from tests.report.plot import point_at_the_middle

DEMO = """
import os, signal, sys
from pathlib import Path
from infra.local.demo import main
# On a machine of one core a cluster has one worker; other tests run beside, and nodes are lost elsewhere.
os.cpu_count = lambda: 1
# A shell that puts a job into the background lets it ignore ctrl-C, and all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main([], folder=Path(sys.argv[1]), build=Path(sys.argv[2])))
"""
"""`make demo` with other folders than a person's."""
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


def start_demo(folder: Path, build: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DEMO, str(folder), str(build)],
        cwd=REPOSITORY,
        # Of others it would make another model than the one that is there for all tests.
        env={**os.environ, "WEIGHTS": weights()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("target", ["demo", "dashboard", "chaos", "bench", "local", "package"])
def test_make_starts_modules_that_there_are(target: str) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    started = re.findall(r"python -m ((?:infra|spark|tests)[\w.]*)", shown.stdout)
    assert started
    for module in started:
        found = importlib.util.find_spec(module)
        assert found is not None
        runs = f"{module}.__main__" if found.submodule_search_locations else module
        assert importlib.util.find_spec(runs) is not None, f"{module} cannot be run"


def test_the_demo_completes_and_leaves_its_results(build: Path, tmp_path: Path) -> None:
    with start_demo(tmp_path, build) as process:
        said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    status = json.loads((tmp_path / "status.json").read_text())
    assert status.keys() >= STATUS_FIELDS
    assert status["state"] == "COMPLETED"
    assert status["images_in"] == status["images_featurized"] + status["images_quarantined"] == 122
    for prefix in ("Results", "Results_PCA"):
        parts = sorted((tmp_path / prefix / status["dataset"] / status["run_id"]).glob("part-*.parquet"))
        assert sum(pq.read_metadata(part).num_rows for part in parts) == 120
    assert {"pca.png", "dashboard.html"} <= {path.name for path in tmp_path.iterdir()}
    assert said.rstrip().endswith(str(tmp_path / "report.html"))
    report = (tmp_path / "report.html").read_text()
    assert "2 of 122 photos (1 corrupt, 1 unreadable_format)" in report
    assert "120 photos were compared by their pixels" in report
    with offline_page(tmp_path / "report.html", 1280) as page:
        page.get_by_label("Search a label").fill("kiw")
        assert page.locator("#marked").inner_text() == "Marked: kiwi."
        tip = point_at_the_middle(page)
        assert tip.locator("svg use").count() == 1
        assert tip.inner_text().startswith("kiwi\nkiwi/")


def test_the_demo_says_what_to_do_when_the_weights_cannot_be_found(
    build: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--weights", "no/such/weights.h5"], tmp_path, build) == 2
    said = capfd.readouterr().err
    assert "no/such/weights.h5" in said
    assert "Traceback" not in said


def test_the_demo_says_what_to_do_when_the_folder_holds_no_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--data", str(tmp_path)], tmp_path / "demo", tmp_path / "build") == 2
    assert "is empty" in " ".join(capsys.readouterr().out.split())


def test_ctrl_c_in_mid_run_leaves_nothing_behind(build: Path, tmp_path: Path) -> None:
    with start_demo(tmp_path, build) as process:
        assert process.stdout is not None
        said = ""
        while "featurize: " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said + rest
    assert "nothing is left running" in rest
    assert "Traceback" not in rest
    assert has_ended(tmp_path)
