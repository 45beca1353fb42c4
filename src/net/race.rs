//! Several network addresses behind one name: the first that answers is taken.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::NetError;
use crate::limits::{ADDRESS_BYTES_MAX, RESOLVED_ADDRESSES_MAX};

/// How long each address has before the next one is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);
/// How long the search for a host's addresses may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The network addresses of `host:port`, at least one and at most [`RESOLVED_ADDRESSES_MAX`],
/// in the order of the system's preference.
pub(super) async fn resolve(address: &str) -> Result<Vec<SocketAddr>, NetError> {
    if let Ok(literal) = address.parse() {
        return Ok(vec![literal]);
    }
    let well_formed = address.len() <= ADDRESS_BYTES_MAX
        && address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok_and(|it| it != 0)
        });
    if !well_formed {
        return Err(NetError::Address(address.chars().take(ADDRESS_BYTES_MAX).collect()));
    }
    let failed = |source| NetError::Resolve { address: address.to_owned(), source };
    let found = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(address))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let found: Vec<_> = found.take(RESOLVED_ADDRESSES_MAX).collect();
    if found.is_empty() {
        return Err(failed(io::Error::other("the name has no address")));
    }
    Ok(found)
}

/// Starts `attempt` on each address in turn, a head start apart, and returns the first success.
/// Where all fail it returns the failure that says most: any but "no answer".
///
/// Cancel-safe: dropping it gives up every attempt.
pub(super) async fn first_to_answer<T, F>(
    targets: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, NetError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, NetError>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut delay = Duration::ZERO;
    for target in targets {
        let attempt = attempt(target);
        attempts.spawn(async move {
            sleep(delay).await;
            attempt.await
        });
        delay += HEAD_START;
    }
    let mut failure = None;
    while let Some(outcome) = attempts.join_next().await {
        match outcome {
            Ok(Ok(winner)) => return Ok(winner),
            Ok(Err(NetError::Unreachable { .. } | NetError::NobodyListens(_)))
                if failure.is_some() => {}
            Ok(Err(error)) => failure = Some(error),
            Err(error) => failure = Some(NetError::Io(io::Error::other(error))),
        }
    }
    // `resolve` gives at least one target, so that there is a failure.
    Err(failure.unwrap_or(NetError::Closed))
}
