//! Column definitions of a result, remembered: an application asks the same few questions again and again, and working
//! out the columns costs more than a small result.

use crate::message::column::ColumnDefinition;
use crate::message::packet::{self, Front};
use crate::values;
use model::Column;
use sql::Catalog;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::Violation;

/// Results whose columns a session remembers.
const REMEMBERED: usize = 6;
/// Bytes of definitions beyond which a result is not remembered: an idle session should stay small.
const LONGEST_REMEMBERED: usize = 4096;

struct Memory {
    frames: Vec<u8>,
    binary: bool,
    epoch: u64,
    columns: Arc<[Column]>,
}

/// What a session remembers.
#[derive(Default)]
pub(crate) struct Definitions {
    recent: VecDeque<Memory>,
}

impl Definitions {
    /// The columns that these frames define, one a payload.
    pub(super) fn columns(
        &mut self,
        frames: &[u8],
        binary: bool,
        extended: bool,
        catalog: &Catalog,
    ) -> Result<Arc<[Column]>, Violation> {
        let epoch = catalog.epoch();
        let same = |memory: &Memory| memory.binary == binary && memory.epoch == epoch && memory.frames == frames;
        if let Some(memory) = self.recent.iter().find(|memory| same(memory)) {
            return Ok(memory.columns.clone());
        }
        let mut columns = Vec::new();
        let mut rest = frames;
        while !rest.is_empty() {
            let Front::Whole(extent) = packet::front(rest, packet::LONGEST)? else {
                return Err(Violation("definitions cut short".to_owned()));
            };
            columns.push(values::column(&ColumnDefinition::decode(&extent.payload(rest)?, extended)?, binary, catalog));
            rest = rest.get(extent.bytes..).unwrap_or_default();
        }
        let columns: Arc<[Column]> = columns.into();
        if frames.len() <= LONGEST_REMEMBERED {
            self.recent.truncate(REMEMBERED - 1);
            self.recent.push_front(Memory { frames: frames.to_vec(), binary, epoch, columns: columns.clone() });
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::column::tests::encode;

    fn frames(name: &[u8]) -> Vec<u8> {
        let definition = ColumnDefinition {
            schema: b"",
            org_table: b"",
            name,
            org_name: b"",
            collation: 45,
            length: 4,
            column_type: values::VAR_STRING,
            flags: 0,
            json: false,
        };
        let mut out = Vec::new();
        packet::put(&mut out, 2, &encode(&definition));
        out
    }

    #[test]
    fn the_same_definitions_give_the_same_columns_and_others_do_not() {
        let mut definitions = Definitions::default();
        let catalog = Catalog::default();
        let mut of = |frames: &[u8], binary| definitions.columns(frames, binary, false, &catalog).unwrap();
        let first = of(&frames(b"a"), false);
        assert!(Arc::ptr_eq(&first, &of(&frames(b"a"), false)));
        assert!(!Arc::ptr_eq(&first, &of(&frames(b"a"), true)), "in the other protocol the cells differ");
        assert_eq!(of(&frames(b"b"), false)[0].name, "b");
        for name in [b"c", b"d", b"e", b"f", b"g"] {
            of(&frames(name), false);
        }
        assert!(!Arc::ptr_eq(&first, &of(&frames(b"a"), false)), "forgotten");
        assert!(definitions.recent.len() <= REMEMBERED);
        assert!(definitions.columns(&frames(b"a")[..9], false, false, &catalog).is_err());
        let newer = Catalog::new(1, Vec::new(), Vec::new());
        let again = definitions.columns(&frames(b"a"), false, false, &newer).unwrap();
        assert!(!Arc::ptr_eq(&again, &definitions.columns(&frames(b"a"), false, false, &catalog).unwrap()));
    }
}
