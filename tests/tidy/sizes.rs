//! Files and functions stay small enough to be read.

use crate::tokens::{Token, tokens};
use crate::{File, assert_one, assert_tidy, files};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 100;

fn size_problems(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    let mut problems = Vec::new();
    if lines > FILE_LINES_MAX {
        problems.push(format!("{}:{lines}: more than {FILE_LINES_MAX} lines", file.path));
    }
    let tokens = tokens(&file.text);
    for at in 0..tokens.len() {
        let Some((name, lines)) = function(&tokens[at..]) else { continue };
        if lines > FUNCTION_LINES_MAX {
            let line = tokens[at].line;
            problems.push(format!(
                "{}:{line}: `{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}",
                file.path
            ));
        }
    }
    problems
}

/// Name and number of lines of the function that starts here, where one with a body does.
fn function(tokens: &[Token]) -> Option<(&str, usize)> {
    let [keyword, name, rest @ ..] = tokens else { return None };
    if keyword.text != "fn" || !name.is_name() {
        return None;
    }
    // Braces within parentheses or brackets (`[u8; { N }]`) do not open the body.
    let (mut inner, mut braces) = (0_usize, 0_usize);
    for token in rest {
        match token.text.as_str() {
            "(" | "[" if braces == 0 => inner += 1,
            ")" | "]" if braces == 0 => inner = inner.saturating_sub(1),
            ";" if braces == 0 && inner == 0 => return None,
            "{" if inner == 0 => braces += 1,
            "}" if inner == 0 => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return Some((&name.text, token.line - keyword.line + 1));
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn files_and_functions_fit() {
    let files = ["src", "tests", "examples", "benches", "fuzz"].map(|folder| files(folder, ".rs"));
    let own = files.iter().flatten().filter(|file| !file.path.starts_with("fuzz/target/"));
    assert_tidy(&own.flat_map(size_problems).collect::<Vec<_>>());
}

#[test]
fn a_long_file_is_found() {
    let file = |lines| File { path: "src/a.rs".to_owned(), text: "//\n".repeat(lines) };
    assert_tidy(&size_problems(&file(FILE_LINES_MAX)));
    assert_one(&size_problems(&file(FILE_LINES_MAX + 1)), &["src/a.rs:801", "800 lines"]);
}

#[test]
fn a_long_function_is_found() {
    let file = |lines: usize| {
        let body = "    { f('}', \"}\"); } // }\n".repeat(lines - 2);
        let text = format!("\nfn long(a: [u8; 2], b: fn(u8) -> u8) {{\n{body}}}\nfn g() {{}}\n");
        File { path: "src/a.rs".to_owned(), text }
    };
    assert_tidy(&size_problems(&file(FUNCTION_LINES_MAX)));
    assert_one(&size_problems(&file(FUNCTION_LINES_MAX + 1)), &["src/a.rs:2", "`long`", "101"]);
}
