//! What is answered over Flight SQL.
//!
//! There is nothing to remember between two calls: a handle is the question itself. Whoever hands
//! one in is signed in, and it is checked again, as every statement.

use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::SqlInfoDataBuilder;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
    CommandStatementQuery, DoPutPreparedStatementResult, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket,
};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{TimeDelta, Utc};
use columns::arrow::schema::{Field, Schema, SchemaRef};
use columns::{Asker, Error, SqlGate, StatementKind, texts};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::connection::Peer;
use super::reply::{Rows, info, ipc, refusal, rows, table};
use super::{catalogue, token};
use crate::Users;
use crate::users::AFTER_REFUSAL;

/// How long a token is good.
const TOKEN: TimeDelta = TimeDelta::hours(12);

/// How many may sign in at one time; each of them who is refused takes a second.
const SIGN_INS: usize = 16;

/// How much of a name that nobody has is written to the log.
const LOGGED: usize = 64;

/// How many messages may bring one row of parameters: its schema, and a few that are empty.
const MESSAGES: usize = 8;

/// Some clients fill up the end of what they send, and some do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answers Flight SQL.
#[derive(Clone)]
pub(crate) struct FlightSql {
    gate: Arc<dyn SqlGate>,
    users: Arc<Users>,
    max_rows: usize,
    sign_ins: Arc<Semaphore>,
}

/// A statement and its parameters.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    statement: String,
    parameters: Vec<Option<String>>,
}

impl Question {
    fn read(handle: &[u8]) -> Result<Self, Status> {
        let not_ours = |_| Status::invalid_argument("the handle is not one of ours");
        serde_json::from_slice(handle).map_err(not_ours)
    }

    fn handle(&self) -> Result<Bytes, Status> {
        let written = serde_json::to_vec(self);
        Ok(written
            .map_err(|err| Status::internal(err.to_string()))?
            .into())
    }
}

impl FlightSql {
    pub(crate) fn new(gate: Arc<dyn SqlGate>, users: Arc<Users>, max_rows: usize) -> Self {
        Self {
            gate,
            users,
            max_rows,
            sign_ins: Arc::new(Semaphore::new(SIGN_INS)),
        }
    }

    /// Adds to a request who asks, if it says so. Only signing in can do without.
    ///
    /// # Errors
    /// When what it says is not true, or not any more.
    pub(crate) fn with_asker(&self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let Some(given) = authorization(request.metadata(), "Bearer ") else {
            return Ok(request);
        };
        let name = token::holder(self.users.seal(), given, Utc::now());
        let asker = name.and_then(|name| self.users.asker(&name).cloned());
        let over = || Status::unauthenticated("the token is not good any more; sign in again");
        let mut asker = asker.ok_or_else(over)?;
        asker.max_rows = self.max_rows;
        if let Some(peer) = Peer::of(request.extensions()) {
            peer.prove();
        }
        request.extensions_mut().insert(asker);
        Ok(request)
    }

    /// Takes the one query that a text may be.
    fn question(&self, text: &str) -> Result<Question, Status> {
        let mut statements = self.gate.statements(text).map_err(|err| refusal(&err))?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) if statement.kind == StatementKind::Query => Ok(Question {
                statement: statement.text,
                parameters: Vec::new(),
            }),
            _ => Err(Status::invalid_argument(
                "one query is asked at a time: SELECT, WITH, VALUES or EXPLAIN",
            )),
        }
    }

    async fn answer(&self, asker: &Asker, question: Question) -> Result<Response<Rows>, Status> {
        // Handles come from outside.
        let statement = self.question(&question.statement)?.statement;
        let permit = self.begin(asker)?;
        let answer = self
            .gate
            .answer(asker, &statement, &question.parameters)
            .await;
        let answer = answer.map_err(|err| refusal(&err))?;
        let batches = answer.batches.map(move |batch| {
            let _held = &permit;
            batch.map_err(|err| FlightError::from(refusal(&err)))
        });
        Ok(rows(answer.schema, batches))
    }

    /// Takes one of the user's queries at a time.
    fn begin(&self, asker: &Asker) -> Result<OwnedSemaphorePermit, Status> {
        let permit = self.users.begin_query(&asker.name);
        permit.map_err(|limit| {
            Status::resource_exhausted(format!("{limit} queries of yours run already"))
        })
    }

    async fn schema(&self, asker: &Asker, question: &Question) -> Result<SchemaRef, Status> {
        let _permit = self.begin(asker)?;
        let described = self.gate.describe(asker, &question.statement).await;
        Ok(described.map_err(|err| refusal(&err))?.schema)
    }
}

/// Returns who asks.
fn asker<T>(request: &Request<T>) -> Result<Asker, Status> {
    let asker = request.extensions().get::<Asker>().cloned();
    asker.ok_or_else(|| Status::unauthenticated("sign in with name and password first"))
}

fn authorization<'a>(metadata: &'a MetadataMap, scheme: &str) -> Option<&'a str> {
    let given = metadata.get("authorization")?.to_str().ok()?;
    given.strip_prefix(scheme)
}

