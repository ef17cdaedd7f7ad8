//! Replies as Flight has them.

use std::pin::Pin;

use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::ProstMessageExt;
use arrow_flight::{
    FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, IpcMessage, SchemaAsIpc, Ticket,
};
use columns::Error;
use columns::arrow::array::RecordBatch;
use columns::arrow::ipc::writer::IpcWriteOptions;
use columns::arrow::schema::{Schema, SchemaRef};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use prost::bytes::Bytes;
use tonic::{Request, Response, Status};

/// The rows of a reply.
pub(crate) type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Makes a reply of rows.
pub(crate) fn rows(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Response<Rows> {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema);
    Response::new(encoder.build(batches).map_err(Status::from).boxed())
}

/// Makes a reply of one batch.
pub(crate) fn table(made: Result<RecordBatch, FlightError>) -> Result<Response<Rows>, Status> {
    let batch = made.map_err(Status::from)?;
    Ok(rows(batch.schema(), stream::iter([Ok(batch)])))
}

/// Says why there is no answer. What is wrong with the storage is for the log, not for a client.
pub(crate) fn refusal(err: &Error) -> Status {
    match err {
        Error::Query(message) => Status::invalid_argument(message),
        err => {
            tracing::warn!(error = %err, "a query could not be answered");
            Status::unavailable("the history could not be read; the log of the service says why")
        }
    }
}

/// Returns where an answer is to be had: here, for this ticket.
pub(crate) fn info(
    schema: &Schema,
    ticket: &impl ProstMessageExt,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new().try_with_schema(schema);
    let info = info.map_err(|err| Status::internal(err.to_string()))?;
    Ok(Response::new(
        info.with_endpoint(FlightEndpoint::new().with_ticket(ticket))
            .with_descriptor(request.into_inner()),
    ))
}

/// Writes a schema as Arrow's messages have it.
pub(crate) fn ipc(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &options));
    Ok(message.map_err(|err| Status::internal(err.to_string()))?.0)
}
