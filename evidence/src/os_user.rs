//! Who somebody is as the operating system knows them: what a file's owner or a process's user is called.

/// The name of a user id, by `/etc/passwd`.
pub(crate) fn os_user(uid: u32) -> String {
    let name = std::fs::read_to_string("/etc/passwd").ok().and_then(|users| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    });
    format!("os:{} (uid {uid})", name.unwrap_or_else(|| "unknown".to_owned()))
}
