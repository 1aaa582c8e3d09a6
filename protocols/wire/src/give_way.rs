//! Work that takes more than a moment, on a worker that other sessions wait for.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work`, while the worker's other sessions move to another thread. Where there is no such thread, they wait.
pub fn give_way(work: &mut (dyn FnMut() + '_)) {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::give_way;
    use std::sync::mpsc;

    /// The only worker gives way: what was spawned on it runs before the work is done.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_run_meanwhile() {
        let run = tokio::spawn(async {
            let (told, heard) = mpsc::channel();
            tokio::spawn(async move { told.send("another") });
            let mut said = None;
            give_way(&mut || said = heard.recv().ok());
            said
        });
        assert_eq!(run.await.ok().flatten(), Some("another"));
    }

    #[tokio::test]
    async fn without_another_thread_the_work_is_done_here() {
        let mut done = 0;
        give_way(&mut || done += 1);
        assert_eq!(done, 1);
    }
}
