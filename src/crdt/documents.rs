use super::{CrdtError, Document, History};
use crate::model::{ChangeRef, RecordId, Section};

/// What the documents that are kept weigh together, but for the last one: one may be as large as it likes.
const WEIGHT_KEPT_MAX: usize = 8 << 20;
/// What is rebuilt in less than a millisecond is not worth keeping.
const WEIGHT_MIN: usize = 8 << 10;

/// The documents of sections that were needed lately. A long history is replayed once, and not with
/// every change that someone writes.
#[derive(Debug, Clone, Default)]
pub struct Documents {
    /// Last used last.
    kept: Vec<(RecordId, Document)>,
}

impl Documents {
    /// The document of a section with this history. It may hold changes beside these, which `also`
    /// knows.
    ///
    /// # Errors
    /// The history is not one that Tidegate wrote.
    pub fn take(
        &mut self,
        record: RecordId,
        section: &Section,
        history: Option<&History>,
        also: impl Fn(ChangeRef) -> bool,
    ) -> Result<Document, CrdtError> {
        let is_it =
            |(id, document): &(RecordId, Document)| *id == record && document.section() == section;
        let known = |change| history.is_some_and(|history| history.holds(change)) || also(change);
        let kept = self.kept.iter().position(is_it).map(|at| self.kept.remove(at).1);
        let mut document = match kept {
            Some(document) if document.changes().all(known) => document,
            _ => Document::new(section.clone()),
        };
        for change in history.into_iter().flat_map(History::changes) {
            if !document.holds(change.id) {
                document.apply(change)?;
            }
        }
        Ok(document)
    }

    /// Keeps a document for the next time, with the states on which its latest changes were written.
    pub fn keep(&mut self, record: RecordId, document: Document) {
        if document.weight() < WEIGHT_MIN {
            return;
        }
        self.kept.retain(|(id, kept)| *id != record || kept.section() != document.section());
        let mut weight: usize = self.kept.iter().map(|(_, kept)| kept.weight()).sum();
        while weight > WEIGHT_KEPT_MAX {
            weight -= self.kept.remove(0).1.weight();
        }
        self.kept.push((record, document));
    }
}
