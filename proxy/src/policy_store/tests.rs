//! A folder that changes under the store: what takes over, what does not, and what is recorded.

use super::{Change, Looked, Policy, Rejected, Store};
use model::PolicyVersion;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A policy is its files' text; the word "broken" makes it invalid.
#[derive(Debug)]
struct Plain(String);

impl Policy for Plain {
    fn parse(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        if let [(name, canonical)] = files
            && name == "policy"
        {
            return if canonical.contains('=') { Ok(Self(canonical.clone())) } else { Err(vec!["old".to_owned()]) };
        }
        let broken = files.iter().filter(|(_, text)| text.contains("broken"));
        let problems: Vec<_> = broken.map(|(name, _)| format!("{name}:1: broken; mend it")).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self(files.iter().map(|(name, text)| format!("{name}={text};")).collect()))
    }

    fn version(&self) -> PolicyVersion {
        PolicyVersion(Sha256::digest(self.0.as_bytes()).into())
    }

    fn canonical(&self) -> &str {
        &self.0
    }

    /// Each file is a rule.
    fn lacks(&self, old: &Self) -> Vec<String> {
        let has = |part: &&str| self.0.split(';').any(|mine| mine.split('=').next() == part.split('=').next());
        old.0.split(';').filter(|part| !has(part)).map(str::to_owned).collect()
    }
}

type Seen = Arc<Mutex<Vec<(String, Option<PolicyVersion>)>>>;

fn open(folder: &Path) -> (Result<Arc<Store<Plain>>, Rejected>, Seen, Arc<AtomicBool>) {
    open_after(folder, None)
}

fn open_after(folder: &Path, last: Option<&str>) -> (Result<Arc<Store<Plain>>, Rejected>, Seen, Arc<AtomicBool>) {
    let (seen, full) = (Seen::default(), Arc::new(AtomicBool::new(false)));
    let (log, disk_full) = (Arc::clone(&seen), Arc::clone(&full));
    let activate = move |change: &Change<'_>| {
        if disk_full.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        log.lock().push((change.content.to_owned(), change.parent));
        Ok(())
    };
    (Store::open(folder, false, last, Box::new(activate)), seen, full)
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn a_change_takes_over_after_the_folder_has_rested_and_is_recorded_first() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "b.toml", "two");
    write(folder.path(), "a.toml", "one");
    write(folder.path(), ".a.toml.swp", "broken");
    write(folder.path(), "notes.txt", "broken");
    let (store, seen, _) = open(folder.path());
    let store = store.unwrap();
    let first = store.current().version();
    assert_eq!(
        *seen.lock(),
        [("a.toml=one;b.toml=two;".to_owned(), None)],
        "sorted, hidden and foreign files left out"
    );
    assert_eq!(store.look(), Looked::Unchanged);

    let mut versions = store.versions();
    write(folder.path(), "b.toml", "three");
    assert_eq!(store.look(), Looked::Settling, "an edit may be half done");
    write(folder.path(), "b.toml", "three and more");
    assert_eq!(store.look(), Looked::Settling, "it was");
    assert_eq!(store.current().version(), first);
    let Looked::Activated(second) = store.look() else { panic!("the folder has rested") };
    assert_eq!(store.current().version(), second);
    assert_eq!(seen.lock().last(), Some(&("a.toml=one;b.toml=three and more;".to_owned(), Some(first))));
    assert!(versions.has_changed().unwrap());
    assert_eq!(*versions.borrow_and_update(), second);
    assert_eq!(store.look(), Looked::Unchanged);
}

#[test]
fn an_invalid_policy_is_refused_and_the_old_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    let (store, seen, _) = open(folder.path());
    let store = store.unwrap();
    let first = store.current().version();
    write(folder.path(), "a.toml", "broken");
    assert_eq!((store.look(), store.look()), (Looked::Settling, Looked::Rejected));
    assert_eq!(store.current().version(), first);
    assert_eq!(store.health().rejected, Some(Rejected(vec!["a.toml:1: broken; mend it".to_owned()])));
    assert_eq!(store.look(), Looked::Unchanged, "said once");
    assert!(store.health().rejected.is_some(), "but it stays known");

    std::fs::remove_file(folder.path().join("a.toml")).unwrap();
    assert_eq!(store.look(), Looked::Rejected, "an empty folder is no policy");
    assert_eq!(store.current().version(), first);

    write(folder.path(), "a.toml", "one");
    assert_eq!(store.look(), Looked::Unchanged, "the same content is the same policy");
    assert_eq!(store.health().rejected, None);
    assert_eq!(seen.lock().len(), 1, "nothing else was ever recorded");

    std::fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(store.look(), Looked::Rejected);
    assert_eq!(store.current().version(), first);
}

