#!/bin/bash
# The head node's user data, run as root at every boot: the services that set it up and that stop it when it is idle.
#
# Before this text the construct (constructs_lib/head_node.py) puts the lines that write what is started here:
# /etc/cloud-hpc/head-node (settings), /usr/local/lib/cloud-hpc/set_up.sh and idle.py. ROOT, a folder to write below
# instead of /, is for trials.
set -euo pipefail

units=${ROOT:-}/etc/systemd/system
mkdir -p "$units"

# First, and by the system's own Python: whatever else fails, the instance does not run on unused.
cat > "$units/cloud-hpc-idle.service" <<'END'
[Unit]
Description=Stop the head node when nobody uses it

[Service]
Type=oneshot
EnvironmentFile=/etc/cloud-hpc/head-node
ExecStart=/usr/bin/python3 /usr/local/lib/cloud-hpc/idle.py
END

cat > "$units/cloud-hpc-idle.timer" <<'END'
[Unit]
Description=Look every minute whether the head node is used

[Timer]
OnBootSec=60
OnUnitActiveSec=60
AccuracySec=1

[Install]
WantedBy=timers.target
END

cat > "$units/cloud-hpc-set-up.service" <<'END'
[Unit]
Description=Compilers, MPI, the shared file system and hpc
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
EnvironmentFile=/etc/cloud-hpc/head-node
ExecStart=/bin/bash /usr/local/lib/cloud-hpc/set_up.sh
# What hpc head-node setup sends may come after the first boot.
Restart=on-failure
RestartSec=60
END

systemctl daemon-reload
systemctl enable --now cloud-hpc-idle.timer
# Not waited for: boot is over, and people can log in, while packages are being installed.
systemctl start --no-block cloud-hpc-set-up.service
