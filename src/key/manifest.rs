//! [`KeyInputs`](super::KeyInputs) written down, to be compared later. Pure.

use super::change::Field;
use super::{FileGroup, Visit};
use crate::base::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every field of a key but the files, which stand in their groups' own blobs: steps and runs share those.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Field and name → value; none where there was nothing.
    pub fields: BTreeMap<(Field, Vec<u8>), Option<Vec<u8>>>,
    /// The digests of the groups of watched files, in the key's order.
    pub groups: Vec<Digest>,
}

impl Visit for Manifest {
    fn entry(&mut self, field: Field, name: &[u8], value: Option<&[u8]>) {
        self.fields.insert((field, name.to_vec()), value.map(<[u8]>::to_vec));
    }

    fn files(&mut self, group: &Arc<FileGroup>) {
        self.groups.push(group.digest());
    }
}
