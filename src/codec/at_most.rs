//! Lists in messages, with a bound.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Reads a list of at most `MAX` things. A longer one is refused at its count, before anything of
/// it is kept.
pub(super) fn at_most<'de, T, D, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_seq(AtMost::<T, MAX>(PhantomData))
}

struct AtMost<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for AtMost<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} things")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        let stated = from.size_hint().unwrap_or_default();
        let mut things = Vec::new();
        if stated > MAX {
            return Err(A::Error::invalid_length(stated, &self));
        }
        while let Some(thing) = from.next_element()? {
            if things.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            things.push(thing);
        }
        Ok(things)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Few(#[serde(deserialize_with = "at_most::<_, _, 3>")] Vec<u8>);

    #[test]
    fn at_the_bound_and_one_past_it() {
        let read = |bytes: &[u8]| postcard::from_bytes::<Few>(bytes).map(|few| few.0);
        assert_eq!(read(&[0]), Ok(vec![]));
        assert_eq!(read(&[3, 1, 2, 3]), Ok(vec![1, 2, 3]));
        assert!(read(&[4, 1, 2, 3, 4]).is_err());
        assert!(read(&[3, 1, 2]).is_err());
    }
}
