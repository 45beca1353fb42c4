//! What handles promise by their types.

use tidegate::replica::{
    PreparedTransaction, Receipt, Replica, RowQuery, SyncGuard, TypedQuery, TypedTable,
};
use tidegate::server::Server;

fn shared<T: Send + Sync + 'static>() {}

#[test]
fn handles_can_be_shared_between_threads() {
    shared::<Replica>();
    shared::<Receipt>();
    shared::<TypedTable<serde_json::Value>>();
    shared::<RowQuery>();
    shared::<TypedQuery<serde_json::Value>>();
    shared::<PreparedTransaction>();
    shared::<SyncGuard>();
    shared::<Server>();
}
