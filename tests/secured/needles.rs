//! Values that no byte string holds by chance, and a search for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _,
};

/// Long enough to be nothing else.
const START: usize = 8;

/// Values to be looked for, each in several forms.
#[derive(Default)]
pub(crate) struct Needles {
    by_start: BTreeMap<[u8; START], Vec<(usize, Vec<u8>)>>,
    pub(crate) count: usize,
}

impl Needles {
    pub(crate) fn of(texts: &[&str]) -> Self {
        let mut needles = Self::default();
        for text in texts {
            needles.add_text(text);
        }
        needles
    }

    /// Adds a value by the forms in which bytes may hold it.
    fn add(&mut self, forms: Vec<Vec<u8>>) {
        for form in forms {
            let start = form[..START].try_into().unwrap();
            self.by_start.entry(start).or_default().push((self.count, form));
        }
        self.count += 1;
    }

    pub(crate) fn add_text(&mut self, text: &str) {
        self.add(vec![text.as_bytes().to_vec()]);
    }

    /// A decimal number by its digits: as text, as bytes, and as postcard writes numbers.
    pub(crate) fn add_decimal(&mut self, text: &str) {
        let digits: i128 = text.replace('.', "").parse().unwrap();
        let (big, little) = (digits.to_be_bytes(), digits.to_le_bytes());
        let zeros = big.iter().take_while(|byte| **byte == 0).count();
        let mut forms = vec![
            text.as_bytes().to_vec(),
            big[zeros..].to_vec(),
            little[..little.len() - zeros].to_vec(),
        ];
        for mut rest in [digits.unsigned_abs(), digits.unsigned_abs() << 1] {
            let mut bytes = Vec::new();
            while rest > 0 {
                let low = u8::try_from(rest & 0x7f).unwrap();
                rest >>= 7;
                bytes.push(if rest > 0 { low | 0x80 } else { low });
            }
            forms.push(bytes);
        }
        self.add(forms);
    }

    /// Which of the values are in the bytes.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for (at, window) in bytes.windows(START).enumerate() {
            let Some(forms) = self.by_start.get::<[u8]>(window) else { continue };
            let held = forms.iter().filter(|(_, form)| bytes[at..].starts_with(form));
            found.extend(held.map(|(value, _)| *value));
        }
        found
    }

    #[track_caller]
    pub(crate) fn assert_all_in(&self, bytes: &[u8], what: &str) {
        assert_eq!(self.found_in(bytes).len(), self.count, "{what}");
    }

    #[track_caller]
    pub(crate) fn assert_none_in(&self, bytes: &[u8], what: &str) {
        assert_eq!(self.found_in(bytes), BTreeSet::new(), "{what} of {} bytes", bytes.len());
    }
}

/// The tables of a file that hold one of the values.
pub(crate) fn tables_with(needles: &Needles, bytes: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    fs::write(&path, bytes).unwrap();
    let file = Database::open(&path).unwrap();
    let tx = file.begin_read().unwrap();
    let names: Vec<_> = tx.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    let holds = |name: &String| {
        let definition = TableDefinition::<&[u8], &[u8]>::new(name);
        let table = tx.open_table(definition).unwrap();
        table.iter().unwrap().any(|entry| {
            let (key, value) = entry.unwrap();
            !needles.found_in(&[key.value(), value.value()].concat()).is_empty()
        })
    };
    names.into_iter().filter(holds).collect()
}
