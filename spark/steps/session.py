"""The Spark session of a step."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

QUIET_TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0"}


def session(app_name: str, environ: Mapping[str, str]) -> SparkSession:
    """The session, on the master that spark-submit was given.

    ``environ`` is the driver's environment: YARN does not hand it to executors, whose stores must
    address the same region.
    """
    builder = SparkSession.builder.appName(app_name).config("spark.ui.showConsoleProgress", "false")
    # A Python worker that crashes leaves word of it; one that was killed, which is as sudden, does not.
    builder = builder.config("spark.python.worker.faulthandler.enabled", "true")
    region = {name: environ[name] for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if name in environ}
    for name, value in {**QUIET_TENSORFLOW, **region}.items():
        builder = builder.config(f"spark.executorEnv.{name}", value)
    return builder.getOrCreate()
