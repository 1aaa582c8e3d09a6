//! Both sides of a compressed hop over one socket pair, packets in pieces, and peers that lie about lengths.

use super::codec::{Codec, Header};
use super::{Algorithm, Compressed};
use crate::message::capability::Capabilities;
use crate::message::packet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wire::Transport;

const BOTH: [Algorithm; 2] = [Algorithm::Zlib, Algorithm::Zstd { level: 3 }];

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), other.unwrap().0)
}

fn frames(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = first;
    for payload in payloads {
        sequence = packet::put(&mut out, sequence, payload);
    }
    out
}

async fn read(from: &mut Transport, count: usize) -> Vec<u8> {
    let mut got = vec![0; count];
    from.read_exact(&mut got).await.unwrap();
    got
}

#[test]
fn what_was_agreed_on() {
    let both = Capabilities::COMPRESS.with(Capabilities::ZSTD);
    assert_eq!(Algorithm::agreed(Capabilities(0), 3), None);
    assert_eq!(Algorithm::agreed(both, 3), Some(Algorithm::Zlib));
    for (asked, level) in [(0, 3), (1, 1), (9, 9), (22, 9)] {
        assert_eq!(Algorithm::agreed(Capabilities::ZSTD, asked), Some(Algorithm::Zstd { level }));
    }
}

#[tokio::test]
async fn two_sides_understand_each_other_and_number_their_packets() {
    for algorithm in BOTH {
        let (here, there) = pair().await;
        let mut client = Compressed::towards_upstream(Transport::Plain(here), algorithm);
        let mut server = Compressed::towards_client(Transport::Plain(there), algorithm);
        // The login's last packet is not compressed: it is what the reader of the other hop takes before it begins.
        server.write_all(&frames(7, &[b"welcome"])).await.unwrap();
        server.flush().await.unwrap();
        let Transport::Coded(_) = &client else { panic!("not coded") };
        let mut bare = [0; 11];
        under(&mut client).read_exact(&mut bare).await.unwrap();
        assert_eq!(&bare, b"\x07\0\0\x07welcome");
        for (size, times) in [(1_usize, 3_u8), (40, 3), (300_000, 2), (packet::LONGEST, 1), (packet::LONGEST + 5, 1)] {
            for _ in 0..times {
                let text: Vec<u8> = (0..size).map(|at| b"abcdefghij"[at % 10]).collect();
                let command = frames(0, &[&text]);
                // Two commands in one write, of which the first has no answer, and a write in pieces.
                let write = async {
                    client.write_all(&[frames(0, &[b"\x19\x01\0\0\0"]), command.clone()].concat()).await.unwrap();
                    client.flush().await.unwrap();
                };
                let expect = async { read(&mut server, 9 + command.len()).await };
                let ((), got) = tokio::join!(write, expect);
                assert_eq!(&got[9..], &command[..]);
                let answer = frames(after(&command), &[b"\x01x", &text, b"", b"end"]);
                let shorter = answer.len().min(3);
                let write = async {
                    server.write_all(&answer[..shorter]).await.unwrap();
                    server.flush().await.unwrap();
                    server.write_all(&answer[shorter..]).await.unwrap();
                    server.flush().await.unwrap();
                };
                let ((), got) = tokio::join!(write, read(&mut client, answer.len()));
                assert_eq!(got, answer, "{size}");
            }
        }
    }
}

fn after(command: &[u8]) -> u8 {
    let packet::Front::Whole(extent) = packet::front(command, 1 << 30).unwrap() else { panic!("cut") };
    extent.next_sequence()
}

/// The connection under a coding, for what is not coded.
fn under(transport: &mut Transport) -> Under<'_> {
    Under(transport)
}

struct Under<'a>(&'a mut Transport);

