fn main() {
    // The migrations are embedded in the binary.
    println!("cargo:rerun-if-changed=migrations");
}
