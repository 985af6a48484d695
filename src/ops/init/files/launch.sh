#!/bin/sh
# Launches one agent and waits until it is healthy: launch.sh <id>|next [--worktree] [--claude]
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" launch "$@"
