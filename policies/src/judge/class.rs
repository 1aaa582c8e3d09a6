//! Class: where the protected values of a statement are masked: nowhere, on the wire, or where they are read.
//!
//! A closed world. A statement is masked on the wire only if every use of every protected column is a form of the wire
//! grammar and its rule allows that form; everything else is computed over masks, by putting masked projections in the
//! place of the relations; what cannot be computed so is refused. There is no case of "probably harmless".

use super::scene::Scene;
use crate::rule::{MaskRule, Predicates};
use model::{
    Access, ColumnUse, ColumnUses, Compared, Lineage, MaskSpec, Outputs, Placement, Refusal, RefusalKind, SourceColumn,
    SourceMask, SourceUse, UseContext, Verb,
};
use std::collections::{HashMap, HashSet};

/// What becomes of one statement.
pub(super) enum Fate {
    /// Its front end does not say how it uses columns, or it reaches what cannot be told: judged by its lineage.
    ByLineage,
    /// It names nothing that is hidden from this identity.
    Untouched,
    /// Masked in its rows.
    Wire,
    /// It reads relations with hidden columns and uses none of these: original bytes, and no right to the columns needed.
    Open,
    /// Masked in its rows once people agree to the use that this rule holds.
    WireOnceApproved(String),
    /// Masked where it reads, for the reason given.
    AtSource(Vec<SourceMask>, String),
    /// It may not run.
    Refused(Refusal),
}

/// A column of a named relation that is hidden.
struct Hidden<'a> {
    source: &'a SourceUse,
    column: &'a SourceColumn,
    mask: MaskSpec,
    rule: Option<&'a MaskRule>,
}

/// Works out the fate of a statement.
pub(super) fn classify(scene: &Scene<'_>) -> Fate {
    let Some(uses) = &scene.part.uses else { return Fate::ByLineage };
    if scene.beyond().is_some() {
        return Fate::ByLineage;
    }
    let hidden = hidden(scene);
    if let Some(refusal) = defined(scene, &hidden) {
        return Fate::Refused(refusal);
    }
    let hidden: Vec<Hidden<'_>> =
        hidden.into_iter().filter(|hidden| hidden.source.placement != Placement::Named).collect();
    if hidden.is_empty() {
        return Fate::Untouched;
    }
    let names = Names::of(scene, uses, &hidden);
    let mut because = None;
    let mut held = None;
    for used in &uses.uses {
        match names.ruling(used) {
            Ruling::Wire => {}
            Ruling::Approve(rule) => held = held.or(Some(rule)),
            Ruling::AtSource(what) => {
                // A row that is changed must stay itself, so what reads it cannot read a mask instead.
                if let Some(target) = names.target(used) {
                    return Fate::Refused(reads_target(target, &what));
                }
                because = because.or(Some(what));
            }
        }
    }
    let because = match because.or_else(|| unread(scene, &names)) {
        Some(because) => because,
        None if names.are_open(scene.part) => return Fate::Open,
        None => return held.map_or(Fate::Wire, Fate::WireOnceApproved),
    };
    at_source(scene, uses, &hidden, because)
}

/// Every hidden column of every relation that the statement names.
fn hidden<'a>(scene: &Scene<'a>) -> Vec<Hidden<'a>> {
    let part = scene.part;
    let of = move |source: &'a SourceUse| source.columns.iter().map(move |column| (source, column));
    part.sources
        .iter()
        .flat_map(of)
        .filter_map(|(source, column)| {
            let (mask, rule) = scene.source_mask(column)?;
            Some(Hidden { source, column, mask, rule })
        })
        .collect()
}

/// Changing the definition of what rules name would lift them.
fn defined(scene: &Scene<'_>, hidden: &[Hidden<'_>]) -> Option<Refusal> {
    if scene.part.verb != Verb::Ddl {
        return None;
    }
    let defines = |table: &model::TableRef| {
        scene.part.tables.iter().any(|used| used.access == Access::Define && used.table == *table)
    };
    // A temporary table holds what the session put there: masks, or its own literals.
    let named = |own: &&Hidden<'_>| own.source.placement == Placement::Named && own.source.table.schema != "pg_temp";
    let found = hidden.iter().find(|own| named(own) && defines(&own.source.table))?;
    let (table, column) = (&found.source.table, &found.column.name);
    let refusal = Refusal::new(
        RefusalKind::Denied,
        format!("this would change the definition of {table}, whose column {column} is protected"),
    );
    let refusal = refusal.hint("have somebody do it who is exempt from the rule, or outside Affidavit");
    Some(match found.rule {
        Some(rule) => refusal.rule(rule.name.clone()),
        None => refusal,
    })
}

