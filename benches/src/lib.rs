//! What the benches share: the rows that all rivals keep, and the table that they print.

pub mod adventure_works;

/// Whatever goes wrong ends the bench.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rows of the large table.
pub const ROWS: u32 = 100_000;

/// A row's values: one of each kind that business records are made of.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number, from 0.
    pub number: i64,
    /// A title of some words.
    pub title: String,
    /// One of three.
    pub status: &'static str,
    /// A city.
    pub city: String,
    /// Twenty words.
    pub note: String,
}

/// The n-th row: always the same.
#[must_use]
pub fn order(n: u32) -> Order {
    // A small generator: the values should not compress away, nor depend on a library.
    let mut state = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut word = move || {
        const SYLLABLES: [&str; 8] = ["ka", "to", "mi", "ren", "sul", "pa", "vor", "ne"];
        let number = next();
        let at = |shift: u32| ((number >> shift) & 7) as usize;
        [0, 8, 16].iter().filter_map(|shift| SYLLABLES.get(at(*shift))).copied().collect::<String>()
    };
    let status = match n % 3 {
        0 => "open",
        1 => "in_progress",
        _ => "done",
    };
    let mut words = |count: usize| (0..count).map(|_| word()).collect::<Vec<_>>().join(" ");
    Order { number: i64::from(n), title: words(3), status, city: words(1), note: words(20) }
}

/// The middle one of some times.
#[must_use]
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One line of a bench's table.
#[derive(Debug)]
pub struct Line {
    /// What was done.
    pub what: String,
    /// Each rival with its time, in microseconds.
    pub times_us: Vec<(&'static str, f64)>,
    /// At most so many times the second rival's, if there is a bound.
    pub bound: Option<f64>,
}

/// Prints a table, and returns whether all bounds hold. The ratio is the first rival's time to the
/// second's.
#[must_use]
pub fn print(lines: &[Line]) -> bool {
    let mut all_hold = true;
    for Line { what, times_us, bound } in lines {
        let times: Vec<_> =
            times_us.iter().map(|(who, time)| format!("{who} {time:>10.1} us")).collect();
        let ratio = match times_us.as_slice() {
            [(_, first), (_, second), ..] => first / second,
            _ => f64::NAN,
        };
        let verdict = match bound {
            Some(bound) if ratio <= *bound => format!("within {bound}"),
            Some(bound) => {
                all_hold = false;
                format!("OVER {bound}")
            }
            None => String::new(),
        };
        println!("{what:<34} {}   ratio {ratio:>6.2} {verdict}", times.join("   "));
    }
    all_hold
}
