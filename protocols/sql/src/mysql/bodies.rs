//! Where one statement of a canonical text ends: a semicolon inside the body of a routine, trigger, event or compound
//! statement ends a statement of that body, and not the statement that the server runs.

use super::gate::{Token, tokens};

/// The statements of a canonical text, empty ones left out. No literal or name in it contains a semicolon.
pub(super) fn split(canonical: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut rest = canonical;
    while !rest.is_empty() {
        let end = end_of_first(rest);
        statements.push(rest.get(..end).unwrap_or(rest).trim());
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
    }
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// Where the first statement ends: at a semicolon, or with the text.
fn end_of_first(text: &str) -> usize {
    let plain = text.find(';').unwrap_or(text.len());
    let first = text.get(..plain).unwrap_or(text);
    let (mut depth, mut after_end) = (0_usize, false);
    match body(first) {
        _ if plain == text.len() => return plain,
        Body::None => return plain,
        // One without a block around it (`IF … THEN …; END IF`) goes to the end of the text.
        Body::Whole => return text.len(),
        Body::Block => {}
    }
    // Blocks and CASE are counted; what else has an END of its own names itself behind it.
    for token in tokens(text) {
        let Token::Word(word) = token else {
            after_end = false;
            if token == Token::Symbol(";") && depth == 0 && place(text, token) >= plain {
                return place(text, token);
            }
            continue;
        };
        let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
        // `END IF` closes what was not counted, and `END CASE` what its END has counted already.
        let uncounted = after_end && is(&["IF", "LOOP", "REPEAT", "WHILE", "FOR"]);
        let opens = is(&["BEGIN", "CASE"]) && !(after_end && is(&["CASE"]));
        depth += usize::from(uncounted || opens);
        after_end = is(&["END"]);
        depth = depth.saturating_sub(usize::from(after_end));
    }
    text.len()
}

fn place(text: &str, token: Token<'_>) -> usize {
    let (Token::Word(part) | Token::Quoted(part) | Token::Text(part) | Token::Symbol(part)) = token;
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

/// What statements of its own a statement has.
enum Body {
    None,
    /// Within BEGIN and END.
    Block,
    /// Others.
    Whole,
}

/// Told by what stands before the first semicolon.
fn body(first: &str) -> Body {
    let tokens = tokens(first);
    let upper = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    let from = match upper(0).as_str() {
        "CREATE" | "ALTER" => {
            let kind = |at: &usize| {
                matches!(
                    upper(*at).as_str(),
                    "PROCEDURE" | "FUNCTION" | "TRIGGER" | "EVENT" | "PACKAGE" | "TABLE" | "VIEW"
                )
            };
            match (1..tokens.len()).find(kind) {
                Some(at) if !matches!(upper(at).as_str(), "TABLE" | "VIEW") => at,
                _ => return Body::None,
            }
        }
        "BEGIN" if upper(1) == "NOT" => return Body::Block,
        "IF" | "CASE" | "LOOP" | "REPEAT" | "WHILE" | "FOR" => return Body::Whole,
        _ => return Body::None,
    };
    for at in from..tokens.len() {
        let before = |next: &str| upper(at + 1) == next;
        let called = tokens.get(at + 1) == Some(&Token::Symbol("("));
        match upper(at).as_str() {
            "RETURN" => return Body::None,
            "BEGIN" => return Body::Block,
            "IF" if called || before("NOT") || before("EXISTS") => {}
            "REPEAT" if called => {}
            "FOR" if before("EACH") => {}
            "IF" | "CASE" | "LOOP" | "REPEAT" | "WHILE" | "FOR" => return Body::Whole,
            _ => {}
        }
    }
    Body::None
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_body_is_of_one_statement() {
        for text in [
            "CREATE FUNCTION f() RETURNS int BEGIN DECLARE x int; SET x = 1; RETURN x; END",
            "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN IF NEW.b THEN SET NEW.c = 1; END IF; END",
            "CREATE DEFINER = `r`@`%` PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; END",
            "CREATE PROCEDURE p() BEGIN WHILE a DO BEGIN SELECT 1; END; END WHILE; SELECT CASE a WHEN 1 THEN 2 END; END",
            "CREATE PROCEDURE p() IF a THEN SELECT 1; END IF",
            "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END",
        ] {
            assert_eq!(split(text), [text], "{text}");
            let followed = format!("{text}; SELECT 5");
            if text.contains("BEGIN") {
                assert_eq!(split(&followed), [text, "SELECT 5"], "{text}");
            }
        }
    }

    #[test]
    fn everything_else_ends_at_its_semicolon() {
        assert_eq!(split("SELECT 1; ; BEGIN; SELECT 2;"), ["SELECT 1", "BEGIN", "SELECT 2"]);
        assert_eq!(
            split("CREATE TABLE t(event int, a int); SELECT 2"),
            ["CREATE TABLE t(event int, a int)", "SELECT 2"]
        );
        assert_eq!(split("CREATE FUNCTION f() RETURNS int RETURN IF(1, 2, 3); SELECT 2").len(), 2);
        assert_eq!(split("CREATE FUNCTION f() RETURNS int RETURN CASE WHEN 1 THEN 2 END; SELECT 2").len(), 2);
        assert!(split("").is_empty());
    }
}
