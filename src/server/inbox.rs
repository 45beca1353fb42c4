//! What waits for the engine: a lane for each connection, and one for the server's own wishes. The
//! engine takes from all lanes in turn, so that nobody waits behind what another has sent; a lane that
//! is full slows down the connection that fills it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::engine::Event;
use crate::limits::{
    INBOX_BYTES_MAX, INBOX_BYTES_TOTAL_MAX, INBOX_MESSAGE_BYTES_MIN, ROUND_MESSAGES_MAX,
    ROUND_SHARE_BYTES, ROUND_SHARE_MESSAGES,
};
use crate::sync::server::ConnectionId;

/// What waits for the engine. Clones are handles to the same.
#[derive(Clone)]
pub(super) struct Inbox(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something new, or room to answer.
    news: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    wishes: VecDeque<Event>,
    lanes: BTreeMap<ConnectionId, Lane>,
    /// Whose turn it was last.
    last: Option<ConnectionId>,
    /// The number of `news` so far: none is missed between looking and waiting.
    version: u64,
    is_closed: bool,
}

#[derive(Default)]
struct Lane {
    /// A page is on its way, or it is this device's turn to be looked on for.
    is_writable: bool,
    events: VecDeque<Waiting>,
}

/// An event that waits, and the room that it takes.
pub(super) struct Waiting {
    pub(super) event: Event,
    bytes: usize,
    room: Room,
}

/// Room of the connection, and of all. It is free when this is dropped.
pub(super) type Room = Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>;

impl Waiting {
    fn small(event: Event) -> Self {
        Self { event, bytes: 0, room: None }
    }

    pub(super) fn open(self) -> (Event, Room) {
        (self.event, self.room)
    }
}

/// When a connection has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// As everybody.
    Now,
    /// When nobody else waits, and as seldom as the engine says.
    Late,
    /// Only what is not asked for by the device: its answers wait for it, or it waits for a time.
    Held(Option<Duration>),
}

/// What the engine takes at a time.
pub(super) struct Round {
    pub(super) events: Vec<Waiting>,
    pub(super) is_late: bool,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// There is nothing for the engine at the moment.
pub(super) struct Nothing {
    /// But for the late ones.
    pub(super) late_waits: bool,
    /// But for connections that are held; the first of them so long.
    pub(super) held: Option<Duration>,
}

/// The engine has stopped.
#[derive(Debug)]
pub(super) struct Stopped;

/// The way of one connection into the inbox.
pub(super) struct Sender {
    inbox: Inbox,
    id: ConnectionId,
    room: Arc<Semaphore>,
}

fn permits(bytes: usize, of: usize) -> u32 {
    u32::try_from(bytes.clamp(INBOX_MESSAGE_BYTES_MIN, of)).unwrap_or(u32::MAX)
}

impl Sender {
    /// Puts an event of this size, when there is room for it.
    pub(super) async fn send(&self, event: Event, bytes: usize) -> Result<(), Stopped> {
        let own = Arc::clone(&self.room).acquire_many_owned(permits(bytes, INBOX_BYTES_MAX));
        let own = own.await.map_err(|_| Stopped)?;
        let all = Arc::clone(&self.inbox.0.room);
        let all = all.acquire_many_owned(permits(bytes, INBOX_BYTES_TOTAL_MAX));
        let all = all.await.map_err(|_| Stopped)?;
        self.inbox.put(self.id, Waiting { event, bytes, room: Some((own, all)) })
    }

    /// Puts what happened to the connection itself.
    pub(super) fn tell(&self, event: Event) -> Result<(), Stopped> {
        self.inbox.put(self.id, Waiting::small(event))
    }
}

impl Inbox {
    pub(super) fn new() -> Self {
        let room = Arc::new(Semaphore::new(INBOX_BYTES_TOTAL_MAX));
        Self(Arc::new(Shared { state: Mutex::default(), news: Condvar::new(), room }))
    }

