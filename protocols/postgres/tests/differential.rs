//! Random pipelines of the extended protocol, sent to a real server directly and through the adapter: the same kinds of
//! answers in the same order, the same rows, errors of the same code, the same transaction states.

// A panic is how a test reports.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;
use support::relay::{Rules, serve};
use support::server::Server;
use support::{TOKEN, TestDesk, datasource, spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::UpstreamTls;

const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
const NAMES: [&str; 3] = ["", "a", "b"];
const TEXTS: [&str; 14] = [
    "SELECT g FROM generate_series(1, 3) g",
    "SELECT name, id FROM things ORDER BY id",
    "BEGIN",
    "COMMIT",
    "SELECT 1/0",
    "SELEC",
    "",
    "INSERT INTO things VALUES (DEFAULT, 'x') RETURNING name",
    "UPDATE things SET name = 'y' WHERE id < 0",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "SET search_path = public",
    "DECLARE k CURSOR FOR SELECT 5",
    "FETCH k",
];

/// A small generator (xorshift): the pipelines are the same in every run.
struct Random(u64, u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A portal's name: a new one, or one of the last. A name is not bound twice, where the adapter is more patient than
    /// the server.
    fn portal(&mut self, new: bool) -> String {
        match self.below(3) {
            0 => String::new(),
            _ if new => {
                self.1 += 1;
                format!("k{}", self.1)
            }
            back => format!("k{}", self.1.saturating_sub(u64::try_from(back).unwrap() - 1)),
        }
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag], u32::try_from(body.len() + 4).unwrap().to_be_bytes().as_slice(), &body].concat()
}

fn random_message(random: &mut Random) -> Vec<u8> {
    let (name, other) = (random.one(&NAMES).as_bytes(), random.one(&NAMES).as_bytes());
    let kind = random.below(16);
    let portal = random.portal((3..=5).contains(&kind));
    let portal = portal.as_bytes();
    match kind {
        0..=2 => message(b'P', &[name, b"\0", random.one(&TEXTS).as_bytes(), b"\0\0\0"]),
        3..=5 => {
            let formats: [&[u8]; 3] = [b"\0\0", b"\0\x01\0\0", b"\0\x01\0\x01"];
            message(b'B', &[portal, b"\0", other, b"\0\0\0\0\0", formats[random.below(3)]])
        }
        6..=8 => message(b'E', &[portal, b"\0\0\0\0", &[u8::try_from(random.below(3)).unwrap()]]),
        9 => message(b'D', &[b"S", name, b"\0"]),
        10 => message(b'D', &[b"P", portal, b"\0"]),
        11 => message(b'C', &[b"S", name, b"\0"]),
        12 => message(b'C', &[b"P", portal, b"\0"]),
        13 => message(b'Q', &[random.one(&TEXTS).as_bytes(), b"\0"]),
        _ => message(b'S', &[]),
    }
}

async fn connect(port: u16, password: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let startup = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let length = u32::try_from(startup.len() + 4).unwrap().to_be_bytes();
    stream.write_all(&[length.as_slice(), startup].concat()).await.unwrap();
    if let Some(password) = password {
        stream.write_all(&message(b'p', &[password.as_bytes(), b"\0"])).await.unwrap();
    }
    answers(&mut stream, |frames| frames.last().is_some_and(|(tag, _)| *tag == b'Z')).await;
    stream
}

type Frames = Vec<(u8, Vec<u8>)>;

async fn answers(stream: &mut TcpStream, enough: impl Fn(&Frames) -> bool) -> Frames {
    let (mut bytes, mut frames) = (Vec::new(), Frames::new());
    while !enough(&frames) {
        let read = tokio::time::timeout(std::time::Duration::from_secs(30), stream.read_buf(&mut bytes));
        assert_ne!(read.await.expect("an answer").unwrap(), 0, "closed after {frames:?}");
        while bytes.len() >= 5 {
            let length = usize::try_from(u32::from_be_bytes(bytes[1..5].try_into().unwrap())).unwrap();
            if bytes.len() <= length {
                break;
            }
            let frame: Vec<u8> = bytes.drain(..=length).collect();
            frames.push((frame[0], frame[5..].to_vec()));
        }
    }
    frames
}

/// What must be the same: of errors and notices the code and the message, of everything else all of it.
fn comparable(frames: Frames) -> Vec<String> {
    let one = |(tag, body): (u8, Vec<u8>)| {
        let tag = char::from(tag);
        if tag != 'E' && tag != 'N' {
            return format!("{tag} {}", body.escape_ascii());
        }
        let fields = body.split(|byte| *byte == 0);
        let kept = fields.filter(|field| matches!(field.first(), Some(b'C' | b'M' | b'S')));
        format!("{tag} {}", kept.map(|field| String::from_utf8_lossy(field)).collect::<Vec<_>>().join(" "))
    };
    frames.into_iter().map(one).collect()
}

/// Names are looked up by us before the server looks at anything, so where a message is wrong in two ways, the name comes
/// first. That it fails is the same.
fn forgive_order(direct: &mut String, through: &mut String) {
    let about_names = ["C42P05", "C42P03", "C34000", "C26000"];
    if direct.starts_with("E ") && about_names.iter().any(|code| through.contains(code)) {
        direct.clone_from(through);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelines_are_answered_alike() {
    let server = Server::start(HBA, None);
    server.sql("CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY, name text)");
    let desk = Arc::new(TestDesk::new(datasource(spec(server.port, "postgres", None, UpstreamTls::Disabled))));
    let (port, seen) = serve(desk, Rules::default()).await;
    let mut direct = connect(server.port, None).await;
    let mut through = connect(port, Some(TOKEN)).await;
    let mut random = Random(0x5EED_CAFE, 0);
    for round in 0..400 {
        let mut pipeline: Vec<_> = (0..=random.below(14)).map(|_| random_message(&mut random)).collect();
        // The end is found by a mark. Rows are taken back so that both sessions see the same table.
        let end = format!("SELECT 'end {round}'\0");
        pipeline.push(message(b'S', &[]));
        pipeline
            .push(message(b'Q', &[b"ROLLBACK; DELETE FROM things; ALTER TABLE things ALTER id RESTART; CLOSE ALL\0"]));
        pipeline.push(message(b'Q', &[end.as_bytes()]));
        let bytes = pipeline.concat();
        let mark = format!("end {round}").into_bytes();
        let enough = |frames: &Frames| {
            let marked = frames.iter().any(|(tag, body)| *tag == b'D' && body.ends_with(&mark));
            marked && frames.last().is_some_and(|(tag, _)| *tag == b'Z')
        };
        let mut told = Vec::new();
        for stream in [&mut direct, &mut through] {
            stream.write_all(&bytes).await.unwrap();
            told.push(comparable(answers(stream, enough).await));
        }
        let [direct_told, through_told] = told.as_mut_slice() else { panic!("two runs") };
        direct_told.iter_mut().zip(through_told).for_each(|(direct, through)| forgive_order(direct, through));
        assert_eq!(told[0], told[1], "round {round}: {}", bytes.escape_ascii());
        assert!(seen.lock().unwrap().errors.is_empty(), "{:?}", seen.lock().unwrap().errors);
    }
}
