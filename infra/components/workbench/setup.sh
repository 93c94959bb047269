#!/bin/bash
# The only step of a workbench's cluster: puts JupyterHub behind the workbench's own password, proves that the
# account which comes with EMR is refused, and begins to keep the notebooks. Nobody is let in before it succeeds;
# if it fails, EMR ends the cluster.
#
#   setup.sh <region> s3://<bucket>/<login> s3://<bucket>/<activity> s3://<bucket>/<notebooks>/
#
# The local cloud runs it, too: there WORKBENCH_MACHINE is the folder that stands for this machine's file system,
# and JupyterHub has the port WORKBENCH_PORT.
#
# Sources: EMR Release Guide, "JupyterHub" (configuration, users, administration by steps).
set -euo pipefail
umask 077

fail() {
    echo "workbench: $*" >&2
    exit 1
}

(($# == 4)) || fail "takes a region and three places in S3, but was given $# arguments"
readonly region=$1 login=$2 activity=$3 notebooks=$4
files=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly files user=analyst machine=${WORKBENCH_MACHINE:-} hub=https://localhost:${WORKBENCH_PORT:-9443}
readonly own=$machine/opt/fruits/workbench conf=$machine/etc/jupyter/conf home=$machine/var/lib/jupyter/home/$user
readonly units=$machine/etc/systemd/system
readonly shutdown_actions=$machine/mnt/var/lib/instance-controller/public/shutdown-actions

curl_hub() { # of the hub on this machine, by the certificate that it was given
    sudo curl --silent --show-error --max-time 20 --cacert "$conf/server.crt" "$@"
}

wait_for_hub() {
    for _ in {1..60}; do
        if curl_hub --output /dev/null --fail "$hub/hub/login"; then
            return
        fi
        sleep 3
    done
    fail "JupyterHub did not answer on $hub within three minutes; \`docker logs jupyterhub\` says why:" \
        "$(sudo docker logs --tail 20 jupyterhub 2>&1)"
}

must_refuse() { # <account> <password>
    local answer form=$files/form
    # Newer JupyterHubs take a password only with what their form holds, so it is sent along; older ones ignore it.
    curl_hub --output /dev/null --fail --cookie-jar "$form" "$hub/hub/login" || fail "JupyterHub shows no form to log in"
    answer=$(curl_hub --include --cookie "$form" --data-urlencode "username=$1" --data-urlencode "password=$2" \
        --data-urlencode "_xsrf=$(awk '$6 == "_xsrf" {print $7}' "$form")" "$hub/hub/login") ||
        fail "JupyterHub does not answer a login"
    # Whoever is let in is sent on, with a cookie; whoever is not gets the form again, with this sentence.
    if [[ $answer != *"Invalid username or password"* || $answer =~ [Hh]ub-[Ll]ogin= ]]; then
        fail "JupyterHub did not refuse $1 with a wrong password: ${answer%%$'\r'*}"
    fi
}

sudo docker inspect jupyterhub >/dev/null || fail "EMR has started no container jupyterhub on this machine"

# The account, and a certificate of this cluster's own.
aws s3 cp --region "$region" --only-show-errors "$login" "$files/login.json" ||
    fail "$login, by which the password is checked, cannot be read"
sudo docker exec jupyterhub id "$user" >/dev/null 2>&1 ||
    sudo docker exec jupyterhub useradd --create-home --shell /bin/bash --no-user-group "$user"
sudo docker exec jupyterhub passwd --lock jovyan >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=workbench" -addext "subjectAltName=DNS:localhost" \
    -keyout "$files/server.key" -out "$files/server.crt" 2>/dev/null
sudo cp "$files/server.key" "$files/server.crt" "$conf/"
fingerprint=$(openssl x509 -in "$files/server.crt" -noout -fingerprint -sha256)

# Whoever has this may ask JupyterHub about kernels: the timer below, and nobody in the container.
token=$(openssl rand -hex 32)
sudo cat "$conf/jupyterhub_config.py" >"$files/emr_config.py"
{
    # First: an import from __future__ has to be.
    cat "$files/hub.py" "$files/emr_config.py"
    printf '\nopen_only_to(c, %s, "%s")\n' "$(python3 -c \
        'import json, sys; print(repr(json.load(open(sys.argv[1]))))' "$files/login.json")" "$token"
} | sudo tee "$conf/jupyterhub_config.py" >/dev/null
sudo chmod 600 "$conf/jupyterhub_config.py" "$conf/server.key"
sudo docker restart jupyterhub >/dev/null
wait_for_hub
must_refuse jovyan jupyter
must_refuse "$user" jupyter
must_refuse "$user" ""

# The notebooks of earlier workbenches of this name, but for what cannot be a file beside the others; and those that
# every workbench has. Each other one has to be read: in its place, what every workbench has would be kept.
place=${notebooks#s3://}
sudo aws s3api list-objects-v2 --region "$region" --bucket "${place%%/*}" --prefix "${place#*/}" \
    --query 'Contents[].Key' --output json >"$files/keys.json" || fail "the notebooks at $notebooks cannot be listed"
python3 "$files/kept.py" "${place#*/}" <"$files/keys.json" >"$files/misfits"
options=(--recursive --only-show-errors)
while IFS= read -r -d '' pattern; do
    options+=(--exclude "$pattern")
done <"$files/misfits"
sudo aws s3 cp --region "$region" "${options[@]}" "$notebooks" "$home" ||
    fail "the notebooks at $notebooks cannot be read"
for name in start.ipynb run_all.ipynb; do
    if ! sudo test -e "$home/$name"; then
        sudo cp "$files/$name" "$home/"
    fi
done
sudo docker exec jupyterhub chown -R "$user" "/home/$user"

# Every minute, and when the machine is shut down.
sudo mkdir -p "$own"
sudo cp "$files/activity.py" "$own/"
printf '%s' "$token" | sudo tee "$own/token" >/dev/null
sudo tee "$own/keep.sh" >/dev/null <<END
#!/bin/bash
# Each of the two is done whatever becomes of the other: nobody who computes is ended as idle for a file that cannot
# be kept.
set -uo pipefail
python3.11 "$own/activity.py" --hub "$hub" --user "$user" --token "$own/token" --certificate "$conf/server.crt" \\
    --fingerprint "${fingerprint#*=}" --state "$own/activity.json" &&
    aws s3 cp --region "$region" --only-show-errors "$own/activity.json" "$activity"
told=\$?
# It goes on behind a file that cannot be kept, and says which: 2, because it is none (a pipe), 1, because it failed.
aws s3 sync --region "$region" --only-show-errors --no-follow-symlinks --exclude '.*' --exclude '*/.*' \\
    "$home" "$notebooks"
kept=\$?
((told == 0 && (kept == 0 || kept == 2)))
END
sudo chmod 700 "$own/keep.sh"
sudo tee "$units/fruits-keep.service" >/dev/null <<END
[Unit]
Description=Keeps the workbench's notebooks, and when they were used
[Service]
Type=oneshot
ExecStart=$own/keep.sh
END
sudo tee "$units/fruits-keep.timer" >/dev/null <<END
[Unit]
Description=Every minute
[Timer]
OnActiveSec=60
OnUnitActiveSec=60
AccuracySec=1
[Install]
WantedBy=timers.target
END
sudo "$own/keep.sh" || fail "the notebooks cannot be kept at $notebooks (see above)"
sudo systemctl daemon-reload
sudo systemctl enable --now fruits-keep.timer
# Source: EMR Management Guide, "Use shutdown actions": each has 60 seconds, and may be cut off.
sudo install -d -m 755 "$shutdown_actions"
sudo cp "$own/keep.sh" "$shutdown_actions/"
echo "workbench: open; its certificate has the $fingerprint"
