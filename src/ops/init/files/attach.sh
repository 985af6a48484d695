#!/bin/sh
# Attaches to the session of an agent's coding agent: attach.sh <id>
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" attach "$@"