/// What of the statement's own result the lineage could not work out: it is computed over masks instead.
fn unread(scene: &Scene<'_>, names: &Names<'_, '_>) -> Option<String> {
    // Columns that some part of the statement hands up as they are.
    let shown = names.shown();
    let may_show = |source: &model::ColumnRef| scene.hiding(source).is_some() && shown.contains(source);
    let unknown = match &scene.part.outputs {
        Outputs::Unknown(reason) => Some(reason.clone()),
        Outputs::Known(columns) => columns.iter().find_map(|column| match &column.lineage {
            Lineage::Unknown(reason) => Some(reason.clone()),
            // Merged columns of joins and set operations hold values as they are; what only hangs on a comparison that the
            // rule allows (EXISTS, count(DISTINCT …)) does not.
            Lineage::Derived(sources) if sources.iter().any(may_show) => Some("a merged column".to_owned()),
            Lineage::Derived(_) | Lineage::Bare(_) => None,
        }),
        Outputs::None => None,
    };
    let stored = || {
        // A column's own new value, as the walk has found it harmless, or what is proposed for insertion.
        let copied = |flow: &model::WriteFlow| {
            let hidden = |source: &model::ColumnRef| scene.hiding(source).is_some();
            flow.sources.iter().any(|source| hidden(source) && flow.target.as_ref() != Some(source))
        };
        scene.part.writes.iter().any(copied).then(|| "what is stored".to_owned())
    };
    unknown
        .or_else(stored)
        .or_else(|| scene.part.opaque.iter().find(|opaque| opaque.reaches_data).map(|opaque| opaque.what.clone()))
}

fn at_source(scene: &Scene<'_>, uses: &ColumnUses, hidden: &[Hidden<'_>], because: String) -> Fate {
    for own in hidden {
        if let Placement::Fixed(what) = &own.source.placement {
            let table = &own.source.table;
            let refusal = Refusal::new(
                RefusalKind::NotSupported,
                format!(
                    "{what} reads {table}, which holds protected columns, and no masked rows can stand in for it there"
                ),
            );
            return Fate::Refused(refusal.hint(format!("read {table} in a plain FROM clause, without {what}")));
        }
    }
    if let Some(carrier) = uses.carriers.first() {
        let refusal = Refusal::new(
            RefusalKind::NotSupported,
            format!("the statement computes with protected columns ({because}) and reads {carrier}"),
        );
        return Fate::Refused(refusal.hint("read the two in statements of their own"));
    }
    if let Some(refusal) = overwrites(scene) {
        return Fate::Refused(refusal);
    }
    let mask = |source: &SourceUse| {
        let replaced = source.placement == Placement::From && hidden.iter().any(|own| std::ptr::eq(own.source, source));
        let columns =
            source.columns.iter().map(|column| (column.name.clone(), scene.source_mask(column).map(|(mask, _)| mask)));
        SourceMask { columns: if replaced { columns.collect() } else { Vec::new() } }
    };
    Fate::AtSource(scene.part.sources.iter().map(mask).collect(), because)
}

/// Masks on their way into a protected column would put constants over real data.
fn overwrites(scene: &Scene<'_>) -> Option<Refusal> {
    let flow = scene.part.writes.iter().find(|flow| {
        flow.target.as_ref().is_some_and(|target| scene.protecting(target).is_some())
            && flow.sources.iter().any(|source| scene.hiding(source).is_some())
    })?;
    let (target, source) = (flow.target.as_ref()?, flow.sources.iter().find(|source| scene.hiding(source).is_some())?);
    let refusal = Refusal::new(
        RefusalKind::Denied,
        format!("this would write the mask of {source} into {target}, over real data"),
    );
    Some(refusal.hint(format!("leave {} out, or write a literal or parameter", target.column)))
}

fn reads_target(hidden: &Hidden<'_>, what: &str) -> Refusal {
    let (table, column) = (&hidden.source.table, &hidden.column.name);
    let refusal = Refusal::new(
        RefusalKind::Denied,
        format!("the statement changes {table} and reads its protected column {column} ({what})"),
    )
    .hint(format!(
        "a row is changed as it is stored, so no mask can stand in for {column} there: compare it with = to a literal or parameter, or leave it out"
    ));
    match hidden.rule {
        Some(rule) => refusal.rule(rule.name.clone()),
        None => refusal,
    }
}

