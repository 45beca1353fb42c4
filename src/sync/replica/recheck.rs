//! A recheck: the device compares all that it holds with what it should hold, by digests, and is sent what
//! differs. The server's digests are of what the device holds when they arrive, since all that it is told
//! comes in one stream; so edits may come and go meanwhile.

use super::desk::{Desk, replay};
use super::session::{SessionError, Stage};
use super::{Event, Output, ReplicaMachine};
use crate::codec::{
    DecodeError, Digest, RangeDigest, RangeSum, ScanPlace, Stretch, ToServer, encode_message,
    record_digest,
};
use crate::limits::{COMPARED_FAN_OUT, COMPARED_GRAIN_MAX, COMPARED_STRETCHES_MAX, PAGE_LOOKS_MAX};
use crate::model::{RecordId, Sequence, TableName, Timestamp};
use crate::sync::{Held, ReplicaStore, StoreError};

/// What a recheck found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecheckReport {
    /// Confirmed records that were looked at.
    pub records: u64,
    /// Ranges of records that were compared.
    pub ranges: u64,
    /// Records that were missing or other than on the server, and were fetched.
    pub mended: u64,
    /// Records that this device should not have: they left.
    pub purged: u64,
    /// Rows that did not show what is confirmed and pending: written again, without the server.
    pub rows: u64,
    /// Bytes that it took: the digests, and about what the fetched records take.
    pub bytes: u64,
}

/// A recheck that is to be made, or is under way.
#[derive(Debug, Clone)]
pub(super) struct Recheck {
    number: u32,
    /// Whether it has begun in this session: nothing is pushed then.
    has_begun: bool,
    /// What is to be compared, and how many records a range of it has; the last is next.
    todo: Vec<(usize, Stretch)>,
    /// What the server was asked.
    asked: Option<(usize, Vec<Stretch>)>,
    report: RecheckReport,
}

impl Recheck {
    fn new(number: u32, grain: usize) -> Self {
        let todo = vec![(grain, Stretch::default())];
        Self { number, has_begun: false, todo, asked: None, report: RecheckReport::default() }
    }

    /// Takes what is to be asked next.
    fn next(&mut self) -> Option<(usize, Vec<Stretch>)> {
        let (grain, _) = *self.todo.last()?;
        let mut stretches = Vec::new();
        while let Some((_, stretch)) =
            self.todo.pop_if(|next| next.0 == grain && stretches.len() < COMPARED_STRETCHES_MAX)
        {
            stretches.push(stretch);
        }
        Some((grain, stretches))
    }
}

/// What is here of a range.
struct Looked {
    digest: Digest,
    /// The first confirmed records of it.
    records: Vec<(ScanPlace, Digest)>,
    /// Whether there are more than these.
    is_more: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where `map_err` passes by value")]
fn damaged(error: DecodeError) -> StoreError {
    StoreError::Damaged(error.to_string())
}

impl ReplicaMachine {
    /// Compares all that is held with what the server says, and has it mended; from the beginning where that
    /// is under way. It begins when the device has all that it is told of, goes before what is pending, and
    /// begins anew with the next session where one ends. Returns its number, by which
    /// [`Self::rechecked`] tells what came of it.
    pub fn recheck<S: ReplicaStore>(&mut self, store: &mut S, now: Timestamp) -> u32 {
        self.rechecks = self.rechecks.wrapping_add(1);
        self.recheck = Some(Recheck::new(self.rechecks, self.compared_grain));
        self.push_or_end(store, now);
        self.rechecks
    }

    /// What came of a recheck, or of one that took its place; `None`: it is not done.
    #[must_use]
    pub fn rechecked(&self, number: u32) -> Option<RecheckReport> {
        self.last_recheck.filter(|last| last.0 >= number).map(|last| last.1)
    }

    /// What is held may be wrong: it is rechecked, at most once in a session.
    pub(super) fn suspect(&mut self) {
        let is_first =
            self.session.as_mut().is_none_or(|it| !std::mem::replace(&mut it.suspected, true));
        if is_first && self.recheck.is_none() {
            self.rechecks = self.rechecks.wrapping_add(1);
            self.recheck = Some(Recheck::new(self.rechecks, self.compared_grain));
        }
    }

    /// A recheck begins anew with the next session. What it mended is mended.
    pub(super) fn put_off_recheck(&mut self) {
        if let Some(recheck) = &mut self.recheck {
            let report = RecheckReport { records: 0, ranges: 0, ..recheck.report };
            *recheck = Recheck { report, ..Recheck::new(recheck.number, self.compared_grain) };
        }
    }

    /// Compares at first one digest of so many records, at least one, from the next recheck on.
    pub fn set_compared_grain(&mut self, records: usize) {
        self.compared_grain = records.clamp(1, COMPARED_GRAIN_MAX);
    }

