//! Digests that tell whether a schema or a policy changed.

use serde::Serialize;

use crate::model::{Organization, Policy, Schema};

/// The digest of a schema: equal where the schemas are.
#[must_use]
pub fn schema_digest(schema: &Schema) -> blake3::Hash {
    digest("tidegate 2026 schema digest", schema)
}

/// The digest of a policy: equal where the policies are, however their files were written.
#[must_use]
pub fn policy_digest(policy: &Policy) -> blake3::Hash {
    digest("tidegate 2026 policy digest", policy)
}

/// The digest of an organization: equal where the organizations are.
#[must_use]
pub fn organization_digest(organization: &Organization) -> blake3::Hash {
    digest("tidegate 2026 organization digest", organization)
}

fn digest(context: &str, it: &impl Serialize) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    // Maps are ordered and all lengths are written, so the bytes are one-to-one with the value.
    // Writing to a hasher cannot fail, and these types hold nothing that postcard cannot write.
    let written = postcard::to_io(it, &mut hasher);
    debug_assert!(written.is_ok(), "policy types serialize");
    hasher.finalize()
}
