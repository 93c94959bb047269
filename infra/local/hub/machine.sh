#!/bin/bash
# What runs on the primary node: JupyterHub with its proxy, and the timer by which notebooks are kept. All of it is
# one process group. JupyterHub's first start, with the account that everybody knows, is left out.
#
#   machine.sh <JupyterHub's program> <the proxy's program and arguments>
set -euo pipefail
readonly run=$WORKBENCH_MACHINE/run config=$WORKBENCH_MACHINE/etc/jupyter/conf/jupyterhub_config.py
readonly timer=$WORKBENCH_MACHINE/etc/systemd/system/fruits-keep.timer

await() {
    until [[ -e $1 ]]; do
        sleep 0.1
    done
}

await "$run/restart"
"${@:2}" &
"$1" --config "$config" &
await "$run/timer"
seconds=$(sed -n 's/^OnUnitActiveSec=//p' "$timer")
while sleep "$seconds"; do
    "$WORKBENCH_MACHINE/opt/fruits/workbench/keep.sh" || echo "not everything was kept, or told, this time (see above)" >&2
done