    /// Goes on with a recheck, where the server has answered all else. Returns whether one is under way.
    pub(super) fn goes_on_rechecking<S: ReplicaStore>(
        &mut self,
        store: &mut S,
    ) -> Result<bool, StoreError> {
        let is_open = matches!(self.session.as_ref().map(|it| &it.stage), Some(Stage::Open { .. }));
        let is_settled = self.meta.scope.complete && self.meta.scope.target.is_none();
        let Some(recheck) = self.recheck.as_mut().filter(|_| is_open) else { return Ok(false) };
        if !recheck.has_begun {
            if !is_settled {
                return Ok(false);
            }
            recheck.has_begun = true;
            // Nobody else asks for them meanwhile.
            self.fetch(self.meta.wanted.clone());
        }
        let Some(recheck) = &mut self.recheck else { return Ok(false) };
        if recheck.asked.is_some() || !self.meta.wanted.is_empty() {
            return Ok(true);
        }
        let Some((grain, stretches)) = recheck.next() else {
            let (number, report) = (recheck.number, recheck.report);
            // Of what was lost and should not be here any more, there may be bytes that nobody knows of.
            self.note_left();
            // If this fails, it is not done.
            self.recount(store)?;
            self.last_recheck = Some((number, report));
            self.recheck = None;
            self.tell(Event::Rechecked(report));
            return Ok(false);
        };
        recheck.asked = Some((grain, stretches.clone()));
        let (number, grain) = (recheck.number, u32::try_from(grain).unwrap_or(u32::MAX));
        let question = ToServer::Compare { number, grain, stretches };
        recheck.report.bytes += encode_message(&question).map_or(0, |bytes| bytes.len() as u64);
        self.outputs.push_back(Output::Send(question));
        Ok(true)
    }

    /// Notes of what size records came that a recheck may have asked for.
    pub(super) fn note_fetched(&mut self, bytes: usize) {
        if let Some(recheck) = self.recheck.as_mut().filter(|it| it.has_begun) {
            recheck.report.bytes += bytes as u64;
        }
    }

    /// The server says what should be here.
    pub(super) fn compared<S: ReplicaStore>(
        &mut self,
        store: &mut S,
        now: Timestamp,
        (number, watermark): (u32, Sequence),
        ranges: Vec<RangeDigest>,
    ) -> Result<(), SessionError> {
        let Some(recheck) = self.recheck.as_mut().filter(|it| it.number == number) else {
            return Ok(());
        };
        let Some((grain, stretches)) = recheck.asked.take() else { return Ok(()) };
        let mut report = recheck.report;
        report.bytes += ranges.iter().map(|it| 17 + place_bytes(it.end.as_ref())).sum::<u64>();
        report.ranges += ranges.len() as u64;
        if ranges.is_empty() {
            return Err(SessionError::Protocol("it compares nothing".into()));
        }
        let wanted = self.meta.wanted.clone();
        let mut desk = Desk::new(&*store);
        let (mut finer, mut rest) = (Vec::new(), Vec::new());
        let mut ranges = ranges.into_iter();
        for stretch in stretches {
            let mut after = stretch.after;
            let mut is_open = true;
            while is_open && let Some(range) = ranges.next() {
                let is_last = range.end.is_none() || range.end == stretch.end;
                if !is_last
                    && (range.end <= after || is_behind(range.end.as_ref(), stretch.end.as_ref()))
                {
                    return Err(SessionError::Protocol("ranges out of order".into()));
                }
                let part = Stretch { after, end: range.end.clone().or(stretch.end.clone()) };
                let looked = look(&*store, &mut desk, &part, (grain, watermark), &mut report)?;
                if grain == self.compared_grain {
                    report.records += looked.records.len() as u64;
                }
                if looked.digest != range.digest {
                    if grain > 1 {
                        finer.push((finer_than(grain, looked.records.len()), part));
                    } else {
                        rest.extend(self.mend_range(
                            &mut desk,
                            part,
                            &range,
                            looked,
                            &mut report,
                        )?);
                    }
                }
                is_open = !is_last;
                after = range.end;
            }
            if is_open {
                rest.push(Stretch { after, end: stretch.end });
            }
        }
        if ranges.next().is_some() {
            return Err(SessionError::Protocol("it compares more than was asked".into()));
        }
        if let Some(recheck) = &mut self.recheck {
            recheck.todo.extend(rest.into_iter().rev().map(|stretch| (grain, stretch)));
            recheck.todo.extend(finer.into_iter().rev());
            recheck.report = report;
        }
        if !desk.touched().is_empty() || self.meta.wanted != wanted {
            // Of what was lost or altered there may be bytes that nobody knows of.
            self.note_left();
            self.mend_touched(&mut desk, now)?;
            let prepared = desk.finish(&self.meta.schema)?;
            self.write(store, prepared)?;
        }
        self.fetch_new(&wanted);
        self.tell(Event::Rechecking(report));
        Ok(())
    }

