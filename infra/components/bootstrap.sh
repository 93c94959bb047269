#!/bin/bash
# EMR bootstrap action: installs the job's locked Python packages on a node, without internet.
#
#   bootstrap.sh s3://<bucket>/artifacts/wheelhouse-<set>-<hash>/ <folder of the virtual environment> <region>
#                [<further wheelhouse> ...]
#
# A wheelhouse holds wheels and a requirements.txt with a hash for each of them; the first one holds pip, too,
# which refuses what is missing, altered or not pinned. Any failure ends the bootstrap, and EMR ends the
# cluster with BOOTSTRAP_FAILURE and keeps this output in its log.
set -euo pipefail

fail() {
    echo "bootstrap: $*" >&2
    exit 1
}

(($# >= 3)) || fail "takes an s3:// folder, a local folder and a region, but was given $# arguments"
readonly venv=$2 region=$3
readonly wheelhouses=("$1" "${@:4}")
for wheelhouse in "${wheelhouses[@]}"; do
    [[ $wheelhouse == s3://?*/?*/ ]] ||
        fail "a wheelhouse is a folder, s3://<bucket>/<folder>/, but was '$wheelhouse'"
done
[[ $venv == /?* ]] ||
    fail "the second argument is the absolute folder of the virtual environment, but was '$venv'"
[[ $region =~ ^[a-z]+(-[a-z]+)+-[0-9]+$ ]] ||
    fail "the third argument is the bucket's region, such as eu-west-1, but was '$region'"

readonly began=${EPOCHREALTIME/[.,]/}
since=$began parts=""

seconds() { # of so many microseconds
    local tenths=$((($1 + 50000) / 100000))
    echo "$((tenths / 10)).$((tenths % 10)) s"
}

done_with() { # a part of the work: notes how long it took
    local now=${EPOCHREALTIME/[.,]/}
    parts+=", $1 $(seconds $((now - since)))"
    since=$now
}

# Bootstrap actions come before EMR's applications, which may be what brings the interpreter.
if ! command -v python3.11 >/dev/null; then
    echo "bootstrap: this node has no python3.11; installing it from the repository of Amazon Linux"
    # In S3, to which the network has a way: al2023-repos-<region>-de612dc2.
    sudo dnf install --assumeyes --quiet python3.11 || true
    command -v python3.11 >/dev/null || fail "this node has no python3.11, and dnf (see above) could not" \
        "install it from the repository of Amazon Linux. Let the network's S3 endpoint read the bucket" \
        "al2023-repos-$region-de612dc2, or choose an EMR release whose nodes have Python 3.11 (7.x)"
    done_with interpreter
fi

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT

wanted=()
for number in "${!wheelhouses[@]}"; do
    folder=$download/$number
    # Without its region, the command may begin at the S3 of another one, to which the network has no way.
    aws s3 cp --region "$region" --recursive --only-show-errors "${wheelhouses[number]}" "$folder"
    wanted+=(--find-links "$folder" --requirement "$folder/requirements.txt")
done
done_with download

# Without the pip that comes with Python: to install it would take longer than to run ours from its wheel.
sudo python3.11 -m venv --without-pip "$venv"
done_with venv

pip=("$download"/0/pip-*.whl)
[[ -f ${pip[0]} ]] || fail "there is no pip in ${wheelhouses[0]}"
# It checks all the others, and itself too late.
grep --quiet --fixed-strings "sha256:$(sha256sum <"${pip[0]}" | head --bytes=64)" "$download/0/requirements.txt" ||
    fail "${pip[0]##*/} does not match the hashes in ${wheelhouses[0]}requirements.txt"
sudo "$venv/bin/python" "${pip[0]}/pip" install --quiet --disable-pip-version-check --no-compile \
    --no-index --require-hashes "${wanted[@]}"
done_with install

# Also leaves their bytecode, which root alone can: else every process of the steps would compile them anew.
sudo "$venv/bin/python" -c '
import ai_edge_litert.interpreter, awscrt.auth, numpy, obstore.store, PIL.Image, pyarrow.csv, pyarrow.parquet, re2, urllib3' || fail "what was installed cannot be imported (see above)"
done_with check

packages=("$venv"/lib/python3.11/site-packages/*.dist-info)
echo "bootstrap: installed ${#packages[@]} packages into $venv"
echo "bootstrap: took $(seconds $((since - began)))${parts/,/:}"
