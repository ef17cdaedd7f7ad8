//! SQL of programs that speak PostgreSQL: its catalogue, its statements, its parameters.
//!
//! Statements are allowed by what they are, not refused by what they are not: a query, an
//! explanation of one, and what is only about the session.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use columns::arrow::schema::DataType;
use columns::{Answer, Asker, Description, Error, SqlGate, Statement, StatementKind, TableEntry};
use datafusion::catalog::SchemaProvider;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::TableType;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{self, Set};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use tokio::sync::OnceCell;

use crate::answer::answered;
use crate::error::query;
use crate::lake::Lake;
use crate::session::{CATALOG, PUBLIC, read_only};
use crate::text::plain_schema;
use crate::{dialect, functions, settings};

/// What PostgreSQL's catalogue says, for who sees all and for who is limited to accounts.
#[derive(Default)]
pub(crate) struct Catalogues {
    whole: OnceCell<PgCatalog>,
    limited: OnceCell<PgCatalog>,
}

/// PostgreSQL's catalogue, and a session that knows its functions and types. It takes longer to
/// make than most questions.
struct PgCatalog {
    tables: Arc<dyn SchemaProvider>,
    session: SessionState,
}

impl PgCatalog {
    /// Makes what says that there are the tables of `context`.
    fn of(context: &SessionContext) -> Result<Self, Error> {
        setup_pg_catalog(context, CATALOG, EmptyContextProvider)
            .map_err(|err| Error::Query(err.to_string()))?;
        let database = context.catalog(CATALOG).ok_or_else(no_catalogue)?;
        Ok(Self {
            tables: database.schema(PG_CATALOG).ok_or_else(no_catalogue)?,
            session: context.state(),
        })
    }
}

#[async_trait]
impl SqlGate for Lake {
    fn statements(&self, text: &str) -> Result<Vec<Statement>, Error> {
        self.check_length(text)?;
        let parsed = dialect::parse(text)?;
        parsed.into_iter().map(statement).collect()
    }

