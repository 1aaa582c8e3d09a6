//! Whether the roles of the second lock are as policy needs them. The server is asked to prepare what each role must and
//! must not be able to read, which checks rights and runs nothing: so mandatory roles, grants on patterns and rights of the
//! account itself all count as they do for clients.

use super::{Asker, identifier, some};
use crate::own_query::{QueryError, run};
use crate::roles::set_role;
use model::{Guarded, TableRef};
use sql::{Catalog, Dialect, MaskView};
use std::collections::{HashMap, HashSet};
use wire::{LockNames, LockPlan, LockReport, NamedRelation};

/// What was found, and the relations on which the masked role has its rights.
pub(crate) struct Examined {
    pub(crate) report: LockReport,
    pub(crate) covered: HashSet<TableRef>,
}

/// Holds the roles of `account` against `plan`.
pub(crate) async fn examine_lock(
    asker: &mut Asker<'_>,
    account: &str,
    plan: &LockPlan,
    relations: &[NamedRelation],
    catalog: &Catalog,
) -> Result<Examined, QueryError> {
    let names = LockNames::of(account);
    let mut report = LockReport::default();
    let mut covered = HashSet::new();
    for role in [&names.masked, &names.wire] {
        if !takes(asker, role).await? {
            report.wrong.push(format!("the account cannot take role {role}"));
        }
    }
    if !report.wrong.is_empty() {
        return Ok(Examined { report, covered });
    }
    let guarded: HashMap<&TableRef, &Guarded> = plan.guarded.iter().map(|own| (&own.table, own)).collect();
    let (mut shown, mut withheld, mut own) = (Vec::new(), Vec::new(), Vec::new());
    run(asker.link, "SET ROLE NONE", asker.capabilities).await?;
    for (table, column) in hidden(plan) {
        if may_read(asker, &identifier(column), table).await? {
            own.push(format!("{table}.{column}"));
        }
    }
    takes(asker, &names.wire).await?;
    let mut readable = HashSet::new();
    for (table, _) in relations {
        match may_read(asker, "*", table).await? {
            true => drop(readable.insert(table)),
            false if guarded.contains_key(table) => withheld.push(table.to_string()),
            false => {}
        }
    }
    takes(asker, &names.masked).await?;
    for (table, column) in hidden(plan) {
        if may_read(asker, &identifier(column), table).await? {
            shown.push(format!("{table}.{column}"));
        }
    }
    let mut narrow = Vec::new();
    for (table, _) in relations.iter().filter(|(table, _)| readable.contains(table)) {
        let open = match guarded.get(table) {
            None => vec!["*".to_owned()],
            Some(own) => own.named(false).map(identifier).collect(),
        };
        if open.is_empty() || may_read(asker, &open.join(", "), table).await? {
            covered.insert(table.clone());
        } else {
            narrow.push(table.to_string());
        }
    }
    let (mut stale, mut missing) = (Vec::new(), Vec::new());
    for guarded in plan.guarded.iter().filter(|own| readable.contains(&own.table)) {
        for view in mask_views(&names, guarded, catalog)? {
            if may_read(asker, &identifier(&mark(&view)), &view.name).await? {
                continue;
            }
            let there = may_read(asker, "1", &view.name).await?;
            let found = if there { &mut stale } else { &mut missing };
            found.push(view.name.to_string());
        }
    }
    let mut wrong = |found: Vec<String>, words: &dyn Fn(String) -> String| {
        if !found.is_empty() {
            report.wrong.push(words(some(&found)));
        }
    };
    wrong(own, &|what| format!("the account may read {what} by itself, whatever role it has taken"));
    wrong(shown, &|what| format!("role {} may read {what}, which policy protects", names.masked));
    // Rights and views that lack harm nobody but who needs them, and a client may make a table that a rule covers, or a view
    // that nobody can read: it is said, and is no reason to let nobody in. A role without any is one that was not filled.
    let unfilled = !withheld.is_empty() && withheld.len() == guarded.len();
    let (withheld, lacking) = if unfilled { (withheld, Vec::new()) } else { (Vec::new(), withheld) };
    wrong(withheld, &|what| format!("role {} may not read {what}", names.wire));
    wrong(stale, &|what| format!("views that show masks are not as policy needs them: {what}"));
    if !lacking.is_empty() {
        report.narrow.push(format!("role {} may not read {}", names.wire, some(&lacking)));
    }
    if !narrow.is_empty() {
        report.narrow.push(format!("role {} has no rights on {} yet", names.masked, some(&narrow)));
    }
    if !missing.is_empty() {
        report.narrow.push(format!("views that show masks are not there yet: {}", some(&missing)));
    }
    Ok(Examined { report, covered })
}

fn hidden(plan: &LockPlan) -> impl Iterator<Item = (&TableRef, &str)> {
    plan.guarded.iter().flat_map(|own| own.named(true).map(move |column| (&own.table, column)))
}

/// The views of a relation.
pub(super) fn mask_views(names: &LockNames, guarded: &Guarded, catalog: &Catalog) -> Result<Vec<MaskView>, QueryError> {
    // Types are looked up, and nothing of the dialects differs.
    sql::mask_views(Dialect::Mysql, &names.views, guarded, catalog).map_err(|why| QueryError::Server(0, why))
}

/// The column by whose name a view says which policy it was made for.
pub(super) fn mark(view: &MaskView) -> String {
    format!("affidavit {}", view.fingerprint())
}

async fn takes(asker: &mut Asker<'_>, role: &str) -> Result<bool, QueryError> {
    Ok(asker.ask_if_allowed(&set_role(role)).await?.is_some())
}

async fn may_read(asker: &mut Asker<'_>, columns: &str, table: &TableRef) -> Result<bool, QueryError> {
    let text = format!("SELECT {columns} FROM {}.{}", identifier(&table.schema), identifier(&table.table));
    let prepare = format!("PREPARE affidavit FROM {}", super::literal(&text));
    Ok(asker.ask_if_allowed(&prepare).await?.is_some())
}
