//! Who signs the head of the log and its key leaves: a key in this process, or a program that holds it elsewhere (a hardware
//! module, a key service, another account).
//!
//! ```text
//! COMMAND… vkey              prints the verification key, one line (NAME+ID+BASE64)
//! COMMAND… sign   < bytes    prints the Ed25519 signature over exactly these bytes, base64, one line
//! ```
//! Every signature is checked against the verification key before it is used. A program that fails, hangs or lies is an
//! error; what was to be signed stays staged, and is signed when the program works again.

use super::{LogKey, VerifierKey, base64, unbase64};
use crate::config::SigningKeySource;
use crate::error::StoreError;
use ed25519_dalek::Signature;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the program may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that are read of an answer, and of what the program says about an error.
const ANSWER: u64 = 4096;

/// Signs for the log.
pub(crate) enum LogSigner {
    /// The key is here.
    Key(LogKey),
    /// A program has it.
    Command(CommandSigner),
}

/// A program that signs.
pub(crate) struct CommandSigner {
    argv: Vec<String>,
    key: VerifierKey,
    patience: Duration,
}

impl LogSigner {
    /// Reads the key, or asks the program for its verification key.
    pub(crate) fn open(source: &SigningKeySource) -> Result<Self, StoreError> {
        match source {
            SigningKeySource::Text { text, origin } => {
                let key = LogKey::parse(text).map_err(|error| match error {
                    StoreError::Key(what) => StoreError::Key(format!("{origin}: {what}")),
                    other => other,
                })?;
                Ok(Self::Key(key))
            }
            SigningKeySource::Command { argv } => Ok(Self::Command(CommandSigner::open(argv, PATIENCE)?)),
        }
    }

    /// The public half.
    pub(crate) fn verifier(&self) -> VerifierKey {
        match self {
            Self::Key(key) => key.verifier(),
            Self::Command(command) => command.key.clone(),
        }
    }

    /// A signature over these bytes.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        match self {
            Self::Key(key) => Ok(key.sign_bytes(message)),
            Self::Command(command) => command.sign(message),
        }
    }

    /// The note with this signer's signature.
    pub(crate) fn sign_note(&self, text: &str) -> Result<String, StoreError> {
        Ok(format!("{text}\n{}", self.verifier().signature_line(&self.sign_bytes(text.as_bytes())?)))
    }
}

impl CommandSigner {
    fn open(argv: &[String], patience: Duration) -> Result<Self, StoreError> {
        let wrong = |what: String| StoreError::Key(format!("the program that signs, `{}`: {what}", argv.join(" ")));
        let answer = ask(argv, "vkey", &[], patience)?;
        let key = VerifierKey::parse(&answer)
            .map_err(|error| wrong(format!("asked for its `vkey` it did not give one ({error})")))?;
        Ok(Self { argv: argv.to_vec(), key, patience })
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], StoreError> {
        let wrong = |what: &str| {
            StoreError::Key(format!(
                "the program that signs, `{}`: {what}; nothing is lost, it is asked again",
                self.argv.join(" ")
            ))
        };
        let answer = ask(&self.argv, "sign", message, self.patience)?;
        let bytes = unbase64(answer.trim()).ok_or_else(|| wrong("its answer is not base64"))?;
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| wrong("its answer is not a signature of 64 bytes"))?;
        let good = self.key.public().verify_strict(message, &Signature::from_bytes(&bytes)).is_ok();
        if good { Ok(bytes) } else { Err(wrong("its signature is not good by the key that it named")) }
    }
}

/// Runs the program with one word more, gives it `input` and returns what it printed.
fn ask(argv: &[String], verb: &str, input: &[u8], patience: Duration) -> Result<String, StoreError> {
    let shown = format!("{} {verb}", argv.join(" "));
    let failed = |what: String| StoreError::Key(format!("the program that signs, `{shown}`: {what}"));
    let (program, arguments) =
        argv.split_first().ok_or_else(|| StoreError::Key("signing_key names a program without a name".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("it cannot be started: {error}")))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.to_vec();
    // A program that does not read is found out by its answer, not by this write.
    let writing = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
    let answer = std::thread::spawn(move || first(stdout));
    let complaint = std::thread::spawn(move || first(stderr));
    let status = wait(&mut child, patience).map_err(|error| failed(error.to_string()))?;
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        // The readers end when whoever the program started closes the pipes; they are not waited for.
        return Err(failed(format!("it gave no answer within {} s and was stopped", patience.as_secs_f32())));
    };
    let _ = writing.join();
    let complaint = complaint.join().unwrap_or_default();
    let answer = answer.join().unwrap_or_default();
    if !status.success() {
        let said = complaint.lines().next().unwrap_or("it said nothing").to_owned();
        return Err(failed(format!("it ended with {status}: {said}")));
    }
    Ok(answer)
}

fn first(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let _ = pipe.take(ANSWER).read_to_end(&mut bytes);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn wait(child: &mut Child, patience: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > patience {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

impl VerifierKey {
    /// A line of a note with this signature.
    pub(crate) fn signature_line(&self, signature: &[u8; 64]) -> String {
        let mut bytes = self.id().to_vec();
        bytes.extend_from_slice(signature);
        format!("— {} {}\n", self.name(), base64(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{key, vkey};

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
    }

    fn refused(script: &str, patience: Duration) -> String {
        let signer = CommandSigner { argv: sh(script), key: key().verifier(), patience };
        signer.sign(b"message").unwrap_err().to_string()
    }

    #[test]
    fn a_program_signs_exactly_the_bytes_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let signature = base64(&key().sign_bytes(b"message"));
        let seen = folder.path().join("seen");
        let script =
            format!("case $1 in vkey) echo '{}';; sign) cat > {}; echo {signature};; esac", vkey(), seen.display());
        let signer = CommandSigner::open(&sh(&script), PATIENCE).unwrap();
        assert_eq!(signer.key, key().verifier());
        assert_eq!(signer.sign(b"message").unwrap(), key().sign_bytes(b"message"));
        assert_eq!(std::fs::read(seen).unwrap(), b"message");
        // A signature over something else is not believed.
        assert!(signer.sign(b"another").unwrap_err().to_string().contains("not good by the key"));
    }

    #[test]
    fn a_program_that_misbehaves_is_named_with_what_it_did() {
        let patience = Duration::from_secs(10);
        assert!(refused("echo !!", patience).contains("not base64"));
        assert!(refused("echo AAAA", patience).contains("64 bytes"));
        assert!(refused("echo no key today >&2; exit 7", patience).contains("no key today"));
        assert!(refused("yes", patience).contains("ended with"));
        assert!(refused("exec sleep 30", Duration::from_millis(200)).contains("no answer within"));
        let missing = ["/nonexistent/signer".to_owned()];
        assert!(
            CommandSigner::open(&missing, patience).map(drop).unwrap_err().to_string().contains("cannot be started")
        );
        assert!(CommandSigner::open(&sh("echo hello"), patience).map(drop).unwrap_err().to_string().contains("`vkey`"));
    }
}
