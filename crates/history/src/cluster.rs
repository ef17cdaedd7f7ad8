//! One question to a Ballista cluster: the files of the lake, read by as many machines as it has.
//!
//! The scheduler and its executors are the cluster's own, and know nothing of us: what they get is
//! a plan over Parquet files, by their urls, and they have to reach these. So there is what is
//! committed, and not what waits to be, nor the casebook's tables, nor most views.

use std::sync::Arc;

use ballista::prelude::SessionContextExt;
use columns::Error;
use columns::arrow::array::RecordBatch;
use columns::arrow::schema::Schema;
use datafusion::arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{cast, col};

use crate::answer::answered;
use crate::error::query;
use crate::lake::{Lake, register_views};
use crate::reader::{Reader, Version};
use crate::session::read_only;
use crate::table::DAY_COLUMN;
use crate::text::viewed_schema;
use crate::views::Named;

/// Whether a cluster plans the rest of a question anew after each of its stages.
const ADAPTIVE: &str = "ballista.planner.adaptive.enabled";

/// What a view says that looks for the last of several rows. Version 55 forgets between two stages
/// that a column is the same in all rows, and then does not know the order that it has put them in:
/// with most conditions such a view fails there.
const WINDOW: &str = "OVER (";

impl Lake {
    /// Runs one statement on the cluster whose scheduler is at `scheduler`
    /// (`df://HOST:PORT`), over what is committed.
    ///
    /// # Errors
    /// [`Error::Query`] when it is not understood or not allowed, wants a table that is not in the
    /// lake, or the cluster does not carry it out.
    pub async fn query_on(&self, scheduler: &str, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        self.check_length(sql)?;
        let (lake, scheduler, sql) = (self.clone(), scheduler.to_owned(), sql.to_owned());
        let begin = async move {
            let context = lake.session_on(&scheduler, &sql).await?;
            let plan = context.state().create_logical_plan(&sql).await;
            let plan = plan.map_err(|err| lake.not_planned(&err))?;
            read_only().verify_plan(&plan).map_err(query)?;
            context.execute_logical_plan(plan).await.map_err(query)
        };
        let answer = answered(begin, self.patience(), self.max_rows()).await?;
        answer.gathered().await
    }

    /// Says why there is no plan, and of a table that is there for others why not for a cluster.
    fn not_planned(&self, err: &DataFusionError) -> Error {
        let message = err.to_string();
        let missing = |name: &str| message.contains(&format!(".{name}' not found"));
        let elsewhere = self.named_elsewhere().find(|name| missing(name));
        match elsewhere {
            Some(name) => Error::Query(format!(
                "a cluster has the tables of the lake, and \"{name}\" is not one of them"
            )),
            None => Error::Query(message),
        }
    }

    /// Makes a session that has the tables of the lake as files.
    async fn session_on(&self, scheduler: &str, sql: &str) -> Result<SessionContext, Error> {
        let state = self.new_session()?.state();
        let context = SessionContext::remote_with_state(scheduler, state).await;
        let context = context.map_err(query)?;
        // With it, version 55 plans the rest of a question again and again, and never ends, after a
        // stage that gave no rows.
        let state = context.state_ref();
        let not_adaptive = state
            .write()
            .config_mut()
            .options_mut()
            .set(ADAPTIVE, "false");
        not_adaptive.map_err(query)?;
        let named = Named::in_statement(sql);
        for reader in self.readers() {
            let name = reader.kept.name();
            if named.is_named(name) {
                let table = files(&context, reader).await?;
                context.register_table(name, table).map_err(query)?;
            }
        }
        let views = named.views().filter(|view| !view.select.contains(WINDOW));
        register_views(&context, views).await?;
        Ok(context)
    }
}

/// Returns a table as a list of its files. The day is in their names for who knows Delta Lake; a
/// cluster computes it.
async fn files(context: &SessionContext, reader: &Reader) -> Result<Arc<dyn TableProvider>, Error> {
    let schema = viewed_schema(&reader.kept.schema());
    let version = reader.newest().await?;
    let files = version.as_ref().map(|Version { files, .. }| files.iter());
    let urls: Result<Vec<_>, _> = files
        .into_iter()
        .flatten()
        .map(|file| ListingTableUrl::parse(reader.url_of(&file.path)?).map_err(query))
        .collect();
    let urls = urls?;
    if urls.is_empty() {
        return Ok(Arc::new(datafusion::datasource::empty::EmptyTable::new(
            schema,
        )));
    }
    let (day, stored): (Vec<_>, Vec<_>) = schema
        .fields()
        .iter()
        .cloned()
        .partition(|field| field.name() == DAY_COLUMN);
    let options = ListingOptions::new(Arc::new(ParquetFormat::new()));
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .with_schema(Arc::new(Schema::new(stored)));
    let table = ListingTable::try_new(config).map_err(query)?;
    let [_, time] = reader.kept.sorted_by();
    let days = day
        .iter()
        .map(|field| cast(col(time), DataType::Date32).alias(field.name()));
    let columns = table
        .schema()
        .fields()
        .iter()
        .map(|field| col(field.name()))
        .collect::<Vec<_>>();
    let frame = context.read_table(Arc::new(table)).map_err(query)?;
    let frame = frame
        .select(columns.into_iter().chain(days))
        .map_err(query)?;
    Ok(frame.into_view())
}