/// Which names of a statement may mean a hidden column.
struct Names<'s, 'a> {
    uses: &'s ColumnUses,
    sources: &'a [SourceUse],
    hidden: &'s [Hidden<'a>],
    folded: bool,
    /// Indices into `hidden`, by name (folded as the datasource folds).
    by_name: HashMap<String, Vec<usize>>,
}

enum Ruling {
    Wire,
    Approve(String),
    AtSource(String),
}

impl<'s, 'a> Names<'s, 'a> {
    fn of(scene: &Scene<'a>, uses: &'s ColumnUses, hidden: &'s [Hidden<'a>]) -> Self {
        let sources = &scene.part.sources;
        let mut names = Self { uses, sources, hidden, folded: scene.folds_names(), by_name: HashMap::new() };
        for (index, own) in hidden.iter().enumerate() {
            let key = names.key(&own.column.name);
            names.by_name.entry(key).or_default().push(index);
        }
        for any in &uses.any {
            let key = names.key(any);
            names.by_name.insert(key, (0..hidden.len()).collect());
        }
        // Renamings chain, so until nothing changes; a statement has few of them that concern hidden columns.
        loop {
            let mut grew = false;
            for (from, to) in &uses.renamed {
                let meant = names.meant(from);
                let key = names.key(to);
                let known = names.by_name.entry(key).or_default();
                for index in meant {
                    if !known.contains(&index) {
                        known.push(index);
                        grew = true;
                    }
                }
            }
            if !grew {
                return names;
            }
        }
    }

    fn key(&self, name: &str) -> String {
        if self.folded { name.to_lowercase() } else { name.to_owned() }
    }

    /// The hidden columns that a use may mean.
    fn meant(&self, used: &ColumnUse) -> Vec<usize> {
        let qualifier = used.qualifier.as_deref().map(|name| self.key(name));
        // OLD, NEW and whatever else is no alias of a stored relation settles nothing.
        let is_stored = |name: &String| {
            self.sources.iter().any(|source| self.key(&source.alias) == *name)
                && !self.uses.derived.iter().any(|derived| self.key(derived) == *name)
        };
        // A qualifier that can only mean stored relations narrows the choice to their columns.
        let of_qualifier = |index: &usize| match (&qualifier, self.hidden.get(*index)) {
            (Some(name), Some(own)) if is_stored(name) => self.key(&own.source.alias) == *name,
            _ => true,
        };
        match &used.name {
            None => (0..self.hidden.len()).filter(of_qualifier).collect(),
            Some(name) => {
                let key = self.key(name);
                let named = self.by_name.get(&key).map(Vec::as_slice).unwrap_or_default();
                let own = |index: &usize| {
                    // Under a stored relation's alias only its own names are columns.
                    let direct = self.hidden.get(*index).is_some_and(|own| self.key(&own.column.name) == key);
                    qualifier.as_ref().is_none_or(|name| !is_stored(name) || direct)
                };
                named.iter().copied().filter(of_qualifier).filter(own).collect()
            }
        }
    }

    /// A query that uses no column which is hidden. Columns that a server adds to every row (PostgreSQL's `ctid`) can be read
    /// by whoever may read the whole row, and what the engine itself tells of tables depends on who asks.
    fn are_open(&self, part: &model::Part) -> bool {
        const OF_ROWS: [&str; 7] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "_rowid"];
        let of_row = |used: &ColumnUse| used.name.as_deref().is_some_and(|name| OF_ROWS.contains(&name));
        let only = part.verb == Verb::Select && part.verbs.iter().all(|verb| *verb == Verb::Select);
        let reads = only && self.uses.carriers.is_empty();
        let changes = self.sources.iter().any(|source| source.placement == Placement::Target);
        reads && !changes && self.uses.uses.iter().all(|used| !of_row(used) && self.meant(used).is_empty())
    }

    /// A hidden column of a changed relation that the use may mean.
    fn target(&self, used: &ColumnUse) -> Option<&Hidden<'a>> {
        let meant = self.meant(used);
        let found = meant.into_iter().filter_map(|index| self.hidden.get(index));
        found.into_iter().find(|own| own.source.placement == Placement::Target)
    }

    /// The columns that some SELECT list or RETURNING shows as they are. What DISTINCT or a set operation compares is shown too.
    fn shown(&self) -> HashSet<&model::ColumnRef> {
        let is_shown = |used: &&ColumnUse| matches!(used.context, UseContext::Output | UseContext::Distinct);
        let shown = self.uses.uses.iter().filter(is_shown);
        let meant = shown.flat_map(|used| self.meant(used)).filter_map(|index| self.hidden.get(index));
        meant.flat_map(|own| own.column.same.iter().chain(&own.column.computed_from)).collect()
    }

    fn ruling(&self, used: &ColumnUse) -> Ruling {
        let meant = self.meant(used);
        let meant: Vec<&Hidden<'a>> = meant.into_iter().filter_map(|index| self.hidden.get(index)).collect();
        if meant.is_empty() {
            return Ruling::Wire;
        }
        let predicates = |own: &Hidden<'_>| own.rule.map_or(Predicates::Deny, |rule| rule.predicates);
        let freely = meant.iter().all(|own| predicates(own) == Predicates::Any);
        let within = |allowed: bool, what: &str| {
            if allowed || freely {
                return Ruling::Wire;
            }
            let name = meant.first().map_or("", |own| own.column.name.as_str());
            Ruling::AtSource(format!("{what} {name}"))
        };
        match &used.context {
            UseContext::Output => Ruling::Wire,
            UseContext::Kept => within(meant.iter().all(|own| has_no_limit(own)), "a change of"),
            UseContext::Equals(compared) => {
                let allows = |own: &&Hidden<'_>| predicates(own) != Predicates::Deny && fits(*compared, own);
                within(meant.iter().all(allows), "a comparison with")
            }
            UseContext::Join(number) => within(self.joins_one_domain(*number), "a join on"),
            UseContext::Group => within(self.is_token(&meant), "GROUP BY"),
            UseContext::Distinct => within(self.is_token(&meant), "DISTINCT over"),
            UseContext::CountDistinct => within(self.is_token(&meant), "count(DISTINCT) of"),
            UseContext::Condition(_) if freely => Ruling::Wire,
            UseContext::Condition(what) => {
                let approvable =
                    meant.iter().all(|own| matches!(predicates(own), Predicates::Approve | Predicates::Any));
                match meant.iter().find_map(|own| own.rule.filter(|rule| rule.predicates == Predicates::Approve)) {
                    Some(rule) if approvable => Ruling::Approve(rule.name.clone()),
                    _ => within(false, &format!("{what} over")),
                }
            }
            UseContext::Other(what) => {
                let name = meant.first().map_or("", |own| own.column.name.as_str());
                Ruling::AtSource(format!("{what} over {name}"))
            }
        }
    }

    fn is_token(&self, meant: &[&Hidden<'_>]) -> bool {
        meant.iter().all(|own| matches!(own.mask, MaskSpec::Token { .. }))
    }

    /// Every side of the comparison is hidden under tokens of one domain: nothing is learnt that the tokens do not show.
    fn joins_one_domain(&self, number: u32) -> bool {
        let mut domain = None;
        let sides = self.uses.uses.iter().filter(|used| used.context == UseContext::Join(number));
        for side in sides {
            let meant = self.meant(side);
            if meant.is_empty() {
                return false;
            }
            for own in meant.into_iter().filter_map(|index| self.hidden.get(index)) {
                let MaskSpec::Token { domain: own, .. } = &own.mask else { return false };
                if *domain.get_or_insert(own) != own {
                    return false;
                }
            }
        }
        domain.is_some()
    }
}

/// Whether a comparison with such a constant is equality for a column of that type.
fn fits(compared: Compared, hidden: &Hidden<'_>) -> bool {
    let numeric = is_numeric(&hidden.column.type_name);
    match compared {
        Compared::Untyped | Compared::Parameter | Compared::Elements(_) => true,
        Compared::Text => !numeric,
        Compared::Number => numeric,
        Compared::OtherLiteral => false,
    }
}

/// A value that is too long for its type would say so.
fn has_no_limit(hidden: &Hidden<'_>) -> bool {
    matches!(hidden.column.type_name.as_str(), "text" | "longtext")
}

fn is_numeric(type_name: &str) -> bool {
    let name = type_name.to_ascii_lowercase();
    let families = ["int", "bigint", "smallint", "tinyint", "mediumint", "numeric", "decimal", "oid", "year"];
    families.iter().any(|family| name.starts_with(family)) && !name.starts_with("interval")
}
