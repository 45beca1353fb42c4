//! Intervals such as `'7 days'`, of units that always last equally long.

/// The milliseconds of `'7 days'` or `'1 hour 30 minutes'`; `None`: it is no such text.
pub(super) fn millis(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let mut all = 0_i64;
    let mut any = false;
    while let Some(number) = words.next() {
        let number: i64 = number.parse().ok()?;
        let unit = unit_millis(&words.next()?.to_ascii_lowercase())?;
        all = all.checked_add(number.checked_mul(unit)?)?;
        any = true;
    }
    any.then_some(all)
}

/// A month or year has no length of its own.
fn unit_millis(unit: &str) -> Option<i64> {
    const SECOND: i64 = 1_000;
    Some(match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => SECOND,
        "minute" => 60 * SECOND,
        "hour" => 60 * 60 * SECOND,
        "day" => 24 * 60 * 60 * SECOND,
        "week" => 7 * 24 * 60 * 60 * SECOND,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_numbers_with_units() {
        for (text, expected) in [
            ("7 days", Some(604_800_000)),
            ("1 hour 30 minutes", Some(5_400_000)),
            ("-2 WEEKS", Some(-1_209_600_000)),
            (" 1  second ", Some(1_000)),
            ("", None),
            ("7", None),
            ("days", None),
            ("1.5 days", None),
            ("1 month", None),
            ("9223372036854775807 days", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