    pub(super) fn sender(&self, id: ConnectionId) -> Sender {
        Sender { inbox: self.clone(), id, room: Arc::new(Semaphore::new(INBOX_BYTES_MAX)) }
    }

    /// Puts a wish of the server itself. They go before all connections.
    pub(super) fn wish(&self, event: Event) -> Result<(), Stopped> {
        self.change(|state| state.wishes.push_back(event))
    }

    fn put(&self, id: ConnectionId, waiting: Waiting) -> Result<(), Stopped> {
        self.change(|state| state.lanes.entry(id).or_default().events.push_back(waiting))
    }

    /// It is this device's turn to be sent more.
    pub(super) fn writable(&self, id: ConnectionId) {
        // An engine that has stopped sends nothing more.
        let _ = self.change(|state| state.lanes.entry(id).or_default().is_writable = true);
    }

    /// What may have changed a turn has happened.
    pub(super) fn wake(&self) {
        let _ = self.change(|_| {});
    }

    /// Takes nothing more, and drops what waits.
    pub(super) fn close(&self) {
        let _ = self.change(|state| {
            state.is_closed = true;
            state.wishes.clear();
            state.lanes.clear();
        });
        self.0.room.close();
    }

    fn change(&self, step: impl FnOnce(&mut State)) -> Result<(), Stopped> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Stopped);
        }
        step(&mut state);
        state.version += 1;
        drop(state);
        self.0.news.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything can panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much has happened so far, for [`Self::wait`].
    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Waits until more than `version` has happened, or so long.
    pub(super) fn wait(&self, version: u64, at_most: Option<Duration>) {
        let state = self.lock();
        let is_old = |state: &mut State| state.version == version;
        match at_most {
            None => drop(self.0.news.wait_while(state, is_old)),
            Some(time) => drop(self.0.news.wait_timeout_while(state, time, is_old)),
        }
    }

    /// Takes what is next: of those whose turn is now as much as fits, each its share; where there is
    /// nothing, so many messages of the late ones.
    pub(super) fn take(
        &self,
        turn: impl Fn(ConnectionId) -> Turn,
        late_max: usize,
    ) -> Result<Round, Nothing> {
        let mut state = self.lock();
        let turns: BTreeMap<_, _> = state.lanes.keys().map(|id| (*id, turn(*id))).collect();
        let is_held = |id| matches!(turns.get(id), Some(Turn::Held(_)));
        let gone = state.lanes.iter_mut().filter(|(id, lane)| is_held(id) && lane.is_gone());
        gone.for_each(|(_, lane)| lane.forget_questions());
        let mut events: Vec<_> = state.wishes.drain(..).map(Waiting::small).collect();
        state.take(ROUND_MESSAGES_MAX, &mut events, |id, lane| match turns.get(&id) {
            Some(Turn::Now) => true,
            Some(Turn::Held(_)) => !lane.is_asked(),
            _ => false,
        });
        if !events.is_empty() {
            return Ok(Round { events, is_late: false });
        }
        state.take(late_max, &mut events, |id, _| turns.get(&id) == Some(&Turn::Late));
        if !events.is_empty() {
            return Ok(Round { events, is_late: true });
        }
        let held = turns.values().filter_map(|it| if let Turn::Held(it) = it { *it } else { None });
        Err(Nothing { late_waits: turns.values().any(|it| *it == Turn::Late), held: held.min() })
    }

    /// Drops what waits of a connection that is sent away.
    pub(super) fn forget(&self, id: ConnectionId) {
        let _ = self.change(|state| drop(state.lanes.remove(&id)));
    }
}

impl Lane {
    fn next(&mut self) -> Option<Waiting> {
        self.events.pop_front()
    }

    fn is_gone(&self) -> bool {
        matches!(self.events.back(), Some(Waiting { event: Event::Disconnected { .. }, .. }))
    }

    /// Of a device that is gone and was held nothing is answered: it asks again when it comes again.
    fn forget_questions(&mut self) {
        self.events.retain(|it| !matches!(it.event, Event::Received { .. }));
    }

