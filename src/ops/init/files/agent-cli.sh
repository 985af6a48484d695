#!/bin/sh
# Runs a command for one agent: agent-cli.sh <id> status|logs|health|url|restart|psql|stats|slow-queries|exec
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" cli "$@"