impl Under<'_> {
    async fn read_exact(&mut self, space: &mut [u8]) -> std::io::Result<()> {
        let Transport::Coded(coded) = &*self.0 else { panic!("not coded") };
        let Transport::Plain(stream) = coded.under() else { panic!("not plain") };
        let mut filled = 0;
        while filled < space.len() {
            stream.readable().await?;
            match stream.try_read(&mut space[filled..]) {
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_outer_ids_begin_anew_with_each_command_and_wrap_within_one() {
    let (here, mut there) = pair().await;
    let mut client = Compressed::towards_upstream(Transport::Plain(here), Algorithm::Zlib);
    let mut sent = frames(0, &[b"\x19\x01\0\0\0", b"\x19\x02\0\0\0"]);
    sent[12] = 0;
    client.write_all(&sent).await.unwrap();
    client.flush().await.unwrap();
    // The data of a file: ids wrap, and the packet after 255 is no command.
    for piece in [&frames(254, &[b"a"])[..], &frames(255, &[b"b"]), &frames(0, &[b"c"]), &frames(1, &[b""])] {
        client.write_all(piece).await.unwrap();
        client.flush().await.unwrap();
    }
    client.write_all(&frames(0, &[b"\x0e"])).await.unwrap();
    client.flush().await.unwrap();
    drop(client);
    let mut all = Vec::new();
    there.read_to_end(&mut all).await.unwrap();
    let mut outer = Vec::new();
    let mut rest = &all[..];
    while let Some((header, packed)) = super::codec::whole(rest) {
        outer.push((header.sequence, packed.len()));
        rest = &rest[7 + packed.len()..];
    }
    assert!(rest.is_empty());
    assert_eq!(outer, [(0, 9), (0, 9), (1, 5), (2, 5), (3, 5), (4, 4), (0, 5)]);
}

#[tokio::test]
async fn a_server_that_sets_its_inner_ids_to_the_outer_ones_is_numbered_again() {
    let (here, mut there) = pair().await;
    let mut client = Compressed::towards_upstream(Transport::Plain(here), Algorithm::Zlib);
    client.write_all(&frames(0, &[b"\x03SELECT 1"])).await.unwrap();
    client.flush().await.unwrap();
    let mut codec = Codec::new(Algorithm::Zlib).unwrap();
    let mut out = Vec::new();
    codec.put(&mut out, 1, &frames(1, &[b"one", b"two", b"three"])).unwrap();
    codec.put(&mut out, 2, &frames(2, &[b"four"])).unwrap();
    there.write_all(&out).await.unwrap();
    let expected = frames(1, &[b"one", b"two", b"three", b"four"]);
    assert_eq!(read(&mut client, expected.len()).await, expected);
}

#[tokio::test]
async fn a_client_that_counts_inside_as_it_likes_is_numbered_again() {
    let (mut here, there) = pair().await;
    let mut server = Compressed::towards_client(Transport::Plain(there), Algorithm::Zlib);
    let mut codec = Codec::new(Algorithm::Zlib).unwrap();
    for inner in [0, 1, 7] {
        let mut out = Vec::new();
        codec.put(&mut out, 0, &frames(inner, &[&[b'q'; 200]])).unwrap();
        here.write_all(&out).await.unwrap();
        let expected = frames(0, &[&[b'q'; 200]]);
        assert_eq!(read(&mut server, expected.len()).await, expected);
        server.write_all(&frames(1, &[b"ok"])).await.unwrap();
        server.flush().await.unwrap();
    }
}

#[tokio::test]
async fn a_packet_is_not_torn_apart_where_it_fits() {
    let (here, mut there) = pair().await;
    let mut client = Compressed::towards_upstream(Transport::Plain(here), Algorithm::Zlib);
    let rows: Vec<Vec<u8>> = vec![vec![b'a'; 100], vec![b'b'; 1_000_000], vec![b'c'; 40_000], vec![b'd'; 40_000]];
    let payloads: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let sent = frames(1, &payloads);
    for piece in sent.chunks(9_999) {
        client.write_all(piece).await.unwrap();
    }
    client.flush().await.unwrap();
    drop(client);
    let mut all = Vec::new();
    there.read_to_end(&mut all).await.unwrap();
    let (mut rest, mut lengths) = (&all[..], Vec::new());
    while let Some((header, packed)) = super::codec::whole(rest) {
        lengths.push(header.plain);
        rest = &rest[7 + packed.len()..];
    }
    assert_eq!(lengths, [104, 1_000_004, 40_004, 40_004]);
}

#[tokio::test]
async fn peers_that_lie_are_errors_and_take_no_more_memory_than_they_may() {
    let mut codec = Codec::new(Algorithm::Zlib).unwrap();
    let plain = frames(1, &[&[b'x'; 5000]]);
    let mut sound = Vec::new();
    codec.put(&mut sound, 0, &plain).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut wire = sound.clone();
        wire[at] = byte;
        wire
    };
    let mut bomb = Vec::new();
    codec.put(&mut bomb, 0, &vec![0; packet::LONGEST]).unwrap();
    bomb[4..7].copy_from_slice(&[100, 0, 0]);
    for (what, wire) in [
        ("a wrong sequence id", changed(3, 9)),
        ("shorter than it says", changed(5, 0xFF)),
        ("longer than it says", changed(5, 0x01)),
        ("damaged", changed(12, sound[12] ^ 0x55)),
        ("a bomb", bomb),
        ("bytes after its end", {
            let mut wire = sound.clone();
            wire[0] += 1;
            wire.push(0);
            wire
        }),
    ] {
        let (here, mut there) = pair().await;
        let mut client = Compressed::towards_upstream(Transport::Plain(here), Algorithm::Zlib);
        there.write_all(&wire).await.unwrap();
        let mut space = Vec::new();
        let error = client.read_buf(&mut space).await.expect_err(what);
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{what}: {error}");
        assert!(space.is_empty(), "{what}");
    }
    let (here, mut there) = pair().await;
    let mut client = Compressed::towards_upstream(Transport::Plain(here), Algorithm::Zlib);
    there.write_all(&sound[..20]).await.unwrap();
    drop(there);
    let error = client.read_buf(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    for algorithm in BOTH {
        let mut codec = Codec::new(algorithm).unwrap();
        let header = Header { length: 4, sequence: 0, plain: 0xFF_FFFF };
        assert!(codec.unpack(header, b"noise", &mut Vec::new()).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn random_packets_come_back(plain in proptest::collection::vec(0_u8..8, 0..4000), zstd: bool) {
        let mut codec = Codec::new(BOTH[usize::from(zstd)]).unwrap();
        let mut wire = Vec::new();
        codec.put(&mut wire, 3, &plain).unwrap();
        let (header, packed) = super::codec::whole(&wire).unwrap();
        let mut back = Vec::new();
        codec.unpack(header, packed, &mut back).unwrap();
        proptest::prop_assert_eq!(back, plain);
    }

    #[test]
    fn noise_never_panics(packed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), plain in 0_usize..70_000, zstd: bool) {
        let mut codec = Codec::new(BOTH[usize::from(zstd)]).unwrap();
        let mut back = Vec::new();
        let _ = codec.unpack(Header { length: packed.len(), sequence: 0, plain }, &packed, &mut back);
        assert!(back.len() <= plain.max(packed.len()));
    }
}
