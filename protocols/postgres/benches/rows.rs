//! What the adapter itself costs per row: walking DataRows that pass, splicing masked ones, re-framing a masked COPY; and
//! per small query (Query in, answer out). The conversation comes from a login against a scripted upstream.

// A panic is how a test reports.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use affidavit_postgres::Postgres;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model::{AuthMethod, Identity, Refusal, SessionId, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::{
    Admission, Answer, CancelTarget, CellAnswer, CellMasker, Claim, Conversation, Credential, Datasource,
    DatasourceSpec, Desk, Discovery, Login, Protocol, Request, Splice, Step, Transport, UpstreamTls,
};

struct Open(Arc<dyn Datasource>);

#[async_trait::async_trait]
impl Desk for Open {
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        None
    }
    fn datasource_before_login(&self, _database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal> {
        Ok(self.0.clone())
    }
    async fn admit(&self, _credential: Credential<'_>, _claim: &Claim) -> Result<Admission, Refusal> {
        let identity = Identity {
            issuer: String::new(),
            subject: String::new(),
            name: None,
            groups: Vec::new(),
            expires: Timestamp(i64::MAX),
            method: AuthMethod::TokenAsPassword,
            token_id: None,
        };
        Ok(Admission { identity, datasource: self.0.clone(), session: SessionId([0; 16]) })
    }
    fn discovery(&self) -> Option<Discovery> {
        None
    }
    fn abandoned(&self, _admission: &Admission, _claim: &Claim, _refusal: &Refusal) {}
    fn offer_cancel(&self, _session: SessionId, _key: Vec<u8>, _target: CancelTarget) {}
    fn find_cancel(&self, _key: &[u8]) -> Option<CancelTarget> {
        None
    }
    fn client_addr(&self) -> String {
        String::new()
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

fn row(cells: &[&str]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).expect("few").to_be_bytes().to_vec();
    for cell in cells {
        body.extend_from_slice(&u32::try_from(cell.len()).expect("short").to_be_bytes());
        body.extend_from_slice(cell.as_bytes());
    }
    message(b'D', &body)
}

fn description(columns: usize) -> Vec<u8> {
    let mut body = u16::try_from(columns).expect("few").to_be_bytes().to_vec();
    for _ in 0..columns {
        body.extend_from_slice(b"column\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    }
    message(b'T', &body)
}

/// Lets anybody in and answers the question for the settings; nothing else.
async fn upstream(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let hello =
                [message(b'R', &[0; 4]), message(b'S', b"standard_conforming_strings\0on\0"), message(b'Z', b"I")];
            let _ = stream.write_all(&hello.concat()).await;
            let _ = stream.read(&mut buffer).await;
            let show = [description(1), row(&["public"]), message(b'C', b"SHOW\0")].concat();
            let role = [description(1), row(&["none"]), message(b'C', b"SHOW\0"), message(b'Z', b"I")].concat();
            let _ = stream.write_all(&[show, role].concat()).await;
            while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {
                let _ = stream
                    .write_all(&[message(b'E', b"SERROR\0C42P01\0Mno catalog\0\0"), message(b'Z', b"I")].concat())
                    .await;
            }
        });
    }
}

fn conversation() -> Box<dyn Conversation> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(upstream(listener));
        let spec = DatasourceSpec {
            name: "bench".to_owned(),
            address,
            database: None,
            user: "app".to_owned(),
            password: None,
            tls: UpstreamTls::Disabled,
            options: wire::Options::default(),
            connect_timeout: Duration::from_secs(5),
        };
        let desk = Arc::new(Open(Postgres.datasource(spec).expect("a datasource")));
        let doors = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(doors.local_addr().expect("an address")).await.expect("connects");
        let (ours, _) = doors.accept().await.expect("accepts");
        client.write_all(b"\0\0\0\x12\0\x03\0\0user\0ann\0\0").await.expect("writes");
        client.write_all(&message(b'p', b"token\0")).await.expect("writes");
        match Postgres.login(Transport::Plain(ours), desk).await {
            Ok(Login::Session(session)) => session.conversation,
            _ => panic!("no session"),
        }
    })
}

