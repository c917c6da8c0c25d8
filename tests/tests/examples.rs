//! The examples in Rust and in C and C++ are programs that run; those of Python and Node run with
//! their own tests.

#[path = "../../examples/rust/domains.rs"]
mod domains;
#[path = "../../examples/rust/quickstart.rs"]
mod quickstart;

#[test]
fn the_rust_quickstart_runs() {
    quickstart::main().unwrap();
}

#[test]
fn the_rust_example_of_each_domain_runs() {
    domains::main().unwrap();
}
