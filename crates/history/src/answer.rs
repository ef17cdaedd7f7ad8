//! The rows of an answer, one batch after another, from a worker.

use std::time::Duration;

use columns::arrow::array::RecordBatch;
use columns::arrow::schema::SchemaRef;
use columns::{Answer, Error};
use datafusion::dataframe::DataFrame;
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::query;
use crate::text::{plain, plain_schema};

/// Batches that wait for who asked: more would only take memory.
const WAITING: usize = 2;

/// Begins a query on a worker, whose stack is as deep as statements are long
/// ([`crate::STACK_BYTES`]), and returns its answer: at most `max_rows`, and after `patience` no
/// more. Dropped, it ends.
///
/// # Errors
/// [`Error::Query`] when it cannot be planned, or not in time.
pub(crate) async fn answered(
    begin: impl Future<Output = Result<DataFrame, Error>> + Send + 'static,
    patience: Duration,
    max_rows: usize,
) -> Result<Answer, Error> {
    let deadline = Instant::now() + patience;
    let (begun, beginning) = oneshot::channel();
    let (rows, answers) = mpsc::channel(WAITING);
    let mut running = JoinSet::new();
    running.spawn(async move {
        let work = send(begin, begun, &rows, max_rows);
        let outcome = match tokio::time::timeout_at(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(too_long(patience)),
        };
        if let Err(err) = outcome {
            // Who asked may be gone, or not read any more; whoever reads knows the deadline.
            let _ = rows.try_send(Err(err));
        }
    });
    let mut answers = Answers {
        answers,
        running,
        deadline,
        patience,
    };
    // Planning does not pause: it is left to itself when its time is over, and not waited for.
    let Ok(beginning) = tokio::time::timeout_at(deadline, beginning).await else {
        return Err(too_long(patience));
    };
    match beginning {
        Ok(schema) => {
            let next = |answers: Option<Answers>| async {
                let mut answers = answers?;
                let batch = answers.next().await?;
                let rest = batch.is_ok().then_some(answers);
                Some((batch, rest))
            };
            let batches = stream::unfold(Some(answers), next).boxed();
            Ok(Answer { schema, batches })
        }
        // It did not come so far.
        Err(_) => match answers.next().await {
            Some(Err(err)) => Err(err),
            _ => Err(no_answer()),
        },
    }
}

/// What a worker sends, and the worker, which ends when nobody wants it any more.
struct Answers {
    answers: mpsc::Receiver<Result<RecordBatch, Error>>,
    running: JoinSet<()>,
    deadline: Instant,
    patience: Duration,
}

impl Answers {
    /// Waits for what comes next, for as long as the query may take.
    async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        let next = async {
            if let Some(batch) = self.answers.recv().await {
                return Some(batch);
            }
            // A worker that panicked has sent no end: what came of it is not the whole answer.
            match self.running.join_next().await {
                Some(Err(_)) => Some(Err(no_answer())),
                _ => None,
            }
        };
        let next = tokio::time::timeout_at(self.deadline, next).await;
        next.unwrap_or_else(|_| Some(Err(too_long(self.patience))))
    }
}

async fn send(
    begin: impl Future<Output = Result<DataFrame, Error>>,
    begun: oneshot::Sender<SchemaRef>,
    rows: &mpsc::Sender<Result<RecordBatch, Error>>,
    max_rows: usize,
) -> Result<(), Error> {
    let frame = begin.await?;
    let schema = plain_schema(frame.schema().as_arrow());
    let mut stream = frame.execute_stream().await.map_err(query)?;
    let mut sent = 0;
    let mut begun = Some(begun);
    // The columns are said with the first rows: what fails before is an error and no answer.
    while let Some(batch) = stream.next().await.transpose().map_err(query)? {
        sent += batch.num_rows();
        if sent > max_rows {
            return Err(Error::Query(format!(
                "the result has more than {max_rows} rows; add a LIMIT or aggregate"
            )));
        }
        let batch = plain(&batch)?;
        if let Some(begun) = begun.take() {
            let _ = begun.send(schema.clone());
        }
        if rows.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    if let Some(begun) = begun {
        let _ = begun.send(schema);
    }
    Ok(())
}

/// Says that a query was ended for its time.
pub(crate) fn too_long(patience: Duration) -> Error {
    Error::Query(format!(
        "the query took longer than {} s",
        patience.as_secs()
    ))
}

/// Says that whoever worked on it is gone.
pub(crate) fn no_answer() -> Error {
    Error::Query("the query ended without an answer".to_owned())
}