    /// Whether what is next was asked for by the device.
    fn is_asked(&self) -> bool {
        let next = self.events.front().map(|it| &it.event);
        !self.is_writable && matches!(next, Some(Event::Received { .. }))
    }
}

impl State {
    /// Takes one event of each lane that may, in turn, until each has its share.
    fn take(
        &mut self,
        most: usize,
        events: &mut Vec<Waiting>,
        may: impl Fn(ConnectionId, &Lane) -> bool,
    ) {
        let mut shares: BTreeMap<ConnectionId, (usize, usize)> = BTreeMap::new();
        let first = self.last.map_or(ConnectionId(0), |last| ConnectionId(last.0 + 1));
        let mut ids: VecDeque<_> = self.lanes.range(first..).map(|(id, _)| *id).collect();
        ids.extend(self.lanes.range(..first).map(|(id, _)| *id));
        while events.len() < most
            && let Some(id) = ids.pop_front()
        {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            let (messages, bytes) = shares.entry(id).or_default();
            let has_share = *messages < ROUND_SHARE_MESSAGES && *bytes < ROUND_SHARE_BYTES;
            if !has_share || !may(id, lane) {
                continue;
            }
            let next = if std::mem::take(&mut lane.is_writable) {
                Some(Waiting::small(Event::Writable { id }))
            } else {
                lane.next()
            };
            if lane.events.is_empty() && !lane.is_writable {
                self.lanes.remove(&id);
            } else {
                ids.push_back(id);
            }
            let Some(next) = next else { continue };
            *messages += 1;
            *bytes += next.bytes;
            self.last = Some(id);
            events.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invalid(id: u64) -> Event {
        Event::Invalid { id: ConnectionId(id), reason: String::new() }
    }

    fn received(id: u64) -> Event {
        let message = crate::codec::ToServer::Flush { number: 1 };
        Event::Received { id: ConnectionId(id), message }
    }

    /// Puts without waiting; whether there was room.
    fn put(sender: &Sender, event: Event, bytes: usize) -> bool {
        let sending = std::pin::pin!(sender.send(event, bytes));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        matches!(sending.poll(&mut context), std::task::Poll::Ready(Ok(())))
    }

    /// Of which connections a round is.
    fn ids(round: &Round) -> Vec<u64> {
        let id = |it: &Waiting| match &it.event {
            Event::Invalid { id, .. } | Event::Received { id, .. } | Event::Writable { id } => id.0,
            _ => 0,
        };
        round.events.iter().map(id).collect()
    }

    fn take(inbox: &Inbox) -> Vec<u64> {
        inbox.take(|_| Turn::Now, 0).map(|round| ids(&round)).unwrap_or_default()
    }

    #[test]
    fn a_flood_of_one_holds_up_no_other_for_more_than_its_share() {
        let inbox = Inbox::new();
        let (flood, calm) = (inbox.sender(ConnectionId(1)), inbox.sender(ConnectionId(2)));
        let sent = (0..10_000).take_while(|_| put(&flood, invalid(1), 1)).count();
        assert_eq!(sent, INBOX_BYTES_MAX / INBOX_MESSAGE_BYTES_MIN);
        assert!(put(&calm, invalid(2), 1));
        let round = take(&inbox);
        assert_eq!(round[..2], [1, 2]);
        assert_eq!(round.len(), ROUND_SHARE_MESSAGES + 1);
        assert!(put(&flood, invalid(1), 1), "there is room again when a round is over");
    }

    #[test]
    fn a_share_is_bounded_in_bytes_too() {
        let inbox = Inbox::new();
        let flood = inbox.sender(ConnectionId(1));
        while put(&flood, invalid(1), ROUND_SHARE_BYTES / 2) {}
        assert_eq!(take(&inbox), [1, 1]);
    }

    #[test]
    fn all_connections_together_are_bounded() {
        let inbox = Inbox::new();
        let senders: Vec<_> = (0..64).map(|id| inbox.sender(ConnectionId(id))).collect();
        let bytes = INBOX_BYTES_MAX / 2;
        let sent = senders.iter().map(|it| (0..3).filter(|_| put(it, invalid(1), bytes)).count());
        assert_eq!(sent.sum::<usize>() * bytes, INBOX_BYTES_TOTAL_MAX);
    }

    #[test]
    fn turns_go_round_from_one_taking_to_the_next() {
        let inbox = Inbox::new();
        let senders: Vec<_> = (0..2_000).map(|id| inbox.sender(ConnectionId(id))).collect();
        assert!(senders.iter().all(|it| put(it, invalid(it.id.0), 1)));
        assert_eq!(take(&inbox), (0..1_024).collect::<Vec<_>>());
        assert!(put(&senders[0], invalid(0), 1));
        let rest: Vec<_> = (1_024..2_000).chain([0]).collect();
        assert_eq!(take(&inbox), rest);
    }

    #[test]
    fn who_is_late_is_served_when_no_other_waits_and_so_much_as_is_allowed() {
        let inbox = Inbox::new();
        let senders = [1, 2, 3].map(|id| inbox.sender(ConnectionId(id)));
        for it in &senders {
            assert!(put(it, invalid(it.id.0), 1));
        }
        let turn = |id: ConnectionId| if id.0 == 2 { Turn::Now } else { Turn::Late };
        let round = inbox.take(turn, 1).map_err(|_| ()).unwrap();
        assert_eq!((ids(&round), round.is_late), (vec![2], false));
        let nothing = inbox.take(turn, 0).err().unwrap();
        assert!(nothing.late_waits);
        let round = inbox.take(turn, 1).map_err(|_| ()).unwrap();
        assert_eq!((ids(&round), round.is_late), (vec![3], true));
        let round = inbox.take(turn, 9).map_err(|_| ()).unwrap();
        assert_eq!((ids(&round), round.is_late), (vec![1], true));
    }

    #[test]
    fn who_is_held_gets_what_is_due_and_nothing_that_it_asks_for() {
        let inbox = Inbox::new();
        let sender = inbox.sender(ConnectionId(1));
        assert!(put(&sender, received(1), 1));
        inbox.writable(ConnectionId(1));
        let wait = Duration::from_secs(7);
        let held = |_| Turn::Held(Some(wait));
        let round = inbox.take(held, 9).map_err(|_| ()).unwrap();
        assert!(matches!(round.events[0].event, Event::Writable { .. }));
        assert_eq!(round.events.len(), 1);
        assert_eq!(inbox.take(held, 9).err().unwrap().held, Some(wait));
        assert_eq!(take(&inbox), [1]);
    }

    #[test]
    fn who_is_held_and_gone_takes_no_room() {
        let inbox = Inbox::new();
        let (sender, other) = (inbox.sender(ConnectionId(1)), inbox.sender(ConnectionId(2)));
        for it in [&sender, &other] {
            assert!(put(it, received(it.id.0), 1) && put(it, invalid(it.id.0), 1));
        }
        assert!(sender.tell(Event::Disconnected { id: ConnectionId(1) }).is_ok());
        let round = inbox.take(|_| Turn::Held(None), 0).map_err(|_| ()).unwrap();
        assert_eq!(ids(&round), [1, 0]);
        // Who is there waits with all that it sent.
        assert!(inbox.take(|_| Turn::Held(None), 0).is_err());
        assert_eq!(take(&inbox), [2, 2]);
    }

    #[test]
    fn nothing_is_put_into_a_closed_inbox_and_what_waited_is_dropped() {
        let inbox = Inbox::new();
        let (done, answer) = tokio::sync::oneshot::channel();
        let question = super::super::engine::Question::Status(done);
        assert!(inbox.wish(Event::Ask(question)).is_ok());
        inbox.close();
        assert!(answer.blocking_recv().is_err());
        assert!(inbox.wish(Event::Stop).is_err());
        assert!(!put(&inbox.sender(ConnectionId(1)), invalid(1), 1));
    }
}
