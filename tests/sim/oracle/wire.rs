//! What the server says: verdicts that are those it keeps, and no more at a time than it may.

use tidegate::codec::{Page, ToDevice};
use tidegate::limits::{FRAME_BYTES_MAX, PAGE_EDITS_MAX};
use tidegate::model::{EditId, Right, Verdict};
use tidegate::sync::Grant;

use crate::links::End;
use crate::world::{Check, World};

impl World {
    pub(crate) fn check_message(&self, id: u64, message: &ToDevice) -> Check {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        match message {
            ToDevice::Verdicts(verdicts) => {
                for (edit, verdict) in verdicts {
                    self.check_verdict(link.end, *edit, verdict)?;
                }
                Ok(())
            }
            ToDevice::Welcome { device, .. } if self.revoked.contains(device) => {
                Err(format!("device number {device} was revoked, and is welcome"))
            }
            ToDevice::Page(page) => {
                // Beside what was asked for there is one at a time.
                if link.pages > link.asked {
                    return Err(format!("{id} is sent a page while another is on its way"));
                }
                check_size(page)
            }
            ToDevice::Grant(bytes) => self.check_granted(bytes),
            ToDevice::Compared { ranges, .. } => self.check_compared(link.end, ranges),
            _ => Ok(()),
        }
    }

    /// A grant says what is true under its policy epoch.
    fn check_granted(&self, bytes: &[u8]) -> Check {
        let grant = Grant::open(bytes, &self.identity.key.public()).map_err(|e| e.to_string())?;
        let truth = self.truths.get(&grant.epoch.0);
        let truth = truth.ok_or("a grant of a policy epoch that never was")?;
        for right in Right::ALL {
            let granted = grant.standing.as_ref().is_some_and(|it| it.holds_anywhere(right));
            // A server with a planted bug has other rules on purpose.
            if granted != truth.holds_anywhere(&grant.user, right) && self.planted.is_none() {
                let (user, epoch) = (&grant.user, grant.epoch);
                return Err(format!("{user} is granted {right:?} under epoch {epoch}: {granted}"));
            }
        }
        Ok(())
    }

    /// What a device is told of an edit is what the server keeps.
    fn check_verdict(&self, end: End, edit: EditId, verdict: &Verdict) -> Check {
        let file = &self.disk.file;
        let logged = file.deeds.iter().find(|entry| entry.edit.id == edit);
        // Whoever means harm gives an id to several things, also the id of another's edit; and what a
        // copy said may come to something else in the same round.
        let is_single = matches!(end, End::Device(at) if !self.devices[at].is_copied);
        let is_out = logged.is_none() || !is_single;
        let mut denials = file.refused.iter().filter(|refused| refused.edit.id == edit);
        let is_kept = match verdict {
            // Of what was dropped it is told that it is not behind the floor.
            Verdict::Admitted(sequence) => logged.is_some_and(|it| {
                it.sequence == *sequence
                    || (it.sequence < *sequence && *sequence <= file.meta.floor)
            }),
            Verdict::Denied { denial, epoch } => {
                is_out && denials.any(|it| it.denial == *denial && it.epoch == *epoch)
            }
            Verdict::Split { columns, .. } => {
                let kept: Vec<_> = denials.map(|refused| &refused.denial).collect();
                is_out && columns.iter().all(|denial| kept.contains(&denial))
            }
            Verdict::Partly { sequence, columns, .. } => {
                let kept: Vec<_> = denials.map(|refused| &refused.denial).collect();
                logged.is_some_and(|it| it.sequence <= *sequence)
                    && columns.iter().all(|denial| kept.contains(&denial))
            }
            // What was sent anew may have been admitted since, in the same round.
            Verdict::Reauthor | Verdict::Erased => true,
        };
        if is_kept {
            Ok(())
        } else {
            Err(format!("of {edit} is told {verdict:?}, which is not kept"))
        }
    }

    /// Nothing that is sent is larger than a frame, and no queue grows without end.
    pub(crate) fn check_queues(&self) -> Check {
        for (id, link) in &self.links {
            let bytes = |queue: &std::collections::VecDeque<Vec<u8>>| {
                queue.iter().map(Vec::len).max().unwrap_or(0)
            };
            if bytes(&link.down) > FRAME_BYTES_MAX {
                return Err(format!("{id} has a message larger than a frame"));
            }
            if link.down.len() > QUEUE_MAX
                || (link.end != End::Byzantine && link.up.len() > QUEUE_MAX)
            {
                let (up, down) = (link.up.len(), link.down.len());
                return Err(format!("{id} has {up} messages on their way up, and {down} down"));
            }
        }
        Ok(())
    }

    /// A server to which nobody is connected keeps nothing of those who were.
    pub(crate) fn check_idle(&self) -> Check {
        let text = self.server.as_ref().map(|server| format!("{server:?}")).unwrap_or_default();
        for left in ["connections: {}", "queue: []", "outputs: []"] {
            if self.server.is_some() && !text.contains(left) {
                return Err(format!("nobody is connected, and the server has not `{left}`"));
            }
        }
        Ok(())
    }
}

/// Messages that are on their way in one direction at the most, in worlds of this size.
const QUEUE_MAX: usize = 400;

/// A page names no more than it may.
fn check_size(page: &Page) -> Check {
    let entries = page.entries.len();
    if entries > PAGE_EDITS_MAX { Err(format!("a page of {entries} entries")) } else { Ok(()) }
}
