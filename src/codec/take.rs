//! Reading fields off the front of a byte slice; `None` when it is too short.

/// The next `N` bytes.
pub(super) fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// The next text: a length byte and so many bytes of UTF-8.
pub(super) fn short_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = array(bytes)?;
    let (text, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
