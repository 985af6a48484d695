#!/bin/sh
# Removes all that launch made for an agent: teardown.sh <id>|--all
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" teardown "$@"
