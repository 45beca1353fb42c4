//! Reading typed values out of the tree, so that every complaint names key and place.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::model::NameError;

use super::document::{Entry, Node, Tree};
use super::{DocumentError, Fault, Mistake, Noun, Place};

pub(super) type Read<T> = Result<T, DocumentError>;

/// An object of the tree, and what it is an object of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) place: &'a Place,
    entries: &'a [Entry],
}

/// A value of an object, with its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) key: &'a str,
    /// Where the key stands.
    pub(super) place: &'a Place,
    pub(super) value: &'a Node,
}

impl<'a> Object<'a> {
    /// The document itself, which has no keys but these.
    pub(super) fn document(node: &'a Node, known: &[&str]) -> Read<Self> {
        let Tree::Object(entries) = &node.tree else {
            return Err(DocumentError::WrongType {
                place: node.place.clone(),
                key: "the document".into(),
                expected: "a table of keys",
                found: node.tree.type_name(),
            });
        };
        Self { place: &node.place, entries }.knowing(known)
    }

    fn knowing(self, known: &[&str]) -> Read<Self> {
        match self.entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            None => Ok(self),
            Some(entry) => Err(DocumentError::UnknownKey {
                place: entry.place.clone(),
                key: entry.key.clone(),
                known: known.join(", "),
            }),
        }
    }

    /// The keys with their values. A null, which only JSON has, is as good as an absent key.
    pub(super) fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let given = self.entries.iter().filter(|entry| !matches!(entry.value.tree, Tree::Null));
        given.map(|entry| Field { key: &entry.key, place: &entry.place, value: &entry.value })
    }

    pub(super) fn get(self, key: &str) -> Option<Field<'a>> {
        self.fields().find(|field| field.key == key)
    }

    pub(super) fn require(self, key: &str) -> Read<Field<'a>> {
        self.get(key).ok_or_else(|| DocumentError::MissingKey {
            place: self.place.clone(),
            key: key.to_owned(),
        })
    }

    /// The objects of a list of objects; none where the key is absent.
    pub(super) fn objects(self, key: &str, known: &[&str]) -> Read<Vec<Object<'a>>> {
        let Some(field) = self.get(key) else { return Ok(Vec::new()) };
        let Tree::List(items) = &field.value.tree else {
            return Err(field.wrong_type("a list of tables"));
        };
        let object = |node: &'a Node| match &node.tree {
            Tree::Object(entries) => Object { place: &node.place, entries }.knowing(known),
            _ => Err(Field { value: node, ..field }.wrong_type("a list of tables")),
        };
        items.iter().map(object).collect()
    }

    /// A name that must be there.
    pub(super) fn name<T: FromStr<Err = NameError>>(self, key: &str) -> Read<T> {
        self.require(key)?.name()
    }

    /// A name that may be absent.
    pub(super) fn optional_name<T: FromStr<Err = NameError>>(self, key: &str) -> Read<Option<T>> {
        self.get(key).map(Field::name).transpose()
    }

    /// A list of names; empty where the key is absent.
    pub(super) fn names<T: FromStr<Err = NameError> + Ord>(self, key: &str) -> Read<BTreeSet<T>> {
        let Some(field) = self.get(key) else { return Ok(BTreeSet::new()) };
        let Tree::List(items) = &field.value.tree else {
            return Err(field.wrong_type("a list of texts"));
        };
        items.iter().map(|value| Field { value, place: &value.place, ..field }.name()).collect()
    }

    /// The texts of a list, each with its place; none where the key is absent.
    pub(super) fn texts(self, key: &str) -> Read<Vec<Field<'a>>> {
        let Some(field) = self.get(key) else { return Ok(Vec::new()) };
        let Tree::List(items) = &field.value.tree else {
            return Err(field.wrong_type("a list of texts"));
        };
        let text = |value: &'a Node| {
            let field = Field { value, place: &value.place, ..field };
            field.text().map(|_| field)
        };
        items.iter().map(text).collect()
    }

    /// A boolean; false where the key is absent.
    pub(super) fn flag(self, key: &str) -> Read<bool> {
        self.get(key).map_or(Ok(false), Field::boolean)
    }
}

impl<'a> Field<'a> {
    pub(super) fn wrong_type(self, expected: &'static str) -> DocumentError {
        DocumentError::WrongType {
            place: self.value.place.clone(),
            key: self.key.to_owned(),
            expected,
            found: self.value.tree.type_name(),
        }
    }

