//! One session with the server: the machine on a QUIC stream.

use std::sync::Arc;

use super::line::Line;
use super::{Core, Shared, SyncError};
use crate::codec::ToDevice;
use crate::model::{Ledger, RecordId, TableName};
use crate::net::{Endpoint, NetError, Traffic, TransportOptions};
use crate::sync::replica::{Event, Output, Purpose, SessionError};

/// When a session ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// When everything is sent, judged and received.
    UpToDate,
    /// When the server has said what this record is.
    Told((TableName, RecordId)),
    /// When the table is here that was asked for.
    First,
    /// When all is up to date, and may get as old as the user's offline profile says.
    Resting,
    /// Never: what happens is passed on as it happens.
    Stopped,
}

/// What happened on a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sessions that the server accepted.
    pub opened: u64,
    /// Edits of this device that were admitted.
    pub admitted: u64,
    /// Edits of this device, or parts of edits, that were denied.
    pub denied: u64,
    /// Rows that changed, came or went.
    pub changed_rows: u64,
}

impl Totals {
    pub(super) fn count(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Open => self.opened += 1,
                Event::Admitted { .. } => self.admitted += 1,
                Event::Denied(_) => self.denied += 1,
                Event::Changed { .. } => self.changed_rows += 1,
                _ => {}
            }
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            opened: self.opened - before.opened,
            admitted: self.admitted - before.admitted,
            denied: self.denied - before.denied,
            changed_rows: self.changed_rows - before.changed_rows,
        }
    }
}

/// What a session did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// What happened meanwhile.
    pub totals: Totals,
    /// What went over the wire.
    pub traffic: Traffic,
    /// What for: of its bytes each is counted once.
    pub ledger: Ledger,
    /// Bytes of the records and edits that came in pages, as rows: what an
    /// [`Estimate`](crate::model::Estimate) is about. They came as columns, which are fewer.
    pub page_bytes: u64,
    /// Whether this device spoke first, as a session with this server was to be resumed: so one in which there
    /// is nothing to say takes one round trip.
    pub spoke_first: bool,
}

impl Shared {
    /// Runs one session. Dropping the future ends it; what was written stays.
    pub(super) async fn session(
        self: &Arc<Self>,
        purpose: Purpose,
        addresses: &[String],
        until: Until,
    ) -> Result<SyncReport, SyncError> {
        if !self.outside.blocks() {
            // As far as the app can tell, it is out of reach.
            let (address, waited) = (addresses.join(", "), std::time::Duration::ZERO);
            return Err(NetError::Unreachable { address, waited }.into());
        }
        let endpoint = self.acquaintance.endpoint(&self.key)?;
        let options = match until {
            Until::UpToDate | Until::Told(_) | Until::First => TransportOptions::short(),
            Until::Resting | Until::Stopped => TransportOptions::live(),
        };
        // The machine must learn that the session is over, also where this future is dropped.
        let open = OpenSession(Arc::clone(self));
        let (address, mut line) = self.open(&endpoint, purpose, addresses, options).await?;
        let before = self.totals();
        let result = self.converse(&mut line, &address, &until).await;
        drop(open);
        let told = match &result {
            Ok(()) => "up to date".to_owned(),
            Err(error) => error.to_string(),
        };
        // By then the server has offered another session to resume.
        if result.is_ok() {
            line.finish().await;
        }
        let (totals, (traffic, ledger)) = (self.totals().since(before), line.count());
        line.connection().close(0, &told);
        // A server that has all of it ends the session by itself. One that has not is told why before
        // whoever called may be gone.
        if result.is_err() {
            endpoint.close(&told).await;
        }
        self.keep_ledger().await;
        let (page_bytes, spoke_first) = (line.page_bytes, line.device_spoke());
        result.map(|()| SyncReport { totals, traffic, ledger, page_bytes, spoke_first })
    }

    /// Connects to one of the addresses, and begins the session; says which it was.
    async fn open(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        purpose: Purpose,
        addresses: &[String],
        options: TransportOptions,
    ) -> Result<(String, Line), SyncError> {
        let known = self
            .acquaintance
            .take()
            .filter(|known| matches!(purpose, Purpose::Sync) && addresses.contains(&known.address));
        let mut last = SyncError::Session(SessionError::NotEnrolled);
        let others =
            addresses.iter().filter(|it| known.as_ref().is_none_or(|known| known.address != **it));
        let known = known.as_ref().map(|known| (&known.address, Some(known)));
        for (address, known) in known.into_iter().chain(others.map(|address| (address, None))) {
            let first = match known {
                // Where it does not know what to say, it waits for the greeting.
                Some(known) => self.first_words(known).await.ok(),
                None => None,
            };
            let (first, said) = first.unzip();
            match endpoint.open_session(address, options, first).await {
                Ok(stream) => {
                    let peer = stream.connection.peer_key();
                    // Otherwise it is as if nothing had been said.
                    let said = said.filter(|_| stream.device_spoke).unwrap_or_default();
                    match known.filter(|_| stream.device_spoke) {
                        Some(known) if known.tls_key == peer => self.acquaintance.keep(known),
                        Some(_) => return Err(SessionError::StolenCertificate.into()),
                        None => {
                            let begin =
                                move |core: &mut Core| core.machine.connected(purpose, peer);
                            self.with_core(begin).await?;
                        }
                    }
                    return Ok((address.clone(), Line::new(Arc::clone(self), stream, said)));
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// Whether a session that is to go on so far has come there.
    pub(super) fn is_over(&self, until: &Until) -> bool {
        match until {
            Until::UpToDate => self.is_up_to_date(),
            Until::Told((table, record)) => self.core().machine.is_answered(table, *record),
            Until::First => self.core().machine.is_first_here(),
            Until::Resting => self.is_up_to_date() && self.rests_for().is_some(),
            Until::Stopped => false,
        }
    }

    async fn converse(
        self: &Arc<Self>,
        line: &mut Line,
        address: &str,
        until: &Until,
    ) -> Result<(), SyncError> {
        loop {
            for output in self.outputs() {
                match output {
                    Output::Send(message) => line.say(&message).await?,
                    Output::Close(error) => return Err(error.into()),
                    Output::Event(event) => self.publish(vec![event]),
                    Output::Answer(number, answer) => {
                        self.answers.put(number, answer);
                        self.note_change();
                    }
                }
            }
            line.flush().await?;
            if self.is_over(until) {
                return Ok(());
            }
            let put_off = self.core().machine.purges_in(self.outside.now());
            tokio::select! {
                biased;
                message = line.hear() => {
                    let (message, now) = (message?, self.outside.now());
                    let greeting = match &message {
                        ToDevice::Greeting { certificate } => Some(certificate.clone()),
                        _ => None,
                    };
                    let step = self
                        .with_core(move |core| core.machine.received(&mut core.store, now, message));
                    // The machine's last output says the same; whoever is first.
                    step.await?;
                    if let Some(certificate) = greeting {
                        self.acquaintance.note(address, line.connection(), certificate);
                    }
                }
                () = self.edited.notified() => {}
                () = tokio::time::sleep(put_off.unwrap_or_default()), if put_off.is_some() => {
                    let now = self.outside.now();
                    let step = self.with_core(move |core| {
                        core.machine.wake(&mut core.store, now);
                        Ok::<_, SessionError>(())
                    });
                    step.await?;
                }
            }
        }
    }
}

struct OpenSession(Arc<Shared>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.core().machine.disconnected();
        self.0.answers.clear();
        self.0.note_change();
    }
}
