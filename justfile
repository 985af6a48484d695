# What a contributor runs. Each recipe is one documented command of CONTRIBUTING.md; just is not needed.

# The same as the gate, without installing anything
check:
    cargo fmt --all --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo test --locked

# Figures of the issue, side by side
bench *args:
    cargo bench --locked {{ args }}

# The demo
demo:
    cargo run --release --locked -- demo