    pub(super) fn text(self) -> Read<&'a str> {
        match &self.value.tree {
            Tree::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a text")),
        }
    }

    pub(super) fn boolean(self) -> Read<bool> {
        match self.value.tree {
            Tree::Boolean(truth) => Ok(truth),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn integer(self) -> Read<i64> {
        match self.value.tree {
            Tree::Integer(number) => Ok(number),
            _ => Err(self.wrong_type("an integer")),
        }
    }

    pub(super) fn name<T: FromStr<Err = NameError>>(self) -> Read<T> {
        self.text()?.parse().map_err(|error| DocumentError::Name {
            place: self.value.place.clone(),
            key: self.key.to_owned(),
            error,
        })
    }

    /// The key itself as a name.
    pub(super) fn key_name<T: FromStr<Err = NameError>>(self) -> Read<T> {
        self.key.parse().map_err(|error| DocumentError::Name {
            place: self.place.clone(),
            key: self.key.to_owned(),
            error,
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(self, known: &[(&str, T)]) -> Read<T> {
        let text = self.text()?;
        match known.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => Err(self.not_a_choice(text, &words(known))),
        }
    }

    pub(super) fn not_a_choice(self, found: &str, known: &str) -> DocumentError {
        DocumentError::NotAChoice {
            place: self.value.place.clone(),
            key: self.key.to_owned(),
            found: found.to_owned(),
            known: known.to_owned(),
        }
    }

    /// The value as an object with no keys but these; any, where none are given.
    pub(super) fn object(self, known: &[&str]) -> Read<Object<'a>> {
        let Tree::Object(entries) = &self.value.tree else {
            return Err(self.wrong_type("a table of keys"));
        };
        let object = Object { place: self.place, entries };
        if known.is_empty() { Ok(object) } else { object.knowing(known) }
    }
}

fn words<T>(known: &[(&str, T)]) -> String {
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

/// Where declared things stand: refuses a second of one name, and places the mistakes that are
/// found when all are known.
#[derive(Debug)]
pub(super) struct Declared {
    file: Place,
    objects: BTreeMap<(Noun, String), Place>,
    keys: BTreeMap<(Noun, String, String), Place>,
}

impl Declared {
    pub(super) fn new(file: &str) -> Self {
        Self { file: Place::file(file), objects: BTreeMap::new(), keys: BTreeMap::new() }
    }

    /// Notes an object and where its keys stand.
    pub(super) fn add(&mut self, what: Noun, id: &str, object: Object<'_>) -> Read<()> {
        let place = object.get("id").map_or(object.place, |field| field.place);
        if let Some(first) = self.objects.get(&(what, id.to_owned())) {
            return Err(DocumentError::Duplicate {
                place: place.clone(),
                what: what.as_str(),
                id: id.to_owned(),
                first: first.clone(),
            });
        }
        self.objects.insert((what, id.to_owned()), place.clone());
        for field in object.fields() {
            self.add_key(what, id, field.key, field.place);
            if let Tree::Object(entries) = &field.value.tree {
                for entry in entries {
                    let key = format!("{}.{}", field.key, entry.key);
                    self.add_key(what, id, &key, &entry.place);
                }
            }
        }
        Ok(())
    }

    fn add_key(&mut self, what: Noun, id: &str, key: &str, place: &Place) {
        self.keys.insert((what, id.to_owned(), key.to_owned()), place.clone());
    }

    /// The mistake, placed.
    pub(super) fn placed(&self, mistake: Mistake) -> DocumentError {
        let key = (mistake.what, mistake.id.clone(), mistake.key.clone());
        let object = (mistake.what, mistake.id.clone());
        let place = self.keys.get(&key).or_else(|| self.objects.get(&object));
        DocumentError::Mistake {
            place: place.unwrap_or(&self.file).clone(),
            mistake: mistake.into(),
        }
    }
}

/// A mistake at a field, where reading finds it.
pub(super) fn mistake(field: Field<'_>, what: Noun, id: &str, fault: Fault) -> DocumentError {
    let mistake = Mistake { what, id: id.to_owned(), key: field.key.to_owned(), fault }.into();
    DocumentError::Mistake { place: field.place.clone(), mistake }
}
