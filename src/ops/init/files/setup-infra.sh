#!/bin/sh
# Starts the shared services and builds the template database: setup-infra.sh
# Written by `agent-harness init`.
self=$(readlink -f -- "$0") || exit 3
exec "${self%/*}/harness.sh" setup-infra "$@"
