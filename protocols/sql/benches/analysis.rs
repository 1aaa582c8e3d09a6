//! What analysis costs: a remembered shape (the scanner and a look-up), and a shape seen for the first time (the parser,
//! lowering and lineage).

#[path = "../tests/hospital/mod.rs"]
mod hospital;

use affidavit_sql::{Analyser, Dialect};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const LOOKUP: &str = "SELECT abalance FROM orders WHERE id = 42";
const REPORT: &str = "WITH t AS (SELECT item, total FROM orders WHERE total > 3), u AS (SELECT item, max(total) AS m FROM t \
    GROUP BY item) SELECT t.item, u.m - t.total AS d, count(*) OVER (PARTITION BY t.item) FROM t JOIN u USING (item) \
    LEFT JOIN patients p ON p.id = t.total WHERE p.mrn = 'MRN1' ORDER BY 2 DESC LIMIT 10";

fn bench(criterion: &mut Criterion) {
    for (dialect, name) in [(Dialect::Postgres, "postgres"), (Dialect::MariaDb, "mariadb")] {
        let (catalog, settings) = match dialect {
            Dialect::Postgres => (hospital::postgres(), hospital::postgres_settings()),
            _ => (hospital::mysql(), hospital::mysql_settings()),
        };
        for (text, kind) in [(LOOKUP, "lookup"), (REPORT, "report")] {
            let warm = Analyser::new(dialect);
            criterion.bench_function(&format!("{name}/{kind}/remembered"), |bencher| {
                bencher.iter(|| black_box(warm.analyse(black_box(text.as_bytes()), &catalog, &settings)));
            });
            criterion.bench_function(&format!("{name}/{kind}/new"), |bencher| {
                bencher.iter_with_setup(
                    || Analyser::new(dialect),
                    |analyser| black_box(analyser.analyse(black_box(text.as_bytes()), &catalog, &settings)),
                );
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
