//! Hostile texts: short ones and long ones that want a parser's stack, time or memory. Written by rules, because some have
//! megabytes. The analysis reads them all; `e2e/test_hostile.py` sends their like through the proxy.

/// One text.
pub(crate) struct Hostile {
    /// What it wants.
    pub(crate) name: &'static str,
    /// The text.
    pub(crate) text: String,
    /// It is harmless, and must be read.
    pub(crate) works: bool,
}

fn hostile(name: &'static str, text: String) -> Hostile {
    Hostile { name, text, works: false }
}

fn nested(open: &str, close: &str, times: usize) -> String {
    format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
}

/// `WITH c0 AS (first), c1 AS (…c0…), … SELECT 1 FROM the last`; `@` stands for the one before.
fn chained(first: &str, next: &str, times: usize) -> String {
    let mut text = format!("WITH c0 AS ({first})");
    for level in 1..times {
        text.push_str(&format!(", c{level} AS ({})", next.replace('@', &format!("c{}", level - 1))));
    }
    text + &format!(" SELECT 1 FROM c{}", times - 1)
}

/// All of them.
pub(crate) fn all() -> Vec<Hostile> {
    let mut texts = vec![
        hostile("UNION ALL, 21 KB", format!("SELECT 1, 2{}", " UNION ALL SELECT 1, 2".repeat(1_000))),
        hostile("UNION ALL, 40 KB", format!("SELECT 1, 2{}", " UNION ALL SELECT 1, 2".repeat(2_500))),
        hostile("CROSS JOIN, 24 KB", format!("SELECT 1 FROM orders a{}", " CROSS JOIN (VALUES (1, 2)) v".repeat(850))),
        hostile(
            "CROSS JOIN of tables",
            format!("SELECT 1 FROM orders a, orders b{}", " CROSS JOIN orders".repeat(900)),
        ),
        hostile(
            "5,000 joins",
            format!("SELECT 1 FROM orders a{}", " JOIN orders o ON a.id = o.id AND 1 = 1".repeat(5_000)),
        ),
        hostile("joins with brackets", {
            format!("SELECT 1 FROM {}orders{}", "(".repeat(900), " CROSS JOIN orders)".repeat(900))
        }),
        hostile("joins one in the other", {
            format!("SELECT 1 FROM orders{}{}", " JOIN orders".repeat(900), " ON 1 = 1".repeat(900))
        }),
        hostile("4,000 common table expressions", chained("SELECT 1 AS a", "SELECT a FROM @", 4_000)),
        hostile("columns that double", chained("SELECT * FROM patients", "SELECT a.*, b.* FROM @ a, @ b", 20)),
        hostile("columns that double, computed", {
            chained("SELECT id AS x FROM patients", "SELECT concat(a.x, b.x) AS x FROM @ a, @ b", 30)
        }),
        hostile("WITH in WITH", nested("(WITH c AS (SELECT 1 AS a) SELECT ", " FROM c)", 300)),
        hostile("nested POSITION", nested("POSITION(", ")", 29)),
        hostile("nested POSITION IN", format!("SELECT {}'a'{}", "POSITION(".repeat(40), " IN 'a')".repeat(40))),
        hostile("parentheses", nested("(", ")", 4_000)),
        hostile("200,000 parentheses", nested("(", ")", 200_000)),
        hostile("parentheses in FROM", format!("SELECT 1 FROM {}orders{}", "(".repeat(60), ")".repeat(60))),
        hostile("subqueries", nested("(SELECT ", ")", 1_500)),
        hostile("subqueries in FROM", {
            format!("SELECT 1 FROM {}orders{}", "(SELECT 1 FROM ".repeat(1_000), " o)".repeat(1_000))
        }),
        hostile("CASE", nested("CASE WHEN 1 = 1 AND 2 = 2 THEN ", " END", 3_000)),
        hostile("CASE without END", format!("SELECT {}", "CASE WHEN 1 = 1 AND 2 = 2 THEN ".repeat(3_000))),
        hostile("BETWEEN", format!("SELECT 1 WHERE 1{}", " BETWEEN 1 AND NOT 1".repeat(2_000))),
        hostile("EXISTS", nested("EXISTS(SELECT ", ")", 1_500)),
        hostile("CAST", nested("CAST(", " AS char(9))", 1_500)),
        hostile("minus", format!("SELECT {}1", "- ".repeat(4_000))),
        hostile("NOT", format!("SELECT {}1", "NOT ".repeat(4_000))),
        hostile("a sum of 2 MiB", format!("SELECT 1{}", "+1".repeat(1 << 20))),
        hostile("OR, 1 MiB", format!("SELECT 1 FROM orders WHERE id = 1{}", " OR id = 2".repeat(100_000))),
        hostile("half a million columns", format!("SELECT id{} FROM orders", ", id".repeat(500_000))),
        hostile("half a million statements", "SELECT 1;".repeat(450_000)),
        hostile("a name of 1 MiB", format!("SELECT \"{}\" FROM orders", "a".repeat(1 << 20))),
        hostile("a number of 1 MiB", format!("SELECT {}", "9".repeat(1 << 20))),
        hostile("a comment that is not closed", format!("SELECT 1 /*{}", " /* a".repeat(500_000))),
        hostile("a string that is not closed", format!("SELECT '{}", "''".repeat(1 << 20))),
        hostile("dollars", format!("SELECT {}", "$a$ $b$ ".repeat(1_000))),
        hostile("brackets", format!("SELECT {}", "[".repeat(3_000))),
        hostile("ARRAY", format!("SELECT {}1{}", "ARRAY[".repeat(1_500), "]".repeat(1_500))),
        hostile("casts", format!("SELECT 1{}", "::int".repeat(4_000))),
        hostile("windows", {
            let windows: Vec<String> = (1..1_000).map(|w| format!("w{w} AS (w{} ORDER BY id)", w - 1)).collect();
            format!("SELECT 1 FROM orders WINDOW w0 AS (PARTITION BY id), {}", windows.join(", "))
        }),
        hostile("windows over windows", {
            let calls = ", sum(id) OVER w".repeat(10_000);
            let keys = (0..10_000).map(|n| format!("id + {n}")).collect::<Vec<String>>().join(", ");
            format!("SELECT 1{calls} FROM orders WINDOW w AS (PARTITION BY {keys})")
        }),
        hostile("arms of CASE in CASE", {
            let arms = " WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 3 END";
            format!("SELECT {}1{}", "CASE ".repeat(60), arms.repeat(60))
        }),
        hostile("GROUPING SETS", nested("1 FROM orders GROUP BY GROUPING SETS (", ")", 1_000)),
        hostile("NATURAL JOIN", format!("SELECT 1 FROM patients{}", " NATURAL JOIN patients".repeat(900))),
        hostile("recursion in recursion", {
            let mut text = "SELECT 1 AS a".to_owned();
            for _ in 0..12 {
                text = format!("WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL ({text})) SELECT a FROM r");
            }
            text
        }),
    ];
    let numbers: Vec<String> = (1_000_000..1_000_000 + (4 << 20) / 8).map(|number| number.to_string()).collect();
    let texts_: Vec<String> = (0..300_000).map(|number| format!("'pa{number:06}'")).collect();
    texts.push(Hostile {
        name: "IN with 4 MiB of numbers",
        text: format!("SELECT id FROM orders WHERE id IN ({})", numbers.join(",")),
        works: true,
    });
    texts.push(Hostile {
        name: "IN with 4 MiB of texts",
        text: format!("SELECT id FROM orders WHERE item IN ({})", texts_.join(", ")),
        works: true,
    });
    let row = "(1, 'something', NULL, -2.5), ".repeat(130_000);
    texts.push(Hostile {
        name: "4 MiB of rows",
        text: format!("INSERT INTO orders (id, item, total, id) VALUES {row}(1, 'x', 2, 3)"),
        works: true,
    });
    texts
}
