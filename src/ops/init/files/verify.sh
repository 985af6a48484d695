#!/bin/sh
# Checks an agent's work stage by stage, JSON on stdout: verify.sh <id> [--full]
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" verify "$@"
