//! Names of prepared statements and portals at the upstream.
//!
//! SQL can take a name away from the protocol (`DEALLOCATE s; PREPARE s AS …`, `DECLARE c CURSOR …`), and a message that
//! the upstream skipped leaves an older statement under the name. Either way a harmless statement's name would fetch
//! another's rows. So each named statement and portal has a name of ours at the upstream, built from a secret of the
//! session and the statement's number, and used once: what answers under it can be nothing else. The client never sees
//! these names: errors are translated back.

use model::StatementId;

/// The name under which the text that must fail is parsed, and that text.
pub(crate) const REFUSED_NAME: &[u8] = b"affidavit_refused";
/// No grammar rule begins like this, in any version, in any transaction state.
pub(crate) const REFUSED_TEXT: &[u8] = b"affidavit refused this statement";

/// Makes names.
#[derive(Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    /// With a new secret.
    pub(crate) fn fresh() -> Self {
        Self { prefix: format!("affidavit_{:016x}_", rand::random::<u64>()) }
    }

    /// The name at the upstream for what the client calls `name`. The unnamed stays unnamed: SQL cannot reach it.
    pub(crate) fn at_upstream(&self, name: &[u8], id: StatementId) -> Vec<u8> {
        if name.is_empty() { Vec::new() } else { format!("{}{}", self.prefix, id.0).into_bytes() }
    }

    /// The name of what we ask ourselves.
    pub(crate) fn own(&self) -> Vec<u8> {
        format!("{}settings", self.prefix).into_bytes()
    }

    /// Whether a text mentions a name of ours.
    pub(crate) fn mentioned(&self, text: &[u8]) -> bool {
        memchr::memmem::find(text, self.prefix.as_bytes()).is_some()
    }

    /// Replaces our names in a text by the client's.
    pub(crate) fn translate(&self, text: &[u8], client_name: impl Fn(StatementId) -> Option<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, self.prefix.as_bytes()) {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            rest = rest.get(at.saturating_add(self.prefix.len())..).unwrap_or_default();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let id =
                rest.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|d| d.parse().ok());
            let name = id.and_then(|id| client_name(StatementId(id)));
            out.extend_from_slice(name.as_deref().unwrap_or(b"?"));
            rest = rest.get(digits..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        out
    }
}

/// The name in a text that is nothing but `DEALLOCATE name`, as PostgreSQL reads it.
pub(crate) fn deallocated(sql: &[u8]) -> Option<Vec<u8>> {
    // A look before the text is read: nearly every one begins otherwise.
    if !sql.trim_ascii_start().get(..10).is_some_and(|word| word.eq_ignore_ascii_case(b"deallocate")) {
        return None;
    }
    match sql::session_name(sql)? {
        sql::SessionName::Deallocates(name) => Some(name.into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_used_once_and_translated_back() {
        let names = Names::fresh();
        let name = names.at_upstream(b"s1", StatementId(17));
        assert_ne!(name, names.at_upstream(b"s1", StatementId(18)));
        assert_ne!(name, Names::fresh().at_upstream(b"s1", StatementId(17)));
        assert!(name.len() < 63, "PostgreSQL cuts names at 63 bytes");
        assert_eq!(names.at_upstream(b"", StatementId(17)), b"");
        let text = [b"prepared statement \"", name.as_slice(), b"\" does not exist"].concat();
        assert!(names.mentioned(&text));
        let back = names.translate(&text, |id| (id.0 == 17).then(|| b"s1".to_vec()));
        assert_eq!(back, b"prepared statement \"s1\" does not exist");
    }

    #[test]
    fn plain_deallocate_is_recognised() {
        assert_eq!(deallocated(b"DEALLOCATE _pg3_0").as_deref(), Some(&b"_pg3_0"[..]));
        assert_eq!(deallocated(b" deallocate prepare \"S_1\" ;").as_deref(), Some(&b"S_1"[..]));
        assert_eq!(deallocated(b"DEALLOCATE Abc").as_deref(), Some(&b"abc"[..]));
        for other in
            [&b"DEALLOCATE ALL"[..], b"deallocate all;", b"DEALLOCATE a; DROP TABLE t", b"DEALLOCATE", b"SELECT 1"]
        {
            assert_eq!(deallocated(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
