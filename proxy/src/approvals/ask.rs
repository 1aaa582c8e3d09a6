//! From a judged statement to a request: what binds a grant, and what an approver is shown.

use super::picture::{Classified, ConditionOn, Picture, ShownColumn, TouchedTable};
use super::request::{ApprovalId, Binding, Person, Request, Terms};
use model::{
    Access, ApprovalNeed, ColumnRef, Lineage, MaskSpec, OutputPlan, Outputs, Param, Part, Reach, Refusal, RefusalKind,
    SessionInfo, Statement, Timestamp, Usage, Verdict,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A longer statement cannot be read by a person before they decide (bytes).
const MOST_SQL: usize = 128 * 1024;
/// A longer parameter is shown by its beginning, size and hash (characters).
const MOST_PARAM: usize = 2048;
/// Parameters shown one by one; the rest is counted.
const MOST_PARAMS: usize = 200;
/// Columns in conditions that are shown; a person does not read more.
const MOST_CONDITIONS: usize = 100;

/// A statement that a rule holds, with everything known about it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Who asks, from where.
    pub session: &'a SessionInfo,
    /// What they ask to run.
    pub statement: &'a Statement,
    /// What the policy makes of it.
    pub verdict: &'a Verdict,
    /// What the rule demands.
    pub need: &'a ApprovalNeed,
    /// The planner's estimate, if one was asked for.
    pub estimated_rows: Option<u64>,
}

impl Ask<'_> {
    /// What a grant for it is good for.
    #[must_use]
    pub fn binding(&self) -> Binding {
        let facts = &self.statement.facts;
        Binding {
            issuer: self.session.identity.issuer.clone(),
            subject: self.session.identity.subject.clone(),
            datasource: self.session.datasource.clone(),
            fingerprint: facts.fingerprint.clone(),
            sql_sha256: hex(Sha256::digest(&self.statement.sql)),
            params_sha256: params_hash(&self.statement.params),
            effect_sha256: effect_hash(&self.session.database, &facts.parts),
            rule: self.need.rule.clone(),
            policy: self.verdict.policy.to_string(),
        }
    }

    /// The request.
    ///
    /// # Errors
    /// When the statement is too long for a person to read.
    pub fn request(&self, id: ApprovalId, now: Timestamp, wait: Duration, held: bool) -> Result<Request, Refusal> {
        if self.statement.sql.len() > MOST_SQL {
            let message = format!(
                "this statement needs approval (rule \"{}\"), but at {} KiB it is too long for a person to read",
                self.need.rule,
                self.statement.sql.len() / 1024
            );
            return Err(Refusal::new(RefusalKind::LimitReached, message)
                .rule(self.need.rule.clone())
                .hint("split it, or send long values as parameters"));
        }
        let later = |seconds: u64| {
            let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
            Timestamp(now.0.saturating_add(micros))
        };
        let escalation = self.need.escalation.as_ref();
        Ok(Request {
            id,
            requester: Person::of(&self.session.identity),
            requester_groups: self.session.identity.groups.clone(),
            binding: self.binding(),
            sql: String::from_utf8_lossy(&self.statement.sql).into_owned(),
            params: shown_params(&self.statement.params),
            picture: self.picture(),
            terms: Terms {
                groups: self.need.approver_groups.clone(),
                count: self.need.count,
                valid_for_seconds: self.need.valid_for_seconds,
                window: self.need.window,
                break_glass: self.need.break_glass,
                escalate_at: escalation.map(|escalation| later(escalation.after_seconds)),
                escalate_to: escalation.map(|escalation| escalation.groups.clone()).unwrap_or_default(),
            },
            client_app: self.session.client_app.clone(),
            client_addr: self.session.client_addr.clone(),
            session: self.session.id.to_string(),
            statement: self.statement.id.0,
            reason: self.session.reason.clone(),
            ticket: self.session.ticket.clone(),
            created: now,
            expires: later(wait.as_secs()),
            held,
        })
    }

    /// The classified columns among all that the statement touches.
    #[must_use]
    pub fn classified(&self, class: &dyn Fn(&ColumnRef) -> Option<String>) -> Vec<Classified> {
        let mut touched = BTreeSet::new();
        for part in &self.statement.facts.parts {
            if let Outputs::Known(outputs) = &part.outputs {
                for output in outputs {
                    match &output.lineage {
                        Lineage::Bare(column) => drop(touched.insert(column)),
                        Lineage::Derived(columns) => touched.extend(columns),
                        Lineage::Unknown(_) => {}
                    }
                }
            }
            touched.extend(part.predicates.iter().map(|used| &used.column));
            touched.extend(part.writes.iter().flat_map(|flow| flow.target.iter().chain(&flow.sources)));
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for column in touched {
            if let Some(class) = class(column) {
                found.entry(class).or_default().push(column.to_string());
            }
        }
        found.into_iter().map(|(class, columns)| Classified { class, columns }).collect()
    }

    fn picture(&self) -> Picture {
        let facts = &self.statement.facts;
        let mut picture = Picture { estimated_rows: self.estimated_rows, ..Picture::default() };
        if std::str::from_utf8(&self.statement.sql).is_err() {
            picture.warnings.push("the text is not UTF-8: what cannot be shown appears as �".to_owned());
        }
        if let Some(why) = &facts.unparsed {
            picture.warnings.push(format!("the text could not be understood: {why}"));
        }
        if facts.parts.len() > 1 {
            picture.warnings.push(format!("the text holds {} statements", facts.parts.len()));
        }
        for (part, plan) in facts.parts.iter().zip(self.verdict.outputs.iter().map(Some).chain(std::iter::repeat(None)))
        {
            describe(part, plan, &mut picture);
        }
        picture
    }
}

