//! A new migration is part of the program, though no Rust file changes with it.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
