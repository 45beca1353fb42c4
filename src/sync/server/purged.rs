//! What devices state of what they purged.

use super::{ConnectionId, ServerMachine};
use crate::codec::{Refusal, SignedPurgeReceipt};
use crate::sync::{DeviceRow, Operation, ServerStore, StoreError};

impl ServerMachine {
    /// Keeps a device's receipt, which an administrator finds beside the device.
    pub(super) fn purged<S: ServerStore>(
        &mut self,
        store: &mut S,
        id: ConnectionId,
        signed: &SignedPurgeReceipt,
    ) -> Result<(), StoreError> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let Some(device) = &connection.device else { return Ok(()) };
        let number = device.number;
        match signed.open(&connection.key) {
            Ok(receipt)
                if receipt.device == number
                    && receipt.organization == self.identity.organization => {}
            Ok(_) => {
                let reason = "a receipt of a purge by another device";
                self.refuse(id, Refusal::Protocol(reason.into()));
                return Ok(());
            }
            Err(error) => {
                self.refuse(id, Refusal::Protocol(error.to_string()));
                return Ok(());
            }
        }
        self.until_certain(store, |machine, store| {
            let Some(row) = store.device(number)? else { return Ok(()) };
            if row.purged.as_ref() == Some(signed) {
                return Ok(());
            }
            let row = DeviceRow { purged: Some(signed.clone()), ..row };
            machine.commit(store, machine.meta.clone(), vec![Operation::PutDevice(row)])
        })
    }
}