type Handshake = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FlightSqlService for FlightSql {
    type FlightService = Self;

    /// Takes name and password as `Basic` has them, and gives a token for both ways in which
    /// clients look for it.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Handshake>, Status> {
        let peer = Peer::of(request.extensions());
        let address = peer.as_ref().and_then(Peer::address);
        let (name, password) = credentials(request.metadata())?;
        let Ok(turn) = Arc::clone(&self.sign_ins).try_acquire_owned() else {
            return Err(Status::resource_exhausted(
                "too many sign in at once; try again",
            ));
        };
        // In a task of its own: who takes a question back waits its turn out all the same.
        let (users, user) = (self.users.clone(), name.clone());
        let checked = tokio::spawn(async move {
            let is_right = users.is_password(&user, &password);
            if !is_right {
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
            drop(turn);
            is_right
        });
        if !checked.await.unwrap_or(false) {
            let user: String = name.chars().take(LOGGED).collect();
            tracing::warn!(user, ?address, "not signed in to Flight SQL");
            return Err(Status::unauthenticated("name or password is not right"));
        }
        if let Some(peer) = peer {
            peer.prove();
        }
        tracing::info!(user = name, ?address, "signed in to Flight SQL");
        let token = token::issue(self.users.seal(), &name, Utc::now() + TOKEN);
        let reply = HandshakeResponse {
            protocol_version: 0,
            payload: token.clone().into_bytes().into(),
        };
        let replies: Handshake = stream::iter([Ok(reply)]).boxed();
        let mut response = Response::new(replies);
        let bearer = format!("Bearer {token}").parse();
        let bearer = bearer.map_err(|_| Status::internal("the token cannot be sent"))?;
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let asker = asker(&request)?;
        let question = self.question(&query.query)?;
        let schema = self.schema(&asker, &question).await?;
        let statement_handle = question.handle()?;
        info(&schema, &TicketStatementQuery { statement_handle }, request)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let asker = asker(&request)?;
        let question = Question::read(&ticket.statement_handle)?;
        self.answer(&asker, question).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        wanted: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let asker = asker(&request)?;
        let question = self.question(&wanted.query)?;
        let _permit = self.begin(&asker)?;
        let described = self.gate.describe(&asker, &question.statement).await;
        let described = described.map_err(|err| refusal(&err))?;
        let parameter = |(at, data_type)| Field::new(format!("${}", at + 1), data_type, true);
        let parameters = described.parameters.into_iter().enumerate().map(parameter);
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: question.handle()?,
            dataset_schema: ipc(&described.schema)?,
            parameter_schema: ipc(&Schema::new(parameters.collect::<Vec<_>>()))?,
        })
    }

    /// There is nothing to close.
    async fn do_action_close_prepared_statement(
        &self,
        _wanted: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// Gives a handle with the parameters in it.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        asker(&request)?;
        let mut question = Question::read(&query.prepared_statement_handle)?;
        let sent = request.into_inner().map_err(FlightError::from);
        let mut sent = FlightRecordBatchStream::new_from_flight_data(sent.take(MESSAGES));
        question.parameters.clear();
        while let Some(batch) = sent.try_next().await.map_err(Status::from)? {
            if batch.num_rows() > 1 || !question.parameters.is_empty() {
                let message = "one row of parameters is taken at a time";
                return Err(Status::invalid_argument(message));
            }
            if batch.num_rows() == 1 {
                let texts = texts(&batch);
                let no_text = |err: Error| Status::invalid_argument(err.to_string());
                question.parameters = texts.map_err(no_text)?;
            }
        }
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(question.handle()?),
        })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let asker = asker(&request)?;
        let question = Question::read(&query.prepared_statement_handle)?;
        let question = Question {
            statement: self.question(&question.statement)?.statement,
            ..question
        };
        let schema = self.schema(&asker, &question).await?;
        info(&schema, &query, request)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let asker = asker(&request)?;
        let question = Question::read(&query.prepared_statement_handle)?;
        self.answer(&asker, question).await
    }

    async fn get_flight_info_catalogs(
        &self,
        wanted: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        asker(&request)?;
        info(&wanted.into_builder().schema(), &wanted, request)
    }

    async fn do_get_catalogs(
        &self,
        wanted: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        asker(&request)?;
        table(catalogue::catalogues(wanted))
    }

    async fn get_flight_info_schemas(
        &self,
        wanted: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        asker(&request)?;
        info(&wanted.clone().into_builder().schema(), &wanted, request)
    }

    async fn do_get_schemas(
        &self,
        wanted: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        asker(&request)?;
        table(catalogue::schemas(wanted))
    }

    async fn get_flight_info_tables(
        &self,
        wanted: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        asker(&request)?;
        info(&wanted.clone().into_builder().schema(), &wanted, request)
    }

    async fn do_get_tables(
        &self,
        wanted: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let asker = asker(&request)?;
        let _permit = self.begin(&asker)?;
        let entries = self.gate.tables_for(&asker).await;
        let entries = entries.map_err(|err| refusal(&err))?;
        table(catalogue::tables(wanted, &entries))
    }

    async fn get_flight_info_table_types(
        &self,
        wanted: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        asker(&request)?;
        info(&wanted.into_builder().schema(), &wanted, request)
    }

    async fn do_get_table_types(
        &self,
        wanted: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        asker(&request)?;
        table(catalogue::table_types(wanted))
    }

    async fn get_flight_info_sql_info(
        &self,
        wanted: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        asker(&request)?;
        info(SqlInfoDataBuilder::schema(), &wanted, request)
    }

    async fn do_get_sql_info(
        &self,
        wanted: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        asker(&request)?;
        table(catalogue::information(wanted))
    }

    /// What there is to know is known when it is compiled.
    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// Returns name and password.
fn credentials(metadata: &MetadataMap) -> Result<(String, String), Status> {
    let missing = || Status::unauthenticated("sign in with name and password: authorization Basic");
    let given = authorization(metadata, "Basic ").ok_or_else(missing)?;
    let pair = BASE64.decode(given).map_err(|_| missing())?;
    let pair = String::from_utf8(pair).map_err(|_| missing())?;
    let (name, password) = pair.split_once(':').ok_or_else(missing)?;
    Ok((name.to_owned(), password.to_owned()))
}
