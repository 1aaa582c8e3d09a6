//! Cursors and prepared statements that a text declares and uses itself (`BEGIN; DECLARE c …; FETCH 5 FROM c`): what FETCH
//! and EXECUTE return there is what the query behind the name returns.

use super::statements::{Ended, statement};
use crate::lineage::{Env, Tracer};
use crate::sequence::runs_unseen;
use model::{Part, Verb};
use pg_query::{Node, NodeEnum};
use std::collections::HashMap;

/// What is behind a name, and the path along which its names were looked up.
type Behind = (Box<Node>, Vec<String>);

/// The names that a text has made so far.
#[derive(Default)]
pub(super) struct OwnNames {
    cursors: HashMap<String, Behind>,
    statements: HashMap<String, Behind>,
}

impl OwnNames {
    /// Works out a statement that uses one of the names; `None` for any other.
    pub(super) fn used(&self, node: &Node, tracer: &mut Tracer<'_>) -> Option<Ended> {
        let (behind, path) = match node.node.as_ref()? {
            NodeEnum::FetchStmt(fetch) if !fetch.ismove => self.cursors.get(&fetch.portalname)?,
            NodeEnum::ExecuteStmt(execute) => {
                let found = self.statements.get(&execute.name)?;
                for expr in super::queries::Lower::default().list(&execute.params) {
                    tracer.value(&expr, &Env::EMPTY);
                }
                found
            }
            _ => return None,
        };
        let now = std::mem::replace(&mut tracer.path, path.clone());
        let ended = statement(behind, tracer);
        tracer.path = now;
        let fetches = matches!(node.node, Some(NodeEnum::FetchStmt(_)));
        Some(Ended { limited: ended.limited || fetches, ..ended })
    }

    /// Takes in what a statement does to the names. What runs unseen may have given any of them another meaning.
    pub(super) fn note(&mut self, node: Node, part: &Part, path: &[String]) {
        if runs_unseen(part) && part.verb != Verb::Session {
            *self = Self::default();
        }
        let Some(node) = node.node else { return };
        match node {
            NodeEnum::DeclareCursorStmt(declare) => {
                let behind = declare.query.map(|query| (query, path.to_vec()));
                set(&mut self.cursors, declare.portalname, behind);
            }
            NodeEnum::PrepareStmt(prepare) => {
                let behind = prepare.query.map(|query| (query, path.to_vec()));
                set(&mut self.statements, prepare.name, behind);
            }
            NodeEnum::ClosePortalStmt(close) => forget(&mut self.cursors, &close.portalname),
            NodeEnum::DeallocateStmt(deallocate) => forget(&mut self.statements, &deallocate.name),
            NodeEnum::DiscardStmt(_) => *self = Self::default(),
            _ => {}
        }
    }
}

fn set(names: &mut HashMap<String, Behind>, name: String, behind: Option<Behind>) {
    match behind {
        Some(behind) => drop(names.insert(name, behind)),
        None => drop(names.remove(&name)),
    }
}

/// One name, or all where there is none.
fn forget(names: &mut HashMap<String, Behind>, name: &str) {
    if name.is_empty() {
        names.clear();
    } else {
        names.remove(name);
    }
}
