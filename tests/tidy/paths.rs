//! The paths that a source file names: those in its code and, written out, those in its `use`s.

use crate::tokens::Token;

/// A path as `["crate", "model", "Value"]`; `*` stands for a glob import.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub(crate) parts: Vec<String>,
    /// The line of its last part, from 1.
    pub(crate) line: usize,
    /// How many modules of its own file it stands in.
    pub(crate) depth: usize,
    /// Whether it stands in a `use` or `extern crate`.
    pub(crate) import: bool,
}

impl NamedPath {
    pub(crate) fn part(&self, at: usize) -> Option<&str> {
        self.parts.get(at).map(String::as_str)
    }

    pub(crate) fn starts_with(&self, start: &[&str]) -> bool {
        start.len() <= self.parts.len() && start.iter().zip(&self.parts).all(|(a, b)| a == b)
    }
}

/// All paths in `tokens`, in order.
pub(crate) fn paths(tokens: &[Token]) -> Vec<NamedPath> {
    let mut found = Vec::new();
    let (mut modules, mut braces, mut at) = (Vec::new(), 0_usize, 0);
    let mut import = false;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "mod" if text(tokens, at + 2) == "{" => modules.push(braces),
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                modules.pop_if(|opened| *opened == braces);
            }
            "use" | "extern" => import = true,
            ";" => import = false,
            _ => {}
        }
        if starts_path(tokens, at) {
            let mut tree = Tree { tokens, depth: modules.len(), import, found: &mut found };
            at = tree.read(at, &[]);
        } else {
            at += 1;
        }
    }
    found
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn starts_path(tokens: &[Token], at: usize) -> bool {
    let continues = at >= 2
        && text(tokens, at - 1) == "::"
        && (tokens[at - 2].is_name() || text(tokens, at - 2) == ">");
    tokens[at].is_name() && !continues && !matches!(text(tokens, at), "use" | "extern" | "mod")
}

struct Tree<'a> {
    tokens: &'a [Token],
    depth: usize,
    import: bool,
    found: &'a mut Vec<NamedPath>,
}

impl Tree<'_> {
    /// Reads the path, or the tree of paths, at `at` behind `prefix`; returns where it ends.
    fn read(&mut self, mut at: usize, prefix: &[String]) -> usize {
        let mut parts = prefix.to_vec();
        loop {
            match text(self.tokens, at) {
                "{" => return self.read_group(at + 1, &parts),
                name => parts.push(name.to_owned()),
            }
            let next = text(self.tokens, at + 2);
            let goes_on = text(self.tokens, at + 1) == "::"
                && (next == "{"
                    || next == "*"
                    || self.tokens.get(at + 2).is_some_and(Token::is_name));
            if !goes_on {
                let (line, depth, import) = (self.tokens[at].line, self.depth, self.import);
                self.found.push(NamedPath { parts, line, depth, import });
                return at + 1;
            }
            at += 2;
        }
    }

    fn read_group(&mut self, mut at: usize, prefix: &[String]) -> usize {
        while at < self.tokens.len() {
            at = match text(self.tokens, at) {
                "}" => return at + 1,
                "," => at + 1,
                // The new name is no path.
                "as" => at + 2,
                _ => self.read(at, prefix),
            };
        }
        at
    }
}

#[cfg(test)]
fn spelled(source: &str) -> Vec<String> {
    let tokens = crate::tokens::tokens(source);
    paths(&tokens).iter().map(|path| path.parts.join("::")).collect()
}

#[test]
fn groups_are_written_out() {
    let source = "use crate::{gate::{Admitted as A, apply}, model, scope::*};";
    let expected =
        ["crate::gate::Admitted", "crate::gate::apply", "crate::model", "crate::scope::*"];
    assert_eq!(spelled(source), expected);
}

#[test]
fn paths_in_code_are_found() {
    let source = "Vec::<tokio::Task>::new(crate::store::open)";
    assert_eq!(spelled(source), ["Vec", "tokio::Task", "crate::store::open"]);
}

#[test]
fn modules_within_a_file_are_counted() {
    let tokens =
        crate::tokens::tokens("super::a mod m { fn f() { super::b } mod n { super::c } } super::d");
    let depths: Vec<_> = paths(&tokens)
        .iter()
        .filter(|path| path.part(0) == Some("super"))
        .map(|path| path.depth)
        .collect();
    assert_eq!(depths, [0, 1, 2, 0]);
}
