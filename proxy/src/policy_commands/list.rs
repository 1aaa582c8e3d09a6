//! `affidavit policy list`: the rules, with where they stand.

use super::{Place, Stopped};
use crate::assembly;
use serde_json::json;

pub(super) fn list(place: &Place) -> Result<(), Stopped> {
    let setup = assembly::load(&place.config)?;
    let policy = assembly::policy(&setup)?;
    let rules = policy.rules();
    if place.json {
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| {
                json!({
                    "kind": rule.kind.as_str(), "name": rule.name, "file": rule.file, "line": rule.line,
                    "about": rule.about,
                })
            })
            .collect();
        println!("{:#}", json!({ "version": policy.version().to_string(), "rules": rules }));
        return Ok(());
    }
    println!("policy version {}", policy.version());
    for rule in rules {
        println!("  {:<8} {:<28} {} ({}:{})", rule.kind.as_str(), rule.name, rule.about, rule.file, rule.line);
    }
    Ok(())
}