struct Mask([bool; 6]);

impl CellMasker for Mask {
    fn masks(&self, column: usize) -> bool {
        self.0.get(column).copied().unwrap_or(false)
    }
    fn mask(&mut self, _column: usize, _cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        out.extend_from_slice(b"***-**-****");
        CellAnswer::Replaced
    }
}

const MASK: [bool; 6] = [false, true, true, true, false, true];
const CELLS: [&str; 6] = ["1234567", "Ann Example", "123-45-6789", "1970-01-01", "62704", "ann@example.org"];

fn begin(conversation: &mut dyn Conversation, sql: &str, masked: bool) {
    let query = message(b'Q', format!("{sql}\0").as_bytes());
    let Ok(Step::Got { item: Request::Statement(statement), .. }) = conversation.request(&query) else {
        panic!("no statement")
    };
    if masked {
        conversation.whole_rows(statement.id);
    }
    conversation.permit(&statement, &mut Vec::new(), &mut Vec::new());
}

fn drain(conversation: &mut dyn Conversation, mut input: &[u8], mask: Option<&mut Mask>, splice: &mut Splice) -> u64 {
    let mut rows = 0;
    let mut mask = mask;
    while let Ok(Step::Got { consumed, item }) = conversation.answer(input) {
        if let Answer::Rows(batch) = item {
            rows += batch.rows;
            splice.wire.clear();
            splice.journal.clear();
            match mask.as_deref_mut() {
                Some(mask) => conversation.splice(&batch, mask, splice).expect("whole rows"),
                None => drop(conversation.journal_rows(&batch, &mut splice.journal).expect("rows")),
            }
        }
        input = &input[consumed..];
    }
    rows
}

fn benches(criterion: &mut Criterion) {
    let rows = 500_u64;
    let data: Vec<u8> = (0..rows).flat_map(|_| row(&CELLS)).collect();
    let line = format!("{}\n", CELLS.join("\t"));
    let lines: Vec<u8> = (0..rows).flat_map(|_| message(b'd', line.as_bytes())).collect();
    let mut group = criterion.benchmark_group("rows");
    group
        .throughput(Throughput::Elements(rows))
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500));
    let mut splice = Splice::default();
    for (name, sql, head, stream, masked) in [
        ("DataRow, passed", "SELECT 1", description(6), &data, false),
        ("DataRow, 4 of 6 masked", "SELECT 1", description(6), &data, true),
        (
            "COPY text, passed",
            "COPY t TO STDOUT",
            message(b'H', &[0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            &lines,
            false,
        ),
        (
            "COPY text, 4 of 6 masked",
            "COPY t TO STDOUT",
            message(b'H', &[0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            &lines,
            true,
        ),
        (
            "COPY csv, 4 of 6 masked",
            "COPY t TO STDOUT (FORMAT csv, DELIMITER E'\\t')",
            message(b'H', &[0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            &lines,
            true,
        ),
    ] {
        let mut conversation = conversation();
        begin(conversation.as_mut(), sql, masked);
        drain(conversation.as_mut(), &head, None, &mut splice);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut mask = Mask(MASK);
                let found = drain(conversation.as_mut(), black_box(stream), masked.then_some(&mut mask), &mut splice);
                assert_eq!(found, rows);
            });
        });
    }
    group.finish();
    let mut conversation = conversation();
    let query = message(b'Q', b"SELECT 42\0");
    let answer = [description(1), row(&["42"]), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    criterion.bench_function("small query, both ways", |bencher| {
        bencher.iter_batched_ref(
            || (),
            |()| {
                match conversation.request(black_box(&query)) {
                    Ok(Step::Got { item: Request::Statement(statement), .. }) => {
                        conversation.permit(&statement, &mut Vec::new(), &mut Vec::new());
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(drain(conversation.as_mut(), black_box(&answer), None, &mut splice), 1);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(all, benches);
criterion_main!(all);
