//! One connection's statements, simple and prepared.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_pg::datatypes::into_pg_type;
use async_trait::async_trait;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime};
use columns::{Asker, Description, SqlGate, Statement, StatementKind};
use futures::Sink;

use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldInfo, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, METADATA_USER, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use rust_decimal::Decimal;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{self, PROTOCOL, REFUSED, TOO_MANY, UNKNOWN_SETTING, error, refusal};
use super::settings;
use crate::users::Users;

/// Answers the statements of one connection.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) gate: Arc<dyn SqlGate>,
    pub(crate) users: Arc<Users>,
}

/// One of a user's queries at a time, as long as anybody holds it.
pub(crate) type Permit = Arc<OwnedSemaphorePermit>;

/// A statement that was prepared, and what it takes and gives.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    statement: Statement,
    /// There is none for what is only about the session.
    description: Option<Description>,
}

impl Session {
    /// Returns who is at the other end; nobody gets here without signing in.
    fn asker<C: ClientInfo>(&self, client: &C) -> PgWireResult<&Asker> {
        let name = client.metadata().get(METADATA_USER);
        let asker = name.and_then(|name| self.users.asker(name));
        asker.ok_or_else(|| error("28000", "nobody is signed in"))
    }

    /// Takes one of the user's queries at a time.
    fn begin(&self, asker: &Asker) -> PgWireResult<Permit> {
        let permit = self.users.begin_query(&asker.name);
        let too_many = |limit| error(TOO_MANY, format!("{limit} queries of yours run already"));
        permit.map(Arc::new).map_err(too_many)
    }

    /// Runs a statement; the queries of one message share a permit.
    async fn run(
        &self,
        asker: &Asker,
        statement: &Statement,
        parameters: &[Option<String>],
        format: &Format,
        permit: &mut Option<Permit>,
    ) -> PgWireResult<Response> {
        match &statement.kind {
            StatementKind::Query => {
                let permit = match permit {
                    Some(permit) => permit.clone(),
                    None => permit.insert(self.begin(asker)?).clone(),
                };
                let answer = self.gate.answer(asker, &statement.text, parameters).await;
                answer::rows(answer.map_err(|err| refusal(&err))?, permit, format)
            }
            StatementKind::Set(name) if settings::may_be_set(name) => {
                Ok(Response::Execution(Tag::new("SET")))
            }
            StatementKind::Set(name) => {
                Err(error(REFUSED, format!("\"{name}\" cannot be set here")))
            }
            StatementKind::Show(name) => {
                let value = self.gate.setting(name);
                let unknown = || error(UNKNOWN_SETTING, format!("there is no setting \"{name}\""));
                answer::setting(name, value.ok_or_else(unknown)?)
            }
            StatementKind::Transaction("BEGIN") => {
                Ok(Response::TransactionStart(Tag::new("BEGIN")))
            }
            StatementKind::Transaction(end) => Ok(Response::TransactionEnd(Tag::new(end))),
            StatementKind::Forget(what) => Ok(Response::Execution(Tag::new(what))),
        }
    }
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let asker = self.asker(client)?;
        let statements = self.gate.statements(query).map_err(|err| refusal(&err))?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let mut responses = Vec::with_capacity(statements.len());
        let mut permit = None;
        for statement in &statements {
            let format = &Format::UnifiedText;
            let response = self.run(asker, statement, &[], format, &mut permit).await;
            responses.push(response?);
        }
        Ok(responses)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Session {
    type Statement = Prepared;
    type QueryParser = Session;

    fn query_parser(&self) -> Arc<Self::QueryParser> {
        Arc::new(self.clone())
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let asker = self.asker(client)?;
        let prepared = &portal.statement.statement;
        let parameters = parameters(portal)?;
        let format = &portal.result_column_format;
        let statement = &prepared.statement;
        self.run(asker, statement, &parameters, format, &mut None)
            .await
    }
}

#[async_trait]
impl QueryParser for Session {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        _types: &[Option<Type>],
    ) -> PgWireResult<Option<Self::Statement>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let asker = self.asker(client)?;
        let mut statements = self.gate.statements(sql).map_err(|err| refusal(&err))?;
        if statements.len() > 1 {
            return Err(error(PROTOCOL, "one statement can be prepared at a time"));
        }
        let Some(statement) = statements.pop() else {
            return Ok(None);
        };
        let mut description = None;
        if statement.kind == StatementKind::Query {
            let described = self.gate.describe(asker, &statement.text).await;
            description = Some(described.map_err(|err| refusal(&err))?);
        }
        Ok(Some(Prepared {
            statement,
            description,
        }))
    }

    fn get_parameter_types(&self, prepared: &Self::Statement) -> PgWireResult<Vec<Type>> {
        let parameters = prepared.description.iter().flat_map(|it| &it.parameters);
        parameters.map(into_pg_type).collect()
    }

    fn get_result_schema(
        &self,
        prepared: &Self::Statement,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        match (&prepared.description, &prepared.statement.kind) {
            (Some(description), _) => {
                answer::fields(&description.schema, format.unwrap_or(&Format::UnifiedText))
            }
            (None, StatementKind::Show(name)) => Ok(vec![answer::setting_field(name)]),
            (None, _) => Ok(Vec::new()),
        }
    }
}

/// Returns the parameters of a statement as texts.
fn parameters(portal: &Portal<Prepared>) -> PgWireResult<Vec<Option<String>>> {
    let description = portal.statement.statement.description.as_ref();
    let inferred = description.map_or(&[][..], |it| &it.parameters);
    (0..portal.parameter_len())
        .map(|at| {
            let Some(bytes) = portal.parameters.get(at).and_then(Option::as_ref) else {
                return Ok(None);
            };
            let given = portal.statement.parameter_types.get(at).cloned().flatten();
            let given = given.filter(|given| *given != Type::UNKNOWN);
            let pg_type = match (given, inferred.get(at)) {
                (Some(given), _) => given,
                (None, Some(inferred)) => into_pg_type(inferred)?,
                (None, None) => Type::TEXT,
            };
            if portal.parameter_format.is_binary(at) {
                return binary(portal, at, &pg_type);
            }
            let text = str::from_utf8(bytes);
            let text = text.map_err(|_| error("22021", format!("${} is no UTF-8", at + 1)))?;
            Ok(Some(text.to_owned()))
        })
        .collect()
}

/// Returns a parameter in PostgreSQL's binary form as text.
fn binary(portal: &Portal<Prepared>, at: usize, pg_type: &Type) -> PgWireResult<Option<String>> {
    macro_rules! read {
        ($kind:ty) => {
            portal
                .parameter::<$kind>(at, pg_type)?
                .map(|value| value.to_string())
        };
    }
    Ok(match *pg_type {
        Type::BOOL => read!(bool),
        Type::INT2 => read!(i16),
        Type::INT4 => read!(i32),
        Type::INT8 => read!(i64),
        Type::FLOAT4 => read!(f32),
        Type::FLOAT8 => read!(f64),
        Type::NUMERIC => read!(Decimal),
        Type::DATE => read!(NaiveDate),
        Type::TIMESTAMP => read!(NaiveDateTime),
        Type::TIMESTAMPTZ => portal
            .parameter::<DateTime<FixedOffset>>(at, pg_type)?
            .map(|time| time.to_rfc3339()),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => read!(String),
        ref other => {
            let message = format!("${} is of type {other}, which is not read here", at + 1);
            return Err(error("0A000", message));
        }
    })
}