fn describe(part: &Part, plan: Option<&OutputPlan>, picture: &mut Picture) {
    picture.verbs.push(part.verb.as_str().to_owned());
    for touched in &part.tables {
        let table = TouchedTable {
            name: touched.table.to_string(),
            access: access_word(touched.access).to_owned(),
            indirect: touched.reach == Reach::Indirect,
        };
        if !picture.tables.contains(&table) {
            picture.tables.push(table);
        }
    }
    for used in &part.predicates {
        let condition = ConditionOn { column: used.column.to_string(), usage: usage_word(used.usage).to_owned() };
        if !picture.conditions.contains(&condition) && picture.conditions.len() < MOST_CONDITIONS {
            picture.conditions.push(condition);
        }
    }
    if !part.tables.is_empty() && !part.filtered {
        let words = if part.limited {
            "it has no condition: only its limit bounds which rows it reaches"
        } else {
            "no condition bounds it: it reaches every row"
        };
        picture.warnings.push(words.to_owned());
    }
    picture.warnings.extend(
        part.opaque
            .iter()
            .filter(|opaque| opaque.reaches_data)
            .map(|opaque| format!("{}: what it reaches could not be worked out", opaque.what)),
    );
    match (&part.outputs, plan) {
        (_, Some(OutputPlan::RedactAll(why))) => picture.warnings.push(format!("every column is redacted: {why}")),
        (Outputs::Known(outputs), plan) => {
            let masks = match plan {
                Some(OutputPlan::Columns(masks)) => masks.as_slice(),
                _ => &[],
            };
            for (index, output) in outputs.iter().enumerate() {
                let mask = masks.get(index);
                picture.columns.push(ShownColumn {
                    name: output.name.clone().unwrap_or_else(|| format!("column {}", index.saturating_add(1))),
                    source: match &output.lineage {
                        Lineage::Bare(column) => Some(column.to_string()),
                        Lineage::Derived(_) | Lineage::Unknown(_) => None,
                    },
                    mask: mask.and_then(|mask| mask.mask.as_ref()).map(|mask| mask_word(mask).to_owned()),
                    rule: mask.and_then(|mask| mask.rule.clone()),
                });
            }
        }
        (Outputs::Unknown(why), _) => picture.warnings.push(format!("its columns are not known beforehand: {why}")),
        (Outputs::None, _) => {}
    }
}

fn usage_word(usage: Usage) -> &'static str {
    match usage {
        Usage::Equality => "equals",
        Usage::Join => "joins",
        Usage::Comparison => "compares",
        Usage::Order => "orders",
        Usage::Group => "groups",
    }
}

fn access_word(access: Access) -> &'static str {
    match access {
        Access::Read => "reads",
        Access::Write => "writes",
        Access::Define => "defines",
    }
}

fn mask_word(mask: &MaskSpec) -> &'static str {
    match mask {
        MaskSpec::Redact => "redact",
        MaskSpec::Null => "null",
        MaskSpec::Partial { .. } => "partial",
        MaskSpec::Token { .. } => "token",
        MaskSpec::Year => "year",
        MaskSpec::Zip3 => "zip3",
        MaskSpec::FakeName => "fake name",
        MaskSpec::Hash => "hash",
        MaskSpec::Keep => "shown (exempt)",
        MaskSpec::Detect { .. } => "identifiers in the text",
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write;
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Each part is preceded by its length, so that no two lists of parts look alike.
fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(part);
}

fn params_hash(params: &[Param]) -> String {
    let mut hash = Sha256::new();
    for param in params {
        feed(&mut hash, format!("{:?}", param.repr).as_bytes());
        match &param.value {
            None => hash.update([0]),
            Some(value) => {
                hash.update([1]);
                feed(&mut hash, value);
            }
        }
    }
    hex(hash.finalize())
}

/// Verbs, tables and the origin of every column, as resolved when the statement was judged.
fn effect_hash(database: &str, parts: &[Part]) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, database.as_bytes());
    for part in parts {
        feed(&mut hash, part.verb.as_str().as_bytes());
        let tables: BTreeSet<_> =
            part.tables.iter().map(|used| (&used.table.schema, &used.table.table, access_word(used.access))).collect();
        for (schema, table, access) in tables {
            [schema.as_str(), table.as_str(), access].iter().for_each(|text| feed(&mut hash, text.as_bytes()));
        }
        feed(&mut hash, format!("{:?}", part.outputs).as_bytes());
        feed(&mut hash, format!("{:?}", part.calls).as_bytes());
    }
    hex(hash.finalize())
}

fn shown_params(params: &[Param]) -> Vec<Option<String>> {
    let mut shown: Vec<_> = params.iter().take(MOST_PARAMS).map(shown_param).collect();
    if let Some(more) = params.len().checked_sub(MOST_PARAMS).filter(|more| *more > 0) {
        shown.push(Some(format!("… and {more} more parameters that are not shown")));
    }
    shown
}

fn shown_param(param: &Param) -> Option<String> {
    let value = param.value.as_ref()?;
    let mut text = String::new();
    param.repr.render(value, &mut text);
    if let Some((cut, _)) = text.char_indices().nth(MOST_PARAM) {
        text.truncate(cut);
        text.push_str(&format!("… ({} bytes, SHA-256 {})", value.len(), hex(Sha256::digest(value))));
    }
    Some(text)
}
