//! The program of the README is the quickstart example, word for word.

#[test]
fn the_readme_shows_the_quickstart_as_it_is() {
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |name: &str| std::fs::read_to_string(format!("{root}/{name}")).unwrap();
    let (readme, example) = (read("README.md"), read("examples/quickstart.rs"));
    let start = example.find("use serde").unwrap();
    let program = example[start..].trim();
    assert!(readme.contains(program), "README.md does not hold examples/quickstart.rs");
}
