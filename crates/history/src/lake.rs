//! SQL over the tables of the lake, over what is not committed yet, and over the casebook's tables.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use columns::arrow::array::RecordBatch;
use columns::arrow::schema::SchemaRef;
use columns::{Error, HistoryReader, TableSource};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SessionContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{col, lit};
use tokio::task::JoinSet;

use crate::answer::{answered, no_answer, too_long};
use crate::config::QueryLimits;
use crate::error::query;
use crate::gate::Catalogues;
use crate::kept::Kept;
use crate::location::root_url;
use crate::provider::Scan;
use crate::reader::{Reader, Version};
use crate::session::{Footers, footers, read_only, session, session_like};
use crate::text::{plain_schema, viewed, viewed_schema};
use crate::views::{Named, VIEWS, View};

/// What the workers of a runtime that asks [`Lake`] need as a stack: a statement of the greatest
/// length is a chain of eight thousand operators, and planning it goes that deep. Only what is
/// used takes memory.
pub const STACK_BYTES: usize = 64 << 20;

/// Answers SQL.
#[derive(Clone)]
pub struct Lake {
    /// In the order of [`Kept::ALL`].
    readers: Arc<[Reader]>,
    live: Arc<dyn TableSource>,
    tables: Vec<Arc<dyn TableSource>>,
    limits: QueryLimits,
    footers: Footers,
    pub(crate) catalogues: Arc<Catalogues>,
}

impl Lake {
    /// Reads the table below `url` and the rows of `live` that it does not have; `tables` stand
    /// beside it.
    ///
    /// # Errors
    /// [`Error::Storage`] when the url is not understood.
    pub fn new(
        url: &str,
        cluster: &str,
        live: Arc<dyn TableSource>,
        tables: Vec<Arc<dyn TableSource>>,
        limits: QueryLimits,
    ) -> Result<Self, Error> {
        let root = root_url(url)?;
        let readers = Kept::ALL.map(|kept| Reader::new(&root, kept, cluster));
        let readers: Result<Vec<Reader>, Error> = readers.into_iter().collect();
        Ok(Self {
            readers: readers?.into(),
            live,
            tables,
            limits,
            footers: footers()?,
            catalogues: Arc::default(),
        })
    }

    /// Makes a session in which there is nothing.
    pub(crate) fn new_session(&self) -> Result<SessionContext, Error> {
        session(&self.limits, &self.footers)
    }

    /// Makes a session in which there is nothing, with the functions and types of another.
    pub(crate) fn session_like(&self, other: &SessionState) -> Result<SessionContext, Error> {
        session_like(other, &self.limits, &self.footers)
    }

    /// Has a session see every table as it is now, as far as `accounts` go, and the views that
    /// `statement` may name.
    pub(crate) async fn fill(
        &self,
        context: &SessionContext,
        accounts: Option<&[String]>,
        statement: &str,
    ) -> Result<(), Error> {
        let named = Named::in_statement(statement);
        let live = self.live.batches().await?;
        for reader in self.readers.iter() {
            if !named.is_named(reader.kept.name()) {
                continue;
            }
            let table: Arc<dyn TableProvider> = Arc::new(self.scan(context, reader, &live).await?);
            if let Some(table) = limited(context, reader.kept.name(), table, accounts)? {
                register(context, reader.kept.name(), table)?;
            }
        }
        for source in &self.tables {
            if !named.is_named(source.name()) {
                continue;
            }
            let table = MemTable::try_new(source.schema(), vec![source.batches().await?]);
            let table: Arc<dyn TableProvider> = Arc::new(table.map_err(query)?);
            if let Some(table) = limited(context, source.name(), table, accounts)? {
                register(context, source.name(), table)?;
            }
        }
        register_views(context, named.views()).await
    }

    /// Makes a session that has the tables and not their rows.
    pub(crate) async fn empty_session(&self, is_limited: bool) -> Result<SessionContext, Error> {
        let context = self.new_session()?;
        let empty = |schema| Arc::new(EmptyTable::new(schema)) as Arc<dyn TableProvider>;
        for kept in Kept::ALL {
            register(&context, kept.name(), empty(viewed_schema(&kept.schema())))?;
        }
        for source in &self.tables {
            let schema = source.schema();
            if !is_limited || schema.column_with_name(ACCOUNT).is_some() {
                register(&context, source.name(), empty(schema))?;
            }
        }
        register_views(&context, VIEWS.iter()).await?;
        Ok(context)
    }

    /// Live rows first, then the table: whatever is committed in between is in the table, and
    /// the table's own offsets say which live rows to leave out.
    async fn scan(
        &self,
        context: &SessionContext,
        reader: &Reader,
        live: &[RecordBatch],
    ) -> Result<Scan, Error> {
        let name = reader.kept.name().replace('_', "-");
        let store_url = ObjectStoreUrl::parse(format!("lake://{name}")).map_err(query)?;
        let version = reader.newest().await?;
        let live = reader.uncommitted(version.as_ref(), live).await?;
        let live: Result<Vec<_>, Error> = live.iter().map(viewed).collect();
        if let Some(Version { delta, .. }) = &version {
            context
                .runtime_env()
                .register_object_store(store_url.as_ref(), delta.object_store());
        }
        Ok(Scan {
            schema: viewed_schema(&reader.kept.schema()),
            store_url,
            files: version.map(|version| version.files).unwrap_or_default(),
            live: live?,
        })
    }

