//! Patterns over names: `datasource.schema.table.column`, where `*` stands for any run of characters in a component.
//!
//! A component that holds a dot is written in double quotes. Names compare exactly for PostgreSQL and without regard to
//! case for MySQL, as the question says.

use model::ColumnRef;

/// How names of the datasource compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Names {
    /// Letter by letter (PostgreSQL).
    Exact,
    /// Without regard to case (MySQL, MariaDB: column names always, tables on most systems).
    Folded,
}

/// The place of the schema in a pattern.
const SCHEMA: usize = 1;

/// The engines' own schemas. A bare `*` does not mean them, or `*.*.*.name` would hide half of the catalog from every
/// driver that introspects; a rule that means them names them.
fn is_system_schema(name: &str) -> bool {
    ["pg_catalog", "pg_toast", "information_schema", "mysql", "performance_schema", "sys"]
        .iter()
        .any(|system| system.eq_ignore_ascii_case(name))
}

/// What a component asks for, so that the usual ones are decided without a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// `*`
    Everything,
    /// No star.
    Literal,
    Pattern,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Component {
    text: String,
    shape: Shape,
}

impl Component {
    fn new(text: String) -> Self {
        let shape = match text.as_str() {
            "*" => Shape::Everything,
            literal if !literal.contains('*') => Shape::Literal,
            _ => Shape::Pattern,
        };
        Self { text, shape }
    }

    fn matches(&self, name: &str, how: Names) -> bool {
        match (self.shape, how) {
            (Shape::Everything, _) => true,
            (Shape::Literal, Names::Exact) => self.text == name,
            _ => matches(&self.text, name, how),
        }
    }
}

/// A pattern of `N` components.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob<const N: usize> {
    components: [Component; N],
}

/// `datasource.schema.table.column`.
pub(crate) type ColumnGlob = Glob<4>;
/// `datasource.schema.table`.
pub(crate) type TableGlob = Glob<3>;

impl<const N: usize> Glob<N> {
    /// Reads a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut components = vec![String::new()];
        let mut quoted = false;
        for character in text.chars() {
            match (character, components.last_mut()) {
                ('"', _) => quoted = !quoted,
                ('.', _) if !quoted => components.push(String::new()),
                (other, Some(last)) => last.push(other),
                (_, None) => {}
            }
        }
        if quoted {
            return Err("a double quote is not closed".to_owned());
        }
        if components.iter().any(String::is_empty) {
            return Err("a component is empty".to_owned());
        }
        let found = components.len();
        let components: Vec<Component> = components.into_iter().map(Component::new).collect();
        let components =
            components.try_into().map_err(|_| format!("it has {found} components where {N} are needed"))?;
        Ok(Self { components })
    }

    /// Whether the table's component is more than a star, in a schema that is not one of the engines' own.
    pub(crate) fn names_a_table(&self) -> bool {
        let component = |at: usize| self.components.get(at);
        component(SCHEMA.saturating_add(1)).is_some_and(|table| table.shape != Shape::Everything)
            && component(SCHEMA).is_none_or(|schema| {
                !is_system_schema(&schema.text) && !schema.text.to_ascii_lowercase().starts_with("pg_")
            })
    }

    /// Whether all names match.
    pub(crate) fn matches(&self, names: [&str; N], how: Names) -> bool {
        self.could_match(names, how)
    }

    /// Whether the leading components match; what follows could be anything.
    pub(crate) fn could_match<const M: usize>(&self, names: [&str; M], how: Names) -> bool {
        let mut pairs = self.components.iter().zip(names).enumerate();
        pairs.all(|(at, (component, name))| {
            let everything = at == SCHEMA && component.shape == Shape::Everything;
            component.matches(name, how) && !(everything && is_system_schema(name))
        })
    }
}

impl<const N: usize> std::fmt::Display for Glob<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, component) in self.components.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let text = &component.text;
            if text.contains('.') {
                write!(f, "\"{text}\"")?;
            } else {
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}

/// The pattern that matches this column, as policy files write it. What a pattern cannot spell (a double quote) is
/// matched by a star, which may match more.
#[must_use]
pub fn column_pattern(datasource: &str, column: &ColumnRef) -> String {
    let component = |name: &str| {
        let name = name.replace('"', "*");
        if name.contains('.') { format!("\"{name}\"") } else { name }
    };
    [datasource, &column.schema, &column.table, &column.column].map(component).join(".")
}

