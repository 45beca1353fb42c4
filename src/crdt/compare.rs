//! Which elements of two states of a text or list are the same, where nothing but the values tells.
//!
//! Texts are compared word by word: letter by letter, two sentences that have nothing to do with each
//! other have half of their letters in common, and what was taken out of one would be taken out of
//! the other.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::limits::COMPARED_WORDS_MAX;

/// An element: its name and its value.
pub(super) type Part = (String, String);

/// The elements that are in both states, in the order in which they are in both.
pub(super) fn in_both<'a>(before: &'a [Part], after: &'a [Part]) -> Vec<(&'a Part, &'a Part)> {
    let same = |(old, new): &(&Part, &Part)| old.1 == new.1;
    let front = before.iter().zip(after).take_while(same).count();
    let (old, new) = (before.split_at(front).1, after.split_at(front).1);
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, old_end) = old.split_at(old.len() - behind);
    let (new, new_end) = new.split_at(new.len() - behind);
    let mut pairs: Vec<_> = before.iter().zip(after).take(front).collect();
    pairs.extend(between(old, new));
    pairs.extend(old_end.iter().zip(new_end));
    pairs
}

/// The same for what lies between the first difference and the last.
fn between<'a>(before: &'a [Part], after: &'a [Part]) -> Vec<(&'a Part, &'a Part)> {
    let (old, new) = (words(before), words(after));
    if old.len().max(new.len()) > COMPARED_WORDS_MAX {
        // It counts as new, rather than that a device looks for seconds.
        return Vec::new();
    }
    let values = |words: &[&[Part]]| -> Vec<String> {
        words.iter().map(|word| word.iter().map(|(_, value)| value.as_str()).collect()).collect()
    };
    let mut pairs = Vec::new();
    for step in capture_diff_slices(Algorithm::Myers, &values(&old), &values(&new)) {
        if let DiffOp::Equal { old_index, new_index, len } = step {
            let old = old.iter().skip(old_index).take(len).copied().flatten();
            pairs.extend(old.zip(new.iter().skip(new_index).copied().flatten()));
        }
    }
    pairs
}

/// Letters and digits that follow each other are one word; anything else is one for itself.
fn words(parts: &[Part]) -> Vec<&[Part]> {
    let is_letter = |(_, value): &Part| {
        let mut letters = value.chars();
        letters.next().is_some_and(char::is_alphanumeric) && letters.next().is_none()
    };
    parts.chunk_by(|before, after| is_letter(before) && is_letter(after)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Part, in_both};

    fn parts(text: &str) -> Vec<Part> {
        text.chars().enumerate().map(|(at, letter)| (at.to_string(), letter.to_string())).collect()
    }

    /// What of the first text is in the second.
    fn common(before: &str, after: &str) -> String {
        let (before, after) = (parts(before), parts(after));
        in_both(&before, &after).iter().map(|(old, _)| old.1.as_str()).collect()
    }

    #[test]
    fn words_between_two_differences_are_found() {
        assert_eq!(common("one two three", "0 one two three 4"), "one two three");
        assert_eq!(common("one two three", "zero two four"), " two ");
        assert_eq!(common("a, b; c", "x, b; y"), ", b; ");
    }

    #[test]
    fn a_sentence_that_has_nothing_to_do_with_another_shares_no_letters_within_words() {
        assert_eq!(common("the cat sat", "a dog ran"), "  ");
    }

    #[test]
    fn what_is_the_same_is_the_same_and_nothing_has_nothing_in_common() {
        assert_eq!(common("same", "same"), "same");
        assert_eq!(common("", "new"), "");
        assert_eq!(common("old", ""), "");
    }
}
