"""A folder of photos in the data bucket, by the code of `fruits submit` and without its questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.aws.uploads import S3Uploads
from lambdas.cli.photo_folder import read_folder
from lambdas.cli.upload import Tell, jobs, upload
from lambdas.contract.layout import IMAGES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def upload_photos(
    s3: S3Client, bucket: str, dataset: str, folder: Path, tell: Tell = lambda _photo, _sent: None
) -> None:
    """Upload every photo below ``folder`` as the data set's, whatever is there already; ``tell`` of each."""
    prefix = f"{IMAGES}{dataset}/"
    upload(S3Uploads(s3, bucket), jobs(read_folder(folder, prefix).photos, prefix, stored={}), tell)