    /// Refuses a statement that is too long.
    pub(crate) fn check_length(&self, sql: &str) -> Result<(), Error> {
        if sql.len() > self.limits.statement_bytes {
            return Err(Error::Query(format!(
                "the statement is longer than {} bytes",
                self.limits.statement_bytes
            )));
        }
        Ok(())
    }

    /// Carries work out on a worker, for as long as one query may take.
    ///
    /// Planning goes as deep as the statement: on a worker, whose stack the program chose
    /// ([`STACK_BYTES`]), and not on the caller's. Dropped with the future, it ends.
    pub(crate) async fn on_a_worker<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let mut running = JoinSet::new();
        running.spawn(work);
        match tokio::time::timeout(self.patience(), running.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(_) => Err(no_answer()),
            Err(_) => Err(too_long(self.patience())),
        }
    }

    /// Returns what reads each table of the lake.
    #[cfg(feature = "ballista")]
    pub(crate) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    /// Returns the names of what is not made of the lake's tables alone, or may not be.
    #[cfg(feature = "ballista")]
    pub(crate) fn named_elsewhere(&self) -> impl Iterator<Item = &str> {
        let views = VIEWS.iter().map(|view| view.name);
        self.tables.iter().map(|source| source.name()).chain(views)
    }

    /// Returns how many rows one answer may have.
    #[cfg(feature = "ballista")]
    pub(crate) fn max_rows(&self) -> usize {
        self.limits.rows
    }

    /// Returns how long one query may take.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.limits.timeout_secs)
    }
}

#[async_trait]
impl HistoryReader for Lake {
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        self.check_length(sql)?;
        let (lake, sql) = (self.clone(), sql.to_owned());
        let begin = async move {
            let context = lake.new_session()?;
            let state = context.state_ref();
            let mark = sql.len() <= MARKED_BYTES;
            state
                .write()
                .config_mut()
                .options_mut()
                .sql_parser
                .collect_spans = mark;
            lake.fill(&context, None, &sql).await?;
            let frame = context.sql_with_options(&sql, read_only()).await;
            frame.map_err(query)
        };
        let answer = answered(begin, self.patience(), self.limits.rows).await?;
        answer.gathered().await
    }

    async fn tables(&self) -> Result<Vec<(String, SchemaRef)>, Error> {
        let others = self.tables.iter();
        let kept = Kept::ALL.iter().rev();
        let mut tables: Vec<_> = kept
            .map(|kept| (kept.name().to_owned(), kept.schema()))
            .collect();
        tables.extend(others.map(|source| (source.name().to_owned(), source.schema())));
        let context = self.empty_session(false).await?;
        for View { name, .. } in &VIEWS {
            if !context.table_exist(*name).map_err(query)? {
                continue;
            }
            let view = context.table_provider(*name).await.map_err(query)?;
            tables.push(((*name).to_owned(), plain_schema(&view.schema())));
        }
        Ok(tables)
    }
}

fn register(
    context: &SessionContext,
    name: &str,
    table: Arc<dyn TableProvider>,
) -> Result<(), Error> {
    let before = context.register_table(name, table).map_err(query)?;
    debug_assert!(before.is_none(), "each name is there once");
    Ok(())
}

/// Names views, but for those over a table that is not there: the casebook's are not for all.
pub(crate) async fn register_views(
    context: &SessionContext,
    views: impl Iterator<Item = &'static View>,
) -> Result<(), Error> {
    for View { name, select } in views {
        let is_missing = |table: &str| {
            let is_named = select.contains(&format!("FROM {table} "))
                || select.contains(&format!("FROM {table})"));
            is_named && !context.table_exist(table).unwrap_or(false)
        };
        if CASEBOOK_TABLES.iter().any(|table| is_missing(table)) {
            continue;
        }
        let view = context.sql(select).await.map_err(query)?.into_view();
        register(context, name, view)?;
    }
    Ok(())
}

/// The longest statement in which the place of an error is looked for: to know the places of all
/// its parts takes the square of its length.
const MARKED_BYTES: usize = 4096;

/// The tables beside the lake that views are over.
const CASEBOOK_TABLES: [&str; 4] = ["keys", "changes", "actions", "exposures"];

/// The column that says whose a row is.
const ACCOUNT: &str = "account";

/// More rows than there are.
const NO_LIMIT: usize = 1 << 62;

/// Leaves only the rows of some accounts, or nothing where a table has none; the table itself has
/// no name in the session then.
fn limited(
    context: &SessionContext,
    name: &str,
    table: Arc<dyn TableProvider>,
    accounts: Option<&[String]>,
) -> Result<Option<Arc<dyn TableProvider>>, Error> {
    let Some(accounts) = accounts else {
        return Ok(Some(table));
    };
    if table.schema().column_with_name(ACCOUNT).is_none() {
        return Ok(None);
    }
    let accounts = accounts.iter().map(|account| lit(account.as_str()));
    let mut own = col(ACCOUNT).in_list(accounts.collect(), false);
    if name == "changes" {
        // A vendor's notice is for all, and names nobody.
        let for_all = col(ACCOUNT).is_null().and(col("key_id").is_null());
        own = own.or(for_all);
    }
    let frame = context.read_table(table).map_err(query)?;
    let frame = frame.filter(own);
    // No condition of a question passes a limit, however high: it would be asked of all rows beside
    // ours, and tell by its errors what is in them.
    let barrier = frame.and_then(|frame| frame.limit(0, Some(NO_LIMIT)));
    Ok(Some(barrier.map_err(query)?.into_view()))
}
