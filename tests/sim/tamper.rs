//! Planted bugs that are in messages on their way.

use tidegate::codec::{Entry, Page, SignedChangeSet, ToDevice, ToServer};
use tidegate::model::{Sequence, Verdict};

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
        let forged = set.open(&self.byzantine.as_ref()?.key.public()).ok()?;
        let known = |it: &&crate::device::Device| {
            let enrolment = it.disk.file.meta.enrolment.as_ref();
            enrolment.is_some_and(|enrolment| enrolment.device == forged.device)
        };
        let claimed = self.devices.iter().find(known)?;
        forged.sign(&claimed.key).ok()
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

    /// With a refused edit as if it had been admitted.
    fn with_refused(&self, at: usize, mut page: Page) -> Page {
        let confirmed = &self.devices[at].disk.file.confirmed;
        let refused = self.disk.file.refused.iter().rev().find(|refused| {
            let place = (refused.edit.table.clone(), refused.edit.record);
            confirmed.contains_key(&place) && !refused.edit.changes.is_empty()
        });
        if let Some(refused) = refused {
            let sequence = Sequence(page.watermark.0 + 1);
            page.entries.push(Entry::Edit { sequence, edit: refused.edit.clone() });
        }
        page
    }
}
