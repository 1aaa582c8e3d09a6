//! A client that speaks packets and compares nothing: what it sends and gets is bytes, so that a test can hold a
//! session through the proxy against one with the server, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Client {
    stream: TcpStream,
    pub greeting: Vec<u8>,
}

/// PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LENENC, TRANSACTIONS, LONG_FLAG, MULTI_STATEMENTS, MULTI_RESULTS,
/// PS_MULTI_RESULTS, CONNECT_ATTRS, CONNECT_WITH_DB.
pub const BASE: u64 = 0x003F_A20C;
pub const DEPRECATE_EOF: u64 = 1 << 24;
pub const SESSION_TRACK: u64 = 1 << 23;
/// MariaDB PROGRESS and STMT_BULK_OPERATIONS.
pub const MARIADB: u64 = (1 << 32) | (1 << 34);

impl Client {
    /// Logs in; without a token as a user without a password. The last packet of the login comes back too.
    pub fn login(port: u16, user: &str, token: Option<&str>, capabilities: u64) -> (Self, Vec<u8>) {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, greeting: Vec::new() };
        let (sequence, greeting) = client.packet();
        client.greeting = greeting;
        if client.greeting[0] == 0xFF {
            let last = client.greeting.clone();
            return (client, last);
        }
        assert_eq!(sequence, 0);
        let mut response = (capabilities as u32).to_le_bytes().to_vec();
        response.extend_from_slice(&0x0400_0000_u32.to_le_bytes());
        response.push(45);
        response.extend_from_slice(&[0; 19]);
        response.extend_from_slice(&((capabilities >> 32) as u32).to_le_bytes());
        response.extend_from_slice(user.as_bytes());
        response.extend_from_slice(b"\0\0ehr\0mysql_native_password\0");
        let attributes = b"\x0cprogram_name\x06oracle\x10affidavit_reason\x05audit\x10affidavit_ticket\x03T-1";
        response.push(u8::try_from(attributes.len()).unwrap());
        response.extend_from_slice(attributes);
        client.send(1, &response);
        let (mut sequence, mut payload) = client.packet();
        if payload.starts_with(b"\xfecaching_sha2_password\0") && token.is_none() {
            // MySQL, for a user without a password.
            client.send(sequence + 1, &[0]);
            (sequence, payload) = client.packet();
        }
        if payload[0] == 0xFE {
            assert!(payload.starts_with(b"\xfemysql_clear_password\0"), "{payload:?}");
            let mut answer = token.expect("asked for a token").as_bytes().to_vec();
            answer.push(0);
            client.send(sequence + 1, &answer);
            (sequence, payload) = client.packet();
            assert_eq!(sequence, 4, "the sequence goes on through the login");
        }
        let _ = sequence;
        (client, payload)
    }

    pub fn send(&mut self, sequence: u8, payload: &[u8]) {
        let mut wire = Vec::new();
        let mut sequence = sequence;
        let mut chunks: Vec<&[u8]> = payload.chunks(0xFF_FFFF).collect();
        if payload.len().is_multiple_of(0xFF_FFFF) {
            chunks.push(&[]);
        }
        for chunk in chunks {
            wire.extend_from_slice(&u32::try_from(chunk.len()).unwrap().to_le_bytes()[..3]);
            wire.push(sequence);
            wire.extend_from_slice(chunk);
            sequence = sequence.wrapping_add(1);
        }
        self.stream.write_all(&wire).unwrap();
    }

    /// One packet: its sequence id and payload.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        self.try_packet().unwrap()
    }

    pub fn try_packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header)?;
        let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok((header[3], payload))
    }

    /// Sends a command and, right behind it, COM_STATISTICS; gives every packet before the latter's answer.
    pub fn command(&mut self, payload: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.send(0, payload);
        self.send(0, &[0x09]);
        let mut packets = Vec::new();
        loop {
            let (sequence, payload) = self.packet();
            if sequence == 1 && payload.starts_with(b"Uptime: ") {
                return packets;
            }
            packets.push((sequence, payload));
        }
    }

    /// COM_QUERY.
    pub fn query(&mut self, sql: &str) -> Vec<(u8, Vec<u8>)> {
        let mut payload = vec![3];
        payload.extend_from_slice(sql.as_bytes());
        self.command(&payload)
    }

    /// Whether the other side has closed.
    pub fn is_closed(&mut self) -> bool {
        self.try_packet().is_err()
    }
}