    fn setting(&self, name: &str) -> Option<&'static str> {
        settings::shown(name)
    }

    async fn describe(&self, asker: &Asker, statement: &str) -> Result<Description, Error> {
        self.check_length(statement)?;
        let (lake, asker, text) = (self.clone(), asker.clone(), statement.to_owned());
        self.on_a_worker(async move {
            let (_, plan) = lake.plan(&asker, &text).await?;
            Ok(Description {
                schema: plain_schema(plan.schema().as_arrow()),
                parameters: parameters_of(&plan)?,
            })
        })
        .await
    }

    async fn answer(
        &self,
        asker: &Asker,
        statement: &str,
        parameters: &[Option<String>],
    ) -> Result<Answer, Error> {
        self.check_length(statement)?;
        let (lake, whose, text) = (self.clone(), asker.clone(), statement.to_owned());
        let parameters = parameters.to_vec();
        let begin = async move {
            let (context, mut plan) = lake.plan(&whose, &text).await?;
            let types = parameters_of(&plan)?;
            if !types.is_empty() {
                let values = values_of(&types, parameters)?;
                plan = plan.replace_params_with_values(&values).map_err(query)?;
            }
            Ok(DataFrame::new(context.state(), plan))
        };
        answered(begin, self.patience(), asker.max_rows).await
    }

    async fn tables_for(&self, asker: &Asker) -> Result<Vec<TableEntry>, Error> {
        let context = self.empty_session(asker.accounts.is_some()).await?;
        let database = context.catalog(CATALOG).ok_or_else(no_catalogue)?;
        let schema = database.schema(PUBLIC).ok_or_else(no_catalogue)?;
        let mut entries = Vec::new();
        for name in schema.table_names() {
            let table = schema.table(&name).await.map_err(query)?;
            let table = table.ok_or_else(no_catalogue)?;
            entries.push(TableEntry {
                name,
                schema: plain_schema(&table.schema()),
                is_view: table.table_type() == TableType::View,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

impl Lake {
    /// Returns the catalogue of the tables that are there for `asker`.
    ///
    /// It is made once: a program asks for the number of a table with one statement and for what
    /// has that number with the next.
    async fn pg_catalog(&self, asker: &Asker) -> Result<&PgCatalog, Error> {
        let is_limited = asker.accounts.is_some();
        let catalogue = if is_limited {
            &self.catalogues.limited
        } else {
            &self.catalogues.whole
        };
        let made = catalogue.get_or_try_init(|| async {
            let context = self.empty_session(is_limited).await?;
            PgCatalog::of(&context)
        });
        made.await
    }

    /// Plans a statement in a session that has PostgreSQL's catalogue.
    async fn plan(
        &self,
        asker: &Asker,
        text: &str,
    ) -> Result<(SessionContext, LogicalPlan), Error> {
        let pg_catalog = self.pg_catalog(asker).await?;
        let context = self.session_like(&pg_catalog.session)?;
        self.fill(&context, asker.accounts.as_deref(), text).await?;
        let database = context.catalog(CATALOG).ok_or_else(no_catalogue)?;
        let tables = pg_catalog.tables.clone();
        database
            .register_schema(PG_CATALOG, tables)
            .map_err(query)?;
        functions::register(&context, &asker.name);
        let plan = context.state().create_logical_plan(text).await;
        let plan = plan.map_err(query)?;
        read_only().verify_plan(&plan).map_err(query)?;
        let is_explained = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
        if is_explained && asker.accounts.is_some() {
            // It says how many rows of others there are.
            let message = "who is limited to accounts cannot have a query explained";
            return Err(Error::Query(message.to_owned()));
        }
        Ok((context, plan))
    }
}

/// The schema in which PostgreSQL says what there is.
const PG_CATALOG: &str = "pg_catalog";

fn no_catalogue() -> Error {
    Error::Query("there is no catalogue".to_owned())
}

/// Says what a statement wants, and refuses whatever is not known to read only.
fn statement(parsed: ast::Statement) -> Result<Statement, Error> {
    let text = parsed.to_string();
    let kind = match parsed {
        ast::Statement::Query(_) => StatementKind::Query,
        ast::Statement::Explain { statement, .. }
            if matches!(*statement, ast::Statement::Query(_)) =>
        {
            StatementKind::Query
        }
        ast::Statement::Set(set) => StatementKind::Set(name_of(&set)),
        ast::Statement::ShowVariable { variable } => {
            let words: Vec<String> = variable
                .iter()
                .map(|word| word.value.to_lowercase())
                .collect();
            StatementKind::Show(words.join("_"))
        }
        ast::Statement::StartTransaction { .. } => StatementKind::Transaction("BEGIN"),
        ast::Statement::Commit { .. } => StatementKind::Transaction("COMMIT"),
        ast::Statement::Savepoint { .. } => StatementKind::Forget("SAVEPOINT"),
        ast::Statement::ReleaseSavepoint { .. } => StatementKind::Forget("RELEASE"),
        ast::Statement::Rollback {
            savepoint: Some(_), ..
        } => StatementKind::Forget("ROLLBACK"),
        ast::Statement::Rollback { .. } => StatementKind::Transaction("ROLLBACK"),
        ast::Statement::Discard { .. } => StatementKind::Forget("DISCARD ALL"),
        ast::Statement::Deallocate { .. } => StatementKind::Forget("DEALLOCATE"),
        ast::Statement::Reset(_) => StatementKind::Forget("RESET"),
        ast::Statement::Close { .. } => StatementKind::Forget("CLOSE CURSOR"),
        ast::Statement::Explain { .. } => {
            return Err(Error::Query(
                "only a query can be explained, and what writes is none".to_owned(),
            ));
        }
        _ => {
            let word = text
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            return Err(Error::Query(format!(
                "{word} is not allowed: there is only reading here, with SELECT, WITH, VALUES and EXPLAIN"
            )));
        }
    };
    Ok(Statement { text, kind })
}

/// Returns the name of a setting in small letters.
fn name_of(set: &Set) -> String {
    match set {
        Set::SingleAssignment { variable, .. } => variable.to_string().to_lowercase(),
        Set::SetTimeZone { .. } => "timezone".to_owned(),
        Set::SetTransaction { .. } => "transaction".to_owned(),
        Set::SetNames { .. } | Set::SetNamesDefault { .. } => "client_encoding".to_owned(),
        Set::SetSessionParam(_) | Set::SetSessionAuthorization(_) | Set::SetRole { .. } => {
            "role".to_owned()
        }
        _ => set.to_string().to_lowercase(),
    }
}

/// Returns the types of the parameters from `$1` on; one of which nothing is known is a text.
fn parameters_of(plan: &LogicalPlan) -> Result<Vec<DataType>, Error> {
    let types: HashMap<String, Option<DataType>> = plan.get_parameter_types().map_err(query)?;
    let mut parameters = Vec::with_capacity(types.len());
    for at in 1..=types.len() {
        let Some(data_type) = types.get(&format!("${at}")) else {
            return Err(Error::Query(format!("parameter ${at} is missing")));
        };
        parameters.push(data_type.clone().unwrap_or(DataType::Utf8));
    }
    Ok(parameters)
}

fn values_of(types: &[DataType], texts: Vec<Option<String>>) -> Result<ParamValues, Error> {
    if texts.len() != types.len() {
        return Err(Error::Query(format!(
            "the statement has {} parameters, and {} were given",
            types.len(),
            texts.len()
        )));
    }
    let value = |(data_type, text): (&DataType, Option<String>)| match text {
        Some(text) => ScalarValue::try_from_string(text, data_type),
        None => ScalarValue::try_from(data_type),
    };
    let values: Result<Vec<_>, _> = types.iter().zip(texts).map(value).collect();
    Ok(ParamValues::from(values.map_err(query)?))
}
