"""A release of EMR is taken if its Spark and its Python are those of the lock file."""

from __future__ import annotations

import pytest

from infra.config import ConfigInvalid, validate
from infra.program import LOCK_FILE
from infra.releases import locked_spark_version
from infra.settings import DEFAULTS
from tests.infra.test_config import faults_of


def test_a_release_with_another_spark_than_the_lock_file_is_refused() -> None:
    text = faults_of(releaseLabel="emr-7.10.0")
    assert "has Spark 3.5.5" in text
    assert "requirements.lock has pyspark 3.5.6; choose emr-7.12.0" in text


def test_a_release_without_the_interpreter_of_the_wheels_is_refused() -> None:
    text = faults_of(releaseLabel="emr-6.15.0")
    assert "has Python 3.7, and the nodes' packages are built for 3.11; choose emr-7.12.0" in text


def test_an_unknown_release_is_refused_with_one_that_fits() -> None:
    text = faults_of(releaseLabel="emr-7.99.0")
    assert "'emr-7.99.0' is not a release that is known here" in text
    assert "choose emr-7.12.0, or lock the release's version" in text


def test_a_lock_file_that_fits_no_known_release_says_what_to_lock() -> None:
    with pytest.raises(ConfigInvalid, match="lock the Spark of a known release"):
        validate({"aws:region": "eu-west-1"}, stack="eu", locked_spark="4.9.9")


def test_the_default_release_has_the_spark_of_the_lock_file() -> None:
    config = validate(
        {"aws:region": "eu-west-1"}, stack="eu", locked_spark=locked_spark_version(LOCK_FILE.read_text())
    )
    assert config.release_label == DEFAULTS["releaseLabel"]


def test_a_lock_file_without_pyspark_says_so() -> None:
    with pytest.raises(ValueError, match="pins no pyspark"):
        locked_spark_version("boto3==1.0\n")
