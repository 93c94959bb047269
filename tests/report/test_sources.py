"""A run's files and photos, from a bucket or a folder."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from lambdas.report.making import make_report
from lambdas.report.published import NothingToReportError, read_published
from lambdas.report.sources import BucketFiles, FolderFiles, photos_in_folder, photos_in_s3

from .run_folder import PREFIX, RUN, RunFolder, write_run


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_run(tmp_path_factory.mktemp("run"))


class FolderAsS3:
    """What the report asks of S3, of a folder. Photos are forbidden."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bytes_read = 0

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:  # noqa: N803
        path = self._folder / Key
        if Bucket != "data-bucket" or not path.exists():
            code = "NoSuchKey" if Bucket == "data-bucket" else "AccessDenied"
            raise ClientError({"Error": {"Code": code}}, "GetObject")
        data = path.read_bytes()
        if Range:
            first, last = (int(number) for number in Range.removeprefix("bytes=").split("-"))
            data = data[first : last + 1]
        self.bytes_read += len(data)
        return {"Body": io.BytesIO(data)}


def test_from_the_bucket_it_reads_the_same_and_of_the_features_only_their_columns(written: RunFolder) -> None:
    s3: Any = FolderAsS3(written.files)
    there, here = (
        read_published(files, RUN) for files in (BucketFiles(s3, "data-bucket"), FolderFiles(written.files))
    )
    assert there.photos.paths == here.photos.paths
    assert there.photos.digests == here.photos.digests
    assert (there.photos.scores == here.photos.scores).all()
    part = written.files / written.layout.features / "part-00000.parquet"
    with BucketFiles(s3, "data-bucket").open(
        f"{written.layout.features}part-00000.parquet", part.stat().st_size
    ) as opened:
        assert pq.read_table(opened).equals(pq.read_table(part))


def test_photos_that_may_not_be_read_are_missing_and_no_more(written: RunFolder, tmp_path: Path) -> None:
    s3: Any = FolderAsS3(written.files)
    published = read_published(BucketFiles(s3, "data-bucket"), RUN)
    made = make_report(published, photos_in_s3(s3), tmp_path / "report.html")
    assert "your credentials may not read them" in made.notices[0]


def test_a_part_that_was_removed_from_the_bucket_is_named(written: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(written.files, tmp_path / "run")
    (tmp_path / "run" / written.layout.features / "part-00000.parquet").unlink()
    s3: Any = FolderAsS3(tmp_path / "run")
    with pytest.raises(NothingToReportError, match=f"{written.layout.features}part-00000.parquet is not the"):
        read_published(BucketFiles(s3, "data-bucket"), RUN)


def test_a_workbench_has_nothing_to_report(tmp_path: Path) -> None:
    run_id = "workbench.explore-0123456789ab"
    (tmp_path / "runs" / run_id).mkdir(parents=True)
    (tmp_path / "runs" / run_id / "status.json").write_text('{"state": "COMPLETED"}')
    s3: Any = FolderAsS3(tmp_path)
    with pytest.raises(NothingToReportError, match="is a workbench, and there is nothing to report of one"):
        read_published(BucketFiles(s3, "data-bucket"), run_id)


def test_a_forbidden_bucket_is_no_missing_run() -> None:
    s3: Any = FolderAsS3(Path())
    with pytest.raises(ClientError):
        read_published(BucketFiles(s3, "somebody-elses"), RUN)


def test_a_key_that_leads_out_of_the_folder_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "photos").mkdir()
    assert photos_in_folder(tmp_path / "photos", [PREFIX]).read(f"{PREFIX}../secret.jpg") is None