    /// Mends a range in which the server has one record, at its end, or none. Returns what of it is left to
    /// be compared again.
    fn mend_range<S: ReplicaStore>(
        &mut self,
        desk: &mut Desk<'_, S>,
        part: Stretch,
        range: &RangeDigest,
        looked: Looked,
        report: &mut RecheckReport,
    ) -> Result<Option<Stretch>, StoreError> {
        let last = looked.records.last().map(|(place, _)| place.clone());
        let mut is_here = false;
        for (place, digest) in looked.records {
            if Some(&place) == range.end.as_ref() {
                let mut sum = RangeSum::default();
                sum.add(&place, digest);
                is_here = sum.digest() == range.digest;
            } else {
                tracing::warn!(table = %place.table, record = %place.record, "it should not be here");
                desk.folder(&place.table, place.record)?.forget();
                report.purged += u64::from(!self.is_pinning(&place.table, place.record));
            }
        }
        if looked.is_more {
            return Ok(Some(Stretch { after: last, end: part.end }));
        }
        if let Some(ScanPlace { table, record }) = range.end.as_ref().filter(|_| !is_here) {
            tracing::warn!(%table, %record, "it is not here as it is on the server");
            // What is on its way already is not wrong.
            let is_coming = self.is_wanted(table, *record) || self.is_pinning(table, *record);
            self.want(table, *record);
            report.mended += u64::from(!is_coming);
        }
        Ok(None)
    }
}

/// Of how many records the next digests are where one of so many differs, of which so many are here.
fn finer_than(grain: usize, here: usize) -> usize {
    (grain.min(here) / COMPARED_FAN_OUT).max(1)
}

/// Whether a place lies behind the end of a stretch.
fn is_behind(place: Option<&ScanPlace>, end: Option<&ScanPlace>) -> bool {
    end.is_some() && place > end
}

fn place_bytes(place: Option<&ScanPlace>) -> u64 {
    place.map_or(0, |place| 18 + place.table.as_str().len() as u64)
}

/// Looks at what is here of a range, and has rows written anew that do not show it.
fn look<S: ReplicaStore>(
    store: &S,
    desk: &mut Desk<'_, S>,
    part: &Stretch,
    (grain, watermark): (usize, Sequence),
    report: &mut RecheckReport,
) -> Result<Looked, StoreError> {
    let (mut sum, mut records) = (RangeSum::default(), Vec::new());
    let mut after = part.after.clone();
    // No range of the server has so many: it differs, however many more there are.
    while sum.records() <= PAGE_LOOKS_MAX.max(grain) {
        let (found, is_last) = next_places(store, after.as_ref(), part, grain)?;
        let held = store.held(&found)?;
        for ((table, record), Held { confirmed, pending }) in found.into_iter().zip(held) {
            if store.row(&table, record)? != replay(&table, record, confirmed.as_ref(), &pending) {
                tracing::warn!(%table, %record, "the row does not show what is confirmed and pending");
                desk.folder(&table, record)?.write_row();
                report.rows += 1;
            }
            let place = ScanPlace { table, record };
            if confirmed.as_ref().is_some_and(|it| it.version() > watermark) {
                // One from behind the log would keep away what is to come, also that it is to leave.
                tracing::warn!(table = %place.table, record = %place.record, "it is from behind the log");
                desk.folder(&place.table, place.record)?.forget();
                report.purged += 1;
            } else if let Some(confirmed) = confirmed {
                let digest = record_digest(&confirmed.to_edit()).map_err(damaged)?;
                sum.add(&place, digest);
                records.push((place.clone(), digest));
            }
            after = Some(place);
        }
        if is_last {
            return Ok(Looked { digest: sum.digest(), records, is_more: false });
        }
    }
    Ok(Looked { digest: sum.digest(), records, is_more: true })
}

type Places = Vec<(TableName, RecordId)>;

/// The next places of a range, and whether it ends with them.
fn next_places<S: ReplicaStore>(
    store: &S,
    after: Option<&ScanPlace>,
    part: &Stretch,
    grain: usize,
) -> Result<(Places, bool), StoreError> {
    let limit = PAGE_LOOKS_MAX.min(COMPARED_FAN_OUT + grain);
    let found = store.places_after(after, limit)?;
    let count = found.len();
    let is_in = |(table, record): &(TableName, RecordId)| {
        let place = ScanPlace { table: table.clone(), record: *record };
        !is_behind(Some(&place), part.end.as_ref())
    };
    let found: Places = found.into_iter().take_while(is_in).collect();
    let is_last = count < limit || found.len() < count;
    Ok((found, is_last))
}