#[test]
fn a_policy_that_cannot_be_recorded_does_not_take_over_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    let (store, _, full) = open(folder.path());
    let store = store.unwrap();
    let first = store.current().version();
    full.store(true, Ordering::SeqCst);
    write(folder.path(), "a.toml", "two");
    assert_eq!((store.look(), store.look(), store.look()), (Looked::Settling, Looked::Rejected, Looked::Rejected));
    assert_eq!(store.current().version(), first);
    assert!(store.health().rejected.unwrap().0[0].contains("the disk is full"));
    full.store(false, Ordering::SeqCst);
    assert!(matches!(store.look(), Looked::Activated(_)), "tried again without another edit");
    assert_eq!(store.health().rejected, None);
}

#[test]
fn a_store_does_not_open_without_a_policy_that_is_valid_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |folder: &Path| open(folder).0.unwrap_err().to_string();
    assert!(problem(folder.path()).contains("holds no *.toml file"));
    assert!(problem(&folder.path().join("absent")).contains("cannot be read"));
    std::fs::write(folder.path().join("a.toml"), b"x\xff").unwrap();
    write(folder.path(), "b.toml", &"x".repeat((1 << 20) + 1));
    assert!(problem(folder.path()).contains("b.toml: is not a file of at most 1 MiB"));
    write(folder.path(), "b.toml", "fine");
    assert!(problem(folder.path()).contains("a.toml: is not UTF-8 at byte 1"));
    std::fs::remove_file(folder.path().join("a.toml")).unwrap();
    std::fs::create_dir(folder.path().join("c.toml")).unwrap();
    assert!(problem(folder.path()).contains("is a folder"));
}

#[tokio::test]
async fn watching_finds_a_change_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    let store = open(folder.path()).0.unwrap();
    let mut versions = store.versions();
    let watching = store.watch(std::time::Duration::from_millis(10));
    write(folder.path(), "a.toml", "two");
    tokio::time::timeout(std::time::Duration::from_secs(10), versions.changed()).await.unwrap().unwrap();
    assert_eq!(store.current().canonical(), "a.toml=two;");
    watching.abort();
}

#[test]
fn a_folder_that_lost_a_rule_takes_over_only_when_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    write(folder.path(), "b.toml", "two");
    let (store, _, _) = open(folder.path());
    let store = store.unwrap();
    let before = store.current().version();
    // Half of a copy.
    std::fs::remove_file(folder.path().join("b.toml")).unwrap();
    assert_eq!(store.look(), Looked::Settling);
    assert_eq!(store.look(), Looked::Rejected);
    assert_eq!(store.current().version(), before);
    let said = store.health().rejected.unwrap().to_string();
    assert!(said.contains("lacks what is in force (b.toml=two)") && said.contains("policy activate"), "{said}");
    // Not by a note about another version.
    write(folder.path(), ".activated", &before.to_string());
    assert_eq!(store.look(), Looked::Rejected);
    let half = Plain::parse(&[("a.toml".to_owned(), "one".to_owned())]).unwrap().version();
    write(folder.path(), ".activated", &format!("{half}\n"));
    assert_eq!(store.look(), Looked::Activated(half));
    assert_eq!(store.health().rejected, None);
}

#[test]
fn a_folder_that_lost_a_rule_while_nothing_ran_does_not_take_over_either() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    let last = "a.toml=old;b.toml=two;";
    let (store, seen, _) = open_after(folder.path(), Some(last));
    let store = store.unwrap();
    assert_eq!(store.current().canonical(), last, "what was in force stays so");
    assert_eq!(*seen.lock(), [(last.to_owned(), None)]);
    let said = store.health().rejected.unwrap().to_string();
    assert!(said.contains("lacks what is in force (b.toml=two)"), "{said}");
    assert_eq!((store.look(), store.look()), (Looked::Settling, Looked::Rejected));
    // The rest of the copy arrives.
    write(folder.path(), "b.toml", "three");
    assert_eq!(store.look(), Looked::Settling);
    assert!(matches!(store.look(), Looked::Activated(_)));
    assert_eq!((store.current().canonical(), store.health().rejected), ("a.toml=one;b.toml=three;", None));
}

#[test]
fn a_start_takes_what_lacks_nothing_what_is_meant_and_what_cannot_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "one");
    let in_force = |last: Option<&str>| {
        let store = open_after(folder.path(), last).0.unwrap();
        assert_eq!(store.health().rejected, None);
        store.current().canonical().to_owned()
    };
    for last in [None, Some("a.toml=old;"), Some("a.toml=one;"), Some("in the words of an older version")] {
        assert_eq!(in_force(last), "a.toml=one;", "{last:?}");
    }
    let version = Plain::parse(&[("a.toml".to_owned(), "one".to_owned())]).unwrap().version();
    write(folder.path(), ".activated", &version.to_string());
    assert_eq!(in_force(Some("a.toml=old;b.toml=two;")), "a.toml=one;");
}
