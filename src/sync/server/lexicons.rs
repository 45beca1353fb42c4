//! The names that devices need not tell, because they have them with the schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Resolved, part_of};
use crate::codec::{Digest, Lexicon, SchemaMark};
use crate::model::Schema;

/// So many parts of the schema have their names kept: users of the same tables have the same one.
const KEPT_MAX: usize = 64;

/// Names of the parts of the schema that devices have, by their digests.
#[derive(Debug, Clone, Default)]
pub(super) struct Lexicons(BTreeMap<Digest, Arc<Lexicon>>);

impl Lexicons {
    /// Those of the part that someone has; `None`: that is not the one that is marked so.
    pub(super) fn of(
        &mut self,
        resolved: &Resolved,
        schema: &Schema,
        mark: SchemaMark,
    ) -> Option<Arc<Lexicon>> {
        if SchemaMark::of(resolved.schema) != mark {
            return None;
        }
        if self.0.len() >= KEPT_MAX && !self.0.contains_key(&resolved.schema) {
            self.0.clear();
        }
        let of_part = || {
            let part = part_of(resolved.standing.as_ref().ok(), schema);
            Arc::new(Lexicon::of(&part, resolved.schema))
        };
        Some(Arc::clone(self.0.entry(resolved.schema).or_insert_with(of_part)))
    }
}
