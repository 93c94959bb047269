#!/bin/bash
# EMR bootstrap action: installs the job's locked Python packages on a node, without internet.
#
#   bootstrap.sh s3://<bucket>/artifacts/wheelhouse-<hash>/ <folder of the virtual environment>
#
# The first folder holds wheels and a requirements.txt with a hash for each of them. pip refuses what is
# missing, altered or not pinned; any failure ends the bootstrap, and EMR ends the cluster with
# BOOTSTRAP_FAILURE and keeps this output in its log.
set -euo pipefail

readonly wheelhouse=${1:?usage: bootstrap.sh s3://<bucket>/<prefix of the wheelhouse>/ <folder>}
readonly venv=${2:?usage: bootstrap.sh s3://<bucket>/<prefix of the wheelhouse>/ <folder>}

if ! command -v python3.11 >/dev/null; then
    echo "bootstrap: this node has no python3.11; use an EMR release that has it (7.x)" >&2
    exit 1
fi

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT

aws s3 cp --recursive --only-show-errors "$wheelhouse" "$download"
sudo python3.11 -m venv "$venv"
sudo "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-index --find-links "$download" --require-hashes --requirement "$download/requirements.txt"
"$venv/bin/python" -m pip check
echo "bootstrap: installed $("$venv/bin/python" -m pip list --format=freeze | wc -l) packages into $venv"
