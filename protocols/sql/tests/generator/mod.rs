//! Random SELECTs over the hospital, the same for the same seed.
#![allow(dead_code, reason = "each test file uses its own part")]

/// A small deterministic source of choices (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap_or(1)).unwrap_or(0)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        let at = self.roll(from.len());
        from.get(at).copied().unwrap_or_default()
    }
}

/// A FROM item: its text and the columns that can be named under its alias.
struct Source {
    text: String,
    alias: String,
    columns: Vec<String>,
}

const TABLES: [(&str, &[&str]); 7] = [
    ("patients", &["id", "mrn", "ssn", "full_name", "dob", "zip", "notes"]),
    ("encounters", &["id", "patient_id", "notes", "icd10"]),
    ("orders", &["id", "item", "total"]),
    ("pv", &["id", "zip"]),
    ("pvt", &["id", "zip"]),
    ("deep", &["zip", "size"]),
    ("patients_2020", &["id", "ssn", "zip"]),
];

/// A query for a seed.
pub(crate) fn query(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    match dice.roll(6) {
        0 => {
            let inner = select(&mut dice, 1, 2);
            let outer = dice.pick(&["a", "b", "a, b", "c.a", "c.*", "*", "c", "b || a", "count(*)", "(c).b"]);
            let recursive = dice.pick(&["", "RECURSIVE "]);
            format!("WITH {recursive}c(a, b) AS ({inner}) SELECT {outer} FROM c")
        }
        1 => {
            let op = dice.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT ALL"]);
            format!("{} {op} {}", select(&mut dice, 1, 2), select(&mut dice, 1, 2))
        }
        _ => {
            let width = 1 + dice.roll(4);
            select(&mut dice, 2, width)
        }
    }
}

fn select(dice: &mut Dice, depth: usize, width: usize) -> String {
    let mut sources = vec![source(dice, depth, "s0")];
    let mut from = sources.first().map(|s| s.text.clone()).unwrap_or_default();
    for at in 1..=dice.roll(3) {
        let next = source(dice, depth, &format!("s{at}"));
        let shared =
            sources.iter().all(|s| s.columns.iter().any(|c| c == "id")) && next.columns.iter().any(|c| c == "id");
        from = match dice.roll(if shared && sources.len() == 1 { 8 } else { 3 }) {
            0 => format!("{from}, {}", next.text),
            1 => format!("{from} CROSS JOIN {}", next.text),
            2 => format!("{from} LEFT JOIN {} ON true", next.text),
            3 => format!("{from} JOIN {} USING (id)", next.text),
            4 => format!("{from} LEFT JOIN {} USING (id)", next.text),
            5 => format!("{from} RIGHT JOIN {} USING (id)", next.text),
            6 => format!("{from} FULL JOIN {} USING (id)", next.text),
            _ => format!("{from} NATURAL JOIN {}", next.text),
        };
        sources.push(next);
    }
    let targets: Vec<String> =
        (0..width).map(|at| target(dice, &sources, depth, at, width == 2 && depth < 2)).collect();
    let distinct = dice.pick(&["", "", "", "DISTINCT "]);
    let mut text = format!("SELECT {distinct}{} FROM {from}", targets.join(", "));
    if dice.roll(3) == 0 {
        text.push_str(&format!(" WHERE {}::text <> 'x'", column(dice, &sources)));
    }
    if dice.roll(4) == 0 {
        text.push_str(" ORDER BY 1");
    }
    text
}

fn source(dice: &mut Dice, depth: usize, alias: &str) -> Source {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    match dice.roll(8) {
        0 if depth > 0 => Source {
            text: format!("({}) {alias}(a, b)", select(dice, depth - 1, 2)),
            alias: alias.to_owned(),
            columns: strings(&["a", "b"]),
        },
        1 => Source {
            text: format!("(VALUES (1, 'a'), (2, 'b')) {alias}(id, item)"),
            alias: alias.to_owned(),
            columns: strings(&["id", "item"]),
        },
        2 => Source {
            text: format!("generate_series(1, 2) {alias}"),
            alias: alias.to_owned(),
            columns: strings(&[alias]),
        },
        _ => {
            let (table, columns) = TABLES.get(dice.roll(TABLES.len())).copied().unwrap_or(("uq", &["v"]));
            let only = dice.pick(&["", "", "", "ONLY "]);
            Source { text: format!("{only}{table} AS {alias}"), alias: alias.to_owned(), columns: strings(columns) }
        }
    }
}

fn column(dice: &mut Dice, sources: &[Source]) -> String {
    let Some(source) = sources.get(dice.roll(sources.len())) else { return "1".to_owned() };
    let name = source.columns.get(dice.roll(source.columns.len())).cloned().unwrap_or_default();
    match dice.roll(5) {
        0 => name,
        1 => format!("({}).{name}", source.alias),
        _ => format!("{}.{name}", source.alias),
    }
}

fn target(dice: &mut Dice, sources: &[Source], depth: usize, at: usize, plain: bool) -> String {
    let one = column(dice, sources);
    let alias = match dice.roll(4) {
        0 => format!(" AS x{at}"),
        1 => " AS zip".to_owned(),
        _ => String::new(),
    };
    let expr = match dice.roll(if plain { 12 } else { 18 }) {
        0..=6 => one,
        7 => format!("{one}::text"),
        8 => format!("{one}::varchar"),
        9 => format!("coalesce({one}, {one})"),
        10 => format!("CASE WHEN {one} IS NULL THEN {one} END"),
        11 => format!("(SELECT {one})"),
        12 => format!("max({one}::text) OVER ()"),
        13 => format!("ARRAY[{one}]"),
        14 => format!("{one} IS NULL"),
        15 if depth > 0 => "(SELECT q FROM orders q LIMIT 1).item".to_owned(),
        16 => return "*".to_owned(),
        _ => {
            let alias = sources.get(dice.roll(sources.len())).map(|s| s.alias.clone()).unwrap_or_default();
            return dice.pick(&["{}.*", "{}", "{}::text", "row_to_json({})"]).replace("{}", &alias);
        }
    };
    format!("{expr}{alias}")
}

