//! Just enough of Rust's grammar: names and punctuation, without comments and literals.

/// A name (or number), or one character of punctuation; `::` is one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let (mut found, mut line, mut at) = (Vec::new(), 1, 0);
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end > at {
            line += chars[at..end].iter().filter(|c| **c == '\n').count();
            at = end;
            continue;
        }
        let end = at + token_length(&chars[at..]);
        found.push(Token { text: chars[at..end].iter().collect(), line });
        at = end;
    }
    found
}

fn token_length(rest: &[char]) -> usize {
    let name = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
    if name > 0 {
        name
    } else if rest.starts_with(&[':', ':']) {
        2
    } else {
        1
    }
}

/// Where the white space, comment or literal ends that starts at `at`; `at` where none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let after_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let length = match rest {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, '"'),
        ['\'', ..] => quote(rest),
        ['b' | 'c', '"', ..] if !after_name => 1 + quoted(&rest[1..], '"'),
        ['b', '\'', ..] if !after_name => 1 + quoted(&rest[1..], '\''),
        ['r', ..] if !after_name => raw(rest, 1),
        ['b' | 'c', 'r', ..] if !after_name => raw(rest, 2),
        _ => 0,
    };
    at + length
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn quoted(rest: &[char], close: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == close => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character, or the tick of a lifetime.
fn quote(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
        _ => 1,
    }
}

/// A raw string behind a prefix of `prefix` characters; 0 where it is a name such as `r` or `r#x`.
fn raw(rest: &[char], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&'"') {
        return 0;
    }
    let mut close = vec!['#'; hashes + 1];
    close[0] = '"';
    let body = &rest[open + 1..];
    match body.windows(close.len()).position(|window| window == close) {
        Some(at) => open + 1 + at + close.len(),
        None => rest.len(),
    }
}

#[test]
fn comments_and_literals_are_no_tokens() {
    let source = r##"
        // crate::a "
        /* b /* c */ d */ use e; /// crate::f
        let g = "crate::h \" i"; let j = r#"k " l"#; let m = 'n'; let o = '\''; let p = b"q";
        fn r<'s>(t: &'s str) -> u::v
    "##;
    let names: Vec<_> =
        tokens(source).into_iter().filter(Token::is_name).map(|token| token.text).collect();
    let expected = [
        "use", "e", "let", "g", "let", "j", "let", "m", "let", "o", "let", "p", "fn", "r", "s",
        "t", "s", "str", "u", "v",
    ];
    assert_eq!(names, expected);
}

#[test]
fn tokens_know_their_lines() {
    let found = tokens("a\n\"b\n\"\n/* \n */ c::d");
    let found: Vec<_> = found.iter().map(|token| (token.text.as_str(), token.line)).collect();
    assert_eq!(found, [("a", 1), ("c", 5), ("::", 5), ("d", 5)]);
}
