//! Planted bugs that are in messages on their way.

use std::sync::Arc;

use tidegate::codec::{
    Entry, Page, RangeDigest, RangeSum, SignedChangeSet, Stem, ToDevice, ToServer, record_digest,
};
use tidegate::model::{Change, Edit, Section, Sequence, Verdict};

use crate::planted::Planted;
use crate::world::World;

impl World {
    /// What the server makes of a message.
    pub(crate) fn tampered_up(&self, message: ToServer) -> ToServer {
        match (self.planted, message) {
            (Some(Planted::TrustsWatermarks), ToServer::Hello(mut resume)) => {
                let head = self.disk.file.meta.head;
                if resume.epoch == self.disk.file.meta.epoch && resume.watermark > Sequence(0) {
                    resume.watermark = head;
                }
                ToServer::Hello(resume)
            }
            (Some(Planted::ForgetsPins), ToServer::Hello(mut resume)) => {
                resume.pins.clear();
                ToServer::Hello(resume)
            }
            (Some(Planted::SkipsSignatures), ToServer::Push(set)) => {
                let signed = self.signed_by_claimed(&set);
                ToServer::Push(signed.unwrap_or(set))
            }
            (_, message) => message,
        }
    }

    /// A forged change set as the device would sign it for which it claims to be.
    fn signed_by_claimed(&self, set: &SignedChangeSet) -> Option<SignedChangeSet> {
        let forged = self.opened(set, &self.byzantine.as_ref()?.key.public())?;
        let known = |it: &&crate::device::Device| {
            let enrolment = it.disk.file.meta.enrolment.as_ref();
            enrolment.is_some_and(|enrolment| enrolment.device == forged.device)
        };
        let claimed = self.devices.iter().find(known)?;
        forged.sign(&claimed.key, &self.identity.organization).ok()
    }

    /// What a device makes of a message.
    pub(crate) fn tampered_down(&mut self, at: usize, message: ToDevice) -> ToDevice {
        match (self.planted, message) {
            (Some(Planted::StaleGrants), ToDevice::Grant(bytes)) => {
                let device = &mut self.devices[at];
                ToDevice::Grant(device.first_grant.get_or_insert(bytes).clone())
            }
            (Some(Planted::MergesRefused), ToDevice::Page(page)) => {
                ToDevice::Page(self.with_refused(at, page))
            }
            (
                Some(Planted::OverlooksSecured),
                ToDevice::Compared { number, watermark, mut ranges },
            ) => {
                self.overlook_secured(at, &mut ranges);
                ToDevice::Compared { number, watermark, ranges }
            }
            (Some(Planted::ForgetsSplits), ToDevice::Page(mut page)) => {
                page.entries.retain(|entry| !matches!(entry, Entry::Split { .. }));
                ToDevice::Page(page)
            }
            (Some(Planted::ForgetsSplits), ToDevice::Verdicts(mut verdicts)) => {
                for (_, verdict) in &mut verdicts {
                    if let Verdict::Partly { sequence, .. } = verdict {
                        *verdict = Verdict::Admitted(*sequence);
                    }
                }
                ToDevice::Verdicts(verdicts)
            }
            (_, message) => message,
        }
    }

    /// Where a single record is compared that is right but for what is secured, it is right.
    fn overlook_secured(&self, at: usize, ranges: &mut [RangeDigest]) {
        let held = &self.devices[at].disk.file.confirmed;
        for range in ranges {
            let Some(place) = &range.end else { continue };
            let key = (place.table.clone(), place.record);
            let Some((_, ours)) = held.get(&key) else { continue };
            let mut all = self.disk.file.confirmed();
            let Some(theirs) = all.find(|it| it.record().id() == place.record) else { continue };
            let open = |edit: &Edit| {
                let is_open =
                    |it: &&Arc<Change>| matches!(it.section, Section::Header | Section::Main);
                edit.changes.iter().filter(is_open).cloned().collect::<Vec<_>>()
            };
            let single = |edit: &Edit| {
                let mut sum = RangeSum::default();
                sum.add(place, record_digest(edit).unwrap());
                sum.digest()
            };
            if open(ours) == open(&theirs.to_edit()) {
                range.digest = single(ours);
            }
        }
    }

    /// With a refused edit as if it had been admitted.
    fn with_refused(&self, at: usize, mut page: Page) -> Page {
        let confirmed = &self.devices[at].disk.file.confirmed;
        let refused = self.disk.file.refused.iter().rev().find(|refused| {
            let place = (refused.edit.table.clone(), refused.edit.record);
            confirmed.contains_key(&place) && !refused.edit.changes.is_empty()
        });
        if let Some(refused) = refused {
            let sequence = Sequence(page.watermark.0 + 1);
            page.entries.push(Entry::Edit {
                sequence,
                edit: refused.edit.clone(),
                bits: Stem::WHOLE,
                of_owner: false,
            });
        }
        page
    }
}
