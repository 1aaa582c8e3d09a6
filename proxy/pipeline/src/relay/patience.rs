//! How long a session may take over one thing: a statement that runs, a transaction that rests. Limits of the datasource.

use model::{Refusal, RefusalKind, StatementId};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing that has a limit.
    Nothing,
    /// This statement runs upstream.
    Statement(StatementId),
    /// A transaction is open, and nothing runs in it.
    Transaction,
}

/// The limits, and the clock that runs now.
pub struct Patience {
    statement: Option<Duration>,
    transaction: Option<Duration>,
    doing: Doing,
    until: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// With these limits; `None` is none.
    #[must_use]
    pub fn new(statement: Option<Duration>, transaction: Option<Duration>) -> Self {
        Self { statement, transaction, doing: Doing::Nothing, until: None }
    }

    /// Ready when the session has been at this for too long. Called at every step; a limit that is not set costs nothing.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, doing: Doing) -> Poll<Refusal> {
        if doing != self.doing {
            self.doing = doing;
            let limit = match doing {
                Doing::Nothing => None,
                Doing::Statement(_) => self.statement,
                Doing::Transaction => self.transaction,
            };
            self.until = limit.map(|limit| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        }
        let Some(until) = &mut self.until else { return Poll::Pending };
        if until.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.refusal())
    }

    fn refusal(&self) -> Refusal {
        match self.doing {
            Doing::Statement(_) => {
                Refusal::new(RefusalKind::SessionExpired, "the statement ran for longer than is allowed here")
                    .hint("statement_timeout of the datasource in the configuration sets how long; it was cancelled")
            }
            Doing::Transaction | Doing::Nothing => Refusal::new(
                RefusalKind::SessionExpired,
                "the transaction rested for longer than is allowed here",
            )
            .hint(
                "idle_in_transaction_timeout of the datasource in the configuration sets how long; it is rolled back",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn look(patience: &mut Patience, doing: Doing) -> Poll<Refusal> {
        std::future::poll_fn(|cx| Poll::Ready(patience.poll(cx, doing))).await
    }

    #[tokio::test]
    async fn each_thing_has_its_own_clock() {
        let hour = Duration::from_secs(3600);
        let mut patience = Patience::new(Some(Duration::ZERO), Some(hour));
        assert!(look(&mut patience, Doing::Nothing).await.is_pending());
        assert!(look(&mut patience, Doing::Transaction).await.is_pending());
        let over = std::future::poll_fn(|cx| patience.poll(cx, Doing::Statement(StatementId(1)))).await;
        assert!(over.message.contains("ran for longer"), "{over}");
        let mut without = Patience::new(None, None);
        for doing in [Doing::Statement(StatementId(1)), Doing::Transaction, Doing::Nothing] {
            assert!(look(&mut without, doing).await.is_pending());
        }
    }
}
