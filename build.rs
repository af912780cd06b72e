//! Rebuilds the crate when a shipped scenario changes: the binary carries a copy of that folder.

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
}
