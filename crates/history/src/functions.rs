//! Functions by which programs find out what they talk to.

use std::sync::Arc;

use columns::arrow::array::cast::AsArray;
use columns::arrow::array::{ArrayRef, StringArray};
use columns::arrow::schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionImplementation, ScalarUDF, Signature, SimpleScalarUDF, Volatility,
};

use crate::settings::{self, SERVER_VERSION};

/// Adds the functions for who is called `user`.
pub(crate) fn register(context: &SessionContext, user: &str) {
    let text = |value: &str| ScalarValue::Utf8(Some(value.to_owned()));
    let program = format!(
        "PostgreSQL {SERVER_VERSION} (Spikewatch {})",
        env!("CARGO_PKG_VERSION")
    );
    let nothing = ScalarValue::Utf8(None);
    for (name, arguments, value) in [
        ("version", 0, text(&program)),
        ("current_user", 0, text(user)),
        ("session_user", 0, text(user)),
        ("user", 0, text(user)),
        ("pg_encoding_to_char", 1, text("UTF8")),
        ("pg_backend_pid", 0, ScalarValue::Int32(Some(1))),
        ("txid_current", 0, ScalarValue::Int64(Some(1))),
        ("pg_is_in_recovery", 0, ScalarValue::Boolean(Some(false))),
        // There are no types but the usual ones, which nobody looks up by name.
        ("to_regtype", 1, ScalarValue::Int32(None)),
        ("obj_description", 2, nothing.clone()),
        ("col_description", 2, nothing.clone()),
        ("shobj_description", 2, nothing),
    ] {
        let data_type = value.data_type();
        let constant: ScalarFunctionImplementation =
            Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
        let signature = match arguments {
            0 => Signature::nullary(Volatility::Stable),
            count => Signature::any(count, Volatility::Stable),
        };
        add(context, name, signature, data_type, constant);
    }
    let texts = |count| {
        let arguments = vec![DataType::Utf8; count];
        Signature::exact(arguments, Volatility::Stable)
    };
    let set = Signature::any(3, Volatility::Stable);
    add(
        context,
        "set_config",
        set,
        DataType::Utf8,
        Arc::new(set_config),
    );
    add(
        context,
        "current_setting",
        texts(1),
        DataType::Utf8,
        Arc::new(current_setting),
    );
}

fn add(
    context: &SessionContext,
    name: &str,
    signature: Signature,
    returns: DataType,
    function: ScalarFunctionImplementation,
) {
    let function = SimpleScalarUDF::new_with_signature(name, signature, returns, function);
    context.register_udf(ScalarUDF::from(function));
}

/// Says that a setting was set, which changes nothing.
fn set_config(arguments: &[ColumnarValue]) -> datafusion::error::Result<ColumnarValue> {
    let value = arguments.get(1).cloned();
    Ok(value.unwrap_or(ColumnarValue::Scalar(ScalarValue::Utf8(None))))
}

/// Returns what settings say; one that is not there says nothing.
fn current_setting(arguments: &[ColumnarValue]) -> datafusion::error::Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let names = arrays.first().map(|names| names.as_string::<i32>());
    let names = names.into_iter().flatten();
    let values: StringArray = names.map(|name| name.and_then(settings::shown)).collect();
    Ok(ColumnarValue::Array(Arc::new(values) as ArrayRef))
}