/// A query for a seed, in MySQL's dialect.
pub(crate) fn mysql_query(seed: u64) -> String {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..8 {
        dice.roll(2);
    }
    match dice.roll(5) {
        0 => {
            let inner = mysql_select(&mut dice, 1, 2);
            let outer = dice.pick(&["a", "b", "a, b", "c.A", "c.*", "*", "B", "concat(b, a)", "count(*)"]);
            format!("WITH c(a, b) AS ({inner}) SELECT {outer} FROM c")
        }
        1 => {
            let op = dice.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
            format!("{} {op} {}", mysql_select(&mut dice, 1, 2), mysql_select(&mut dice, 1, 2))
        }
        _ => {
            let width = 1 + dice.roll(4);
            mysql_select(&mut dice, 2, width)
        }
    }
}

fn mysql_select(dice: &mut Dice, depth: usize, width: usize) -> String {
    let mut sources = vec![mysql_source(dice, depth, "s0")];
    let mut from = sources.first().map(|s| s.text.clone()).unwrap_or_default();
    for at in 1..=dice.roll(3) {
        let next = mysql_source(dice, depth, &format!("s{at}"));
        let has_id = |s: &Source| s.columns.iter().any(|c| c == "id");
        let shared = sources.len() == 1 && sources.iter().all(has_id) && has_id(&next);
        from = match dice.roll(if shared { 9 } else { 5 }) {
            0 => format!("{from} JOIN {}", next.text),
            4 => format!("{from} RIGHT JOIN {} ON 1 = 1", next.text),
            1 => format!("{from} CROSS JOIN {}", next.text),
            2 => format!("{from} LEFT JOIN {} ON 1 = 1", next.text),
            3 => format!("{from} STRAIGHT_JOIN {}", next.text),
            5 => format!("{from} JOIN {} USING (id)", next.text),
            6 => format!("{from} LEFT JOIN {} USING (id)", next.text),
            7 => format!("{from} RIGHT JOIN {} USING (id)", next.text),
            _ => format!("{from} NATURAL {}JOIN {}", dice.pick(&["", "LEFT ", "RIGHT "]), next.text),
        };
        sources.push(next);
    }
    let targets: Vec<String> = (0..width).map(|at| mysql_target(dice, &sources, at, depth < 2)).collect();
    let distinct = dice.pick(&["", "", "", "DISTINCT "]);
    let mut text = format!("SELECT {distinct}{} FROM {from}", targets.join(", "));
    match dice.roll(8) {
        0 | 1 => text.push_str(&format!(" WHERE {} <> 'x'", column(dice, &sources))),
        2 => text.push_str(&format!(" HAVING {} <> \"x\"", column(dice, &sources))),
        _ => {}
    }
    if depth == 2 && dice.roll(4) == 0 {
        text.push_str(" ORDER BY 1 DESC");
    }
    text
}

fn mysql_source(dice: &mut Dice, depth: usize, alias: &str) -> Source {
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    match dice.roll(6) {
        0 if depth > 0 => {
            let inner = mysql_select(dice, depth - 1, 2);
            Source {
                text: format!("(WITH w(a, b) AS ({inner}) SELECT * FROM w) {alias}"),
                alias: alias.to_owned(),
                columns: strings(&["a", "b"]),
            }
        }
        1 => Source {
            text: format!("(SELECT id, item AS `zip`, ssn FROM orders JOIN patients USING (id)) AS `{alias}`"),
            alias: alias.to_owned(),
            columns: strings(&["id", "zip", "ssn"]),
        },
        _ => {
            let tables = TABLES.len() - 1;
            let (table, columns) = TABLES.get(dice.roll(tables)).copied().unwrap_or(("uq", &["v"]));
            let quoted = dice.pick(&["", "`"]);
            Source {
                text: format!("{quoted}{table}{quoted} {alias}"),
                alias: alias.to_owned(),
                columns: strings(columns),
            }
        }
    }
}

fn mysql_target(dice: &mut Dice, sources: &[Source], at: usize, plain: bool) -> String {
    let one = column(dice, sources).replace(['(', ')'], "");
    let two = column(dice, sources).replace(['(', ')'], "");
    let alias = match dice.roll(5) {
        0 => format!(" AS x{at}"),
        1 => " zip".to_owned(),
        2 => " 'ssn'".to_owned(),
        _ => String::new(),
    };
    let expr = match dice.roll(if plain { 13 } else { 16 }) {
        0..=5 => one,
        6 => format!("concat({one}, ' ', \"x\", {two})"),
        7 => format!("ifnull({one}, {two})"),
        8 => format!("CASE WHEN {one} IS NULL THEN {one} ELSE {two} END"),
        9 => format!("(SELECT {one})"),
        10 => format!("if({one} = '\\'', {one}, {two}) /* ' */"),
        11 => format!("upper(lower({one})) # \"\n"),
        12 => format!("max({one}) OVER (PARTITION BY {two})"),
        13 => "(SELECT item FROM orders WHERE id = 1)".to_owned(),
        14 => return if at == 0 { "*".to_owned() } else { "1".to_owned() },
        _ => {
            let alias = sources.get(dice.roll(sources.len())).map(|s| s.alias.clone()).unwrap_or_default();
            return format!("{alias}.*");
        }
    };
    format!("{expr}{alias}")
}