/// Whether `name` matches `pattern`, `*` standing for any run of characters. Linear but for the retried last star.
pub(crate) fn matches(pattern: &str, name: &str, how: Names) -> bool {
    if pattern == "*" {
        return true;
    }
    let (mut rest_pattern, mut rest_name) = (pattern.chars(), name.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut after_pattern = rest_pattern.clone();
        let mut after_name = rest_name.clone();
        match (after_pattern.next(), after_name.next()) {
            (Some('*'), _) => {
                retry = Some((after_pattern.clone(), rest_name.clone()));
                rest_pattern = after_pattern;
                continue;
            }
            (None, None) => return true,
            (Some(expected), Some(found)) if same(expected, found, how) => {
                (rest_pattern, rest_name) = (after_pattern, after_name);
                continue;
            }
            _ => {}
        }
        // The last star takes one more character, if there is one.
        let Some((at_pattern, at_name)) = &mut retry else { return false };
        if at_name.next().is_none() {
            return false;
        }
        (rest_pattern, rest_name) = (at_pattern.clone(), at_name.clone());
    }
}

fn same(a: char, b: char, how: Names) -> bool {
    a == b || (how == Names::Folded && a.to_lowercase().eq(b.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stay_within_their_component() {
        let glob = ColumnGlob::parse("ehr.*.patient*.*_ssn").unwrap();
        assert!(glob.matches(["ehr", "public", "patients", "old_ssn"], Names::Exact));
        assert!(glob.matches(["ehr", "a.b", "patient", "_ssn"], Names::Exact));
        assert!(!glob.matches(["ehr", "public", "patients", "ssn"], Names::Exact));
        assert!(!glob.matches(["crm", "public", "patients", "old_ssn"], Names::Exact));
        assert!(glob.could_match(["ehr", "public", "patients"], Names::Exact));
        assert!(!glob.could_match(["ehr", "public", "visits"], Names::Exact));
    }

    #[test]
    fn a_bare_star_does_not_mean_the_engines_own_schemas() {
        let glob = ColumnGlob::parse("*.*.*.name").unwrap();
        assert!(!glob.matches(["ehr", "pg_catalog", "pg_timezone_names", "name"], Names::Exact));
        assert!(!glob.could_match(["ehr", "INFORMATION_SCHEMA", "TABLES"], Names::Folded));
        let named = ColumnGlob::parse("*.pg_*.pg_stats.most_common_vals").unwrap();
        assert!(named.matches(["ehr", "pg_catalog", "pg_stats", "most_common_vals"], Names::Exact));
    }

    #[test]
    fn case_counts_only_where_it_counts_for_the_engine() {
        let glob = ColumnGlob::parse("*.*.Patients.SSN").unwrap();
        assert!(!glob.matches(["ehr", "public", "patients", "ssn"], Names::Exact));
        assert!(glob.matches(["ehr", "clinic", "PATIENTS", "ssn"], Names::Folded));
        assert!(matches("ÄRZTE", "ärzte", Names::Folded));
    }

    #[test]
    fn patterns_that_are_not_patterns() {
        for (text, complaint) in [
            ("patients.ssn", "it has 2 components where 4 are needed"),
            ("a.b.c.d.e", "it has 5 components where 4 are needed"),
            ("*.*..ssn", "a component is empty"),
            ("*.*.\"t.ssn", "a double quote is not closed"),
        ] {
            assert_eq!(ColumnGlob::parse(text), Err(complaint.to_owned()), "{text}");
        }
        let quoted = ColumnGlob::parse(r#"*.*."my.table".ssn"#).unwrap();
        assert!(quoted.matches(["d", "s", "my.table", "ssn"], Names::Exact));
        assert_eq!(quoted.to_string(), r#"*.*."my.table".ssn"#);
    }

    proptest! {
        #[test]
        fn agrees_with_a_regular_expression(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let expression = format!("^{}$", pattern.replace('*', ".*"));
            let expected = regex::Regex::new(&expression).unwrap().is_match(&name);
            prop_assert_eq!(matches(&pattern, &name, Names::Exact), expected);
        }
    }
}
