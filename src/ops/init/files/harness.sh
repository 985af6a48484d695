#!/bin/sh
# Finds agent-harness and hands all arguments to it; the other scripts here do so through this one.
# Written by `agent-harness init`.
set -u

self=$(readlink -f -- "$0") || exit 3
folder=${self%/*}
checkout=${folder%/*}

# The program works for the checkout that it is called in, and from anywhere else for this one.
export AGENT_HARNESS_CHECKOUT="$checkout"

# Replaces this shell by the program at $1, if there is one.
try() {
    program=$1
    shift
    if [ -f "$program" ] && [ -x "$program" ]; then
        exec "$program" "$@"
    fi
}

if [ -n "${AGENT_HARNESS_BIN:-}" ]; then
    try "$AGENT_HARNESS_BIN" "$@"
    echo "error: AGENT_HARNESS_BIN=$AGENT_HARNESS_BIN is no program" >&2
    echo "next:  unset AGENT_HARNESS_BIN" >&2
    exit 3
fi
try "$(command -v agent-harness)" "$@"
try "${CARGO_HOME:-${HOME:-}/.cargo}/bin/agent-harness" "$@"
# Where the last `init` in this clone was run from.
try "$(git -C "$checkout" config --get agent-harness.program 2>/dev/null)" "$@"

echo "error: agent-harness is neither in PATH nor in Cargo's folder of programs" >&2
echo "next:  cargo install --locked --path <checkout of agent-harness>   or export AGENT_HARNESS_BIN=<the program>" >&2
exit 3
