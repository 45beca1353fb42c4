//! The patterns of `like`.

/// A pattern: `%` stands for any characters, `_` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    /// Whether large and small letters are the same.
    folds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Just(char),
}

impl Pattern {
    /// Reads a pattern; what follows `escape` means itself. `None`: it ends in that character.
    pub(super) fn new(text: &str, escape: Option<char>, folds: bool) -> Option<Self> {
        let mut parts = Vec::with_capacity(text.len());
        let mut all = text.chars();
        while let Some(next) = all.next() {
            match next {
                next if Some(next) == escape => push(&mut parts, all.next()?, folds),
                '%' => parts.push(Part::Any),
                '_' => parts.push(Part::One),
                next => push(&mut parts, next, folds),
            }
        }
        Some(Self { parts, folds })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        if self.folds {
            self.matches_all(text.chars().flat_map(char::to_lowercase))
        } else {
            self.matches_all(text.chars())
        }
    }

    /// Goes back to behind the last `%` where what follows does not fit: no more than the lengths of
    /// both multiplied.
    fn matches_all(&self, mut text: impl Iterator<Item = char> + Clone) -> bool {
        let mut at = 0;
        // Behind the last `%`, and the text that it may take yet another character of.
        let mut again: Option<(usize, _)> = None;
        loop {
            let mut ahead = text.clone();
            let next = ahead.next();
            let fits = match (self.parts.get(at), next) {
                (Some(Part::Any), _) => {
                    again = Some((at + 1, text.clone()));
                    at += 1;
                    continue;
                }
                (None, None) => return true,
                (Some(Part::One), Some(_)) => true,
                (Some(Part::Just(wanted)), Some(next)) => *wanted == next,
                (Some(_), None) => return false,
                (None, Some(_)) => false,
            };
            if fits {
                (text, at) = (ahead, at + 1);
                continue;
            }
            let Some((behind, mut from)) = again.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            (text, at) = (from.clone(), behind);
            again = Some((behind, from));
        }
    }
}

fn push(parts: &mut Vec<Part>, next: char, folds: bool) {
    if folds {
        parts.extend(next.to_lowercase().map(Part::Just));
    } else {
        parts.push(Part::Just(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_any_and_underscore_is_one() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("a%", "abc", true),
            ("a%", "ba", false),
            ("%c", "abcbc", true),
            ("%b_", "abcbc", true),
            ("a_c", "aöc", true),
            ("a_c", "ac", false),
            ("%a%a%b", "aaaaaaaaaaaaac", false),
            ("a%b%c", "a-b-b-c", true),
            ("A", "a", false),
        ] {
            let pattern_read = Pattern::new(pattern, None, false).unwrap();
            assert_eq!(pattern_read.matches(text), expected, "{text:?} like {pattern:?}");
        }
    }

    #[test]
    fn an_escaped_character_means_itself() {
        let escaped = Pattern::new("100!%", Some('!'), false).unwrap();
        assert!(escaped.matches("100%"));
        assert!(!escaped.matches("1000"));
        assert_eq!(Pattern::new("100!", Some('!'), false), None);
    }

    #[test]
    fn folding_takes_large_and_small_letters_for_the_same() {
        let folding = Pattern::new("gRÜSSE%", None, true).unwrap();
        assert!(folding.matches("Grüsse aus Bern"));
        assert!(!folding.matches("Gruss"));
    }
}
