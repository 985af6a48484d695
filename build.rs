//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A position-independent program is relocated at every start: 0.65 MB of tables of addresses are written, which
    // then belong to each process alone. Supervisor and keeper are two such processes an agent, and every command is a
    // start. Heap, stack and libraries are still at random addresses. See docs/design/supervisor.md, "Memory".
    println!("cargo::rustc-link-arg-bins=-no-pie");
}
