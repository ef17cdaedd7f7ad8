//! A table of the lake as DataFusion sees it: the files of one version, and the rows that are not
//! committed in it.

use std::sync::Arc;

use async_trait::async_trait;
use columns::arrow::array::RecordBatch;
use columns::arrow::schema::{Schema, SchemaRef};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::day_file::{Bounds, DayFile};
use crate::table::DAY_COLUMN;

/// Bytes of files below which they are read one after another.
const MIN_SHARE_BYTES: usize = 1 << 20;

/// One version of the table and the live rows beside it.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) schema: SchemaRef,
    pub(crate) store_url: ObjectStoreUrl,
    pub(crate) files: Arc<Vec<DayFile>>,
    pub(crate) live: Vec<RecordBatch>,
}

impl Scan {
    fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (day, file_fields): (Vec<_>, Vec<_>) = self
            .schema
            .fields()
            .iter()
            .cloned()
            .partition(|field| field.name() == DAY_COLUMN);
        let file_schema = Arc::new(Schema::new(file_fields));
        let table_schema = TableSchema::builder(file_schema)
            .with_table_partition_cols(day)
            .build();
        let mut source = ParquetSource::new(table_schema)
            .with_pushdown_filters(true)
            .with_reorder_filters(true)
            .with_enable_page_index(true);
        if let Ok(store) = state.runtime_env().object_store(&self.store_url) {
            let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
            let reader = CachedParquetFileReaderFactory::new(store, footers);
            source = source.with_parquet_file_reader_factory(Arc::new(reader));
        }
        let mut may_match = vec![true; self.files.len()];
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = DFSchema::try_from(self.schema.clone())?;
            let predicate = state.create_physical_expr(filter, &schema)?;
            may_match = self.may_match(predicate.clone())?;
            source = source.with_predicate(predicate);
        }
        let files: Vec<PartitionedFile> = self
            .files
            .iter()
            .zip(may_match)
            .filter(|(_, may_match)| *may_match)
            .map(|(file, _)| {
                PartitionedFile::new(file.path.clone(), file.size)
                    .with_partition_values(vec![ScalarValue::Date32(Some(file.day))])
            })
            .collect();
        // Large files are shared by as many as work side by side.
        let groups = vec![FileGroup::new(files)];
        let divided = FileGroupPartitioner::new()
            .with_target_partitions(state.config().target_partitions())
            .with_repartition_file_min_size(MIN_SHARE_BYTES)
            .repartition_file_groups(&groups);
        let groups = divided.unwrap_or(groups);
        let config = FileScanConfigBuilder::new(self.store_url.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Asks the log which files a condition leaves out, so that they are not opened.
    fn may_match(&self, predicate: Arc<dyn PhysicalExpr>) -> Result<Vec<bool>> {
        let bounds = Bounds {
            files: &self.files,
            schema: self.schema.clone(),
        };
        PruningPredicateBuilder::new()
            .with_file_schema(self.schema.clone())
            .try_build(predicate)?
            .prune(&bounds)
    }
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let live = MemorySourceConfig::try_new_exec(
            std::slice::from_ref(&self.live),
            self.schema.clone(),
            projection.cloned(),
        )?;
        if self.files.is_empty() {
            return Ok(live);
        }
        let has_live = self.live.iter().any(|batch| batch.num_rows() > 0);
        // A limit may only stop the files early when no filter runs above them.
        let limit = if filters.is_empty() { limit } else { None };
        let files = self.scan_files(state, projection, filters, limit)?;
        if !has_live {
            return Ok(files);
        }
        UnionExec::try_new(vec![files, live])
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Row groups are skipped by them; what is left is filtered again above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
