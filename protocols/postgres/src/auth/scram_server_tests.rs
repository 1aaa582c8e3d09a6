//! The server side of SCRAM against the RFC, our own client side, and whoever cuts, replays or makes messages up.

use super::super::scram::{ChannelBinding, KeyCache, Started};
use super::*;
use proptest::prelude::*;

const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";

fn pencil() -> Kept {
    Kept::of(b"pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap()).unwrap()
}

fn failure<T>(result: Result<T, Failure>) -> &'static str {
    match result {
        Ok(_) => panic!("accepted"),
        Err(Failure(why)) => why,
    }
}

/// RFC 7677, section 3.
#[test]
fn the_example_of_rfc_7677() {
    let kept = pencil();
    let challenged = Challenged::new(b"SCRAM-SHA-256", FIRST, None, &kept, NONCE).unwrap();
    assert_eq!(
        std::str::from_utf8(challenged.first()).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let proof = challenged
        .finish(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        .unwrap();
    assert!(proof.fits(&kept.encode()));
    assert_eq!(proof.server_final(&kept).unwrap(), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert!(!proof.fits(&Kept::of(b"pencils", &kept.salt).unwrap().encode()), "another password");
    assert!(!proof.fits(&Kept::decoy(&kept.salt).encode()));
    assert!(!proof.fits(&Secret::new(b"SCRAM-SHA-256$4096:x")), "what does not decode fits nothing");
    assert!(!proof.fits(&Secret::new(b"")));
}

#[test]
fn what_is_kept_is_what_postgresql_keeps() {
    // Computed with Python's hashlib and hmac.
    let kept = pencil();
    let text = String::from_utf8(kept.encode().expose().to_vec()).unwrap();
    assert_eq!(
        text,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
         wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
    let again = Kept::decode(&kept.encode()).unwrap();
    assert_eq!((again.stored, again.server, again.salt), (kept.stored, kept.server, kept.salt));
    assert!(!text.contains("pencil"));
}

/// Our own client side against our server side, bound and unbound.
#[test]
fn client_and_server_agree() {
    let kept = Kept::of("päß wörd".as_bytes(), &[7; 16]).unwrap();
    let hash = vec![1, b',', 0xff];
    for (mechanism, binding, offered) in [
        ("SCRAM-SHA-256", ChannelBinding::Unsupported, None),
        ("SCRAM-SHA-256", ChannelBinding::Unsupported, Some(hash.as_slice())),
        ("SCRAM-SHA-256", ChannelBinding::NotOffered, None),
        ("SCRAM-SHA-256-PLUS", ChannelBinding::EndPoint(hash.clone()), Some(hash.as_slice())),
    ] {
        let started = Started::new(&binding, "clientnonce".to_owned());
        let challenged =
            Challenged::new(mechanism.as_bytes(), &started.first(), offered, &kept, "servernonce").unwrap();
        let (response, proven) = match started.prove(challenged.first(), "päß wörd".as_bytes(), &KeyCache::default())
        {
            Ok(proved) => proved,
            Err(Failure(why)) => panic!("{why}"),
        };
        let proof = challenged.finish(&response).unwrap();
        assert!(proof.fits(&kept.encode()), "{binding:?}");
        assert_eq!(proven.verify(&proof.server_final(&kept).unwrap()), Ok(()));
    }
}

#[test]
fn a_downgrade_and_a_foreign_channel_are_refused() {
    let kept = pencil();
    let hash: &[u8] = &[9; 32];
    let new =
        |mechanism: &str, first: &[u8], binding| Challenged::new(mechanism.as_bytes(), first, binding, &kept, "s");
    assert!(failure(new("SCRAM-SHA-256", b"y,,n=,r=abc", Some(hash))).contains("somebody stands between"));
    for (mechanism, first, binding) in [
        ("SCRAM-SHA-256-PLUS", &b"p=tls-server-end-point,,n=,r=abc"[..], None),
        ("SCRAM-SHA-256-PLUS", b"n,,n=,r=abc", Some(hash)),
        ("SCRAM-SHA-256-PLUS", b"p=tls-unique,,n=,r=abc", Some(hash)),
        ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=abc", Some(hash)),
        ("SCRAM-SHA-1", b"n,,n=,r=abc", None),
        ("", b"n,,n=,r=abc", None),
    ] {
        failure(new(mechanism, first, binding));
    }
    let started = Started::new(&ChannelBinding::EndPoint(vec![8; 32]), "abc".to_owned());
    let challenged = new("SCRAM-SHA-256-PLUS", &started.first(), Some(hash)).unwrap();
    let Ok((response, _)) = started.prove(challenged.first(), b"pencil", &KeyCache::default()) else { panic!() };
    assert!(failure(challenged.finish(&response)).contains("another channel"));
}

#[test]
fn malformed_messages_and_replays_are_refused() {
    let kept = pencil();
    for first in [
        &b""[..],
        b"n",
        b"n,,",
        b"n,,n=",
        b"n,,n=,r=",
        b"n,,r=abc,n=",
        b"n,a=root,n=,r=abc",
        b"n,,m=x,n=,r=abc",
        b"n,,n=,r=a\x01c",
        b"q,,n=,r=abc",
        b"\xff,,n=,r=abc",
        &[b'n'; 5000],
    ] {
        failure(Challenged::new(b"SCRAM-SHA-256", first, None, &kept, NONCE));
    }
    let good =
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let challenged = |nonce| Challenged::new(b"SCRAM-SHA-256", FIRST, None, &kept, nonce).unwrap();
    assert!(failure(challenged("another").finish(good)).contains("another one"), "a proof that was heard before");
    for cut in 0..good.len() {
        if let Ok(proof) = challenged(NONCE).finish(&good[..cut]) {
            assert!(!proof.fits(&kept.encode()), "cut at {cut}");
        }
    }
    for last in [
        &b"c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            [..],
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,c=biws,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA",
        b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"\xff",
    ] {
        failure(challenged(NONCE).finish(last));
    }
}

proptest! {
    #[test]
    fn noise_never_fits(first in proptest::collection::vec(any::<u8>(), 0..64), last in "c=biws,r=[ -~]{0,40},p=[A-Za-z0-9+/]{43}=") {
        static KEPT: std::sync::OnceLock<Kept> = std::sync::OnceLock::new();
        let kept = KEPT.get_or_init(pencil);
        let _ = Challenged::new(b"SCRAM-SHA-256", &first, None, kept, NONCE);
        let challenged = Challenged::new(b"SCRAM-SHA-256", FIRST, None, kept, NONCE).unwrap();
        if let Ok(proof) = challenged.finish(last.as_bytes()) {
            prop_assert!(!proof.fits(&kept.encode()));
        }
    }
}
