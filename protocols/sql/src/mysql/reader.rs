//! MySQL's dialect for `sqlparser`, with a budget: the parser tries one reading after the other in places, which takes
//! twice as long with every level of nesting (`POSITION(POSITION(…`), and cannot be stopped from outside. Each attempt at an
//! expression, an operator or an alias is a step here; when they are spent, the parser hears of the one error on which it
//! gives up instead of trying otherwise.

use crate::bounds;
use sqlparser::ast::{Expr, Statement};
use sqlparser::dialect::{Dialect, MySqlDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use std::any::TypeId;

/// [`MySqlDialect`] under the budget of the text.
#[derive(Debug)]
pub(super) struct Budgeted;

/// All that MySQL's dialect says itself; everything else is the default of all dialects.
const MYSQL: MySqlDialect = MySqlDialect {};

macro_rules! as_mysql {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            MYSQL.$name()
        })*
    };
}

impl Dialect for Budgeted {
    fn dialect(&self) -> TypeId {
        MYSQL.dialect()
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match bounds::step(1) {
            true => MYSQL.parse_prefix(parser),
            false => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match bounds::step(1) {
            true => MYSQL.get_next_precedence(parser),
            false => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        MYSQL.parse_infix(parser, expr, precedence)
    }

    fn parse_statement(&self, parser: &mut Parser<'_>) -> Option<Result<Statement, ParserError>> {
        match bounds::step(1) {
            true => MYSQL.parse_statement(parser),
            false => Some(Err(ParserError::RecursionLimitExceeded)),
        }
    }

    fn is_table_factor_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        // It cannot fail, but what is read next will.
        bounds::step(1);
        MYSQL.is_table_factor_alias(explicit, keyword, parser)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        MYSQL.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        MYSQL.is_identifier_part(character)
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        MYSQL.is_delimited_identifier_start(character)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        MYSQL.identifier_quote_style(identifier)
    }

    as_mysql!(
        supports_string_literal_backslash_escape,
        supports_string_literal_concatenation,
        ignores_wildcard_escapes,
        supports_numeric_prefix,
        supports_bitwise_shift_operators,
        supports_multiline_comment_hints,
        require_interval_qualifier,
        supports_limit_comma,
        supports_create_table_select,
        supports_insert_set,
        supports_user_host_grantee,
        supports_table_hints,
        requires_single_line_comment_whitespace,
        supports_match_against,
        supports_select_modifiers,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_update_order_by,
        supports_data_type_signed_suffix,
        supports_cross_join_constraint,
        supports_double_ampersand_operator,
        supports_binary_kw_as_cast,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::{Effort, within};

    /// What the wrapper does not hand on would be read by the rules of no dialect.
    #[test]
    fn everything_is_read_as_mysqls_dialect_reads_it() {
        let corpora =
            [include_str!("../../tests/data/mysql-ordinary.sql"), include_str!("../../tests/data/mysql-attacks.txt")];
        let texts = corpora.iter().flat_map(|corpus| corpus.split(['\n', ';'])).chain([
            "SELECT 1a, 0x1, b'1', X'00' 'a' 'b' LIMIT 1, 2",
            "SELECT a && b, a << 1, a ->> '$.x', CAST(a AS UNSIGNED INTEGER), binary a",
            "INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = VALUES(a)",
            "UPDATE t SET a = 1 WHERE b ORDER BY c LIMIT 2",
            "SELECT SQL_NO_CACHE HIGH_PRIORITY a FROM t USE INDEX (x) JOIN u JOIN v ON 1 ON 2 CROSS JOIN w ON 3",
            "SELECT MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t GROUP BY a WITH ROLLUP",
            "GRANT SELECT ON t TO 'a'@'b'",
            "CREATE TABLE t (a INT KEY COMMENT 'x', CONSTRAINT UNIQUE (a)) SELECT 1 AS a",
            "SET NAMES utf8mb4 COLLATE x, a = 1",
            "LOCK TABLES a READ; UNLOCK TABLES",
        ]);
        let mut read = 0;
        for text in texts {
            let own = Parser::parse_sql(&MYSQL, text);
            assert_eq!(own, Parser::parse_sql(&Budgeted, text), "{text}");
            read += usize::from(own.is_ok());
        }
        assert!(read > 200, "{read}");
    }

    #[test]
    fn a_parser_that_tries_too_often_is_stopped() {
        let text = format!("SELECT {}1{}", "POSITION(".repeat(29), ")".repeat(29));
        let (parsed, spent) = within(Effort::Quick, || Parser::parse_sql(&Budgeted, &text));
        assert!(parsed.is_err() && spent.is_some(), "{parsed:?}");
    }
}
